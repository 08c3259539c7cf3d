"""A Spec's likelihood, and the protocols that fit it."""

from __future__ import annotations

from zoo.errors import InputError
from zoo.likelihoods.base import Likelihood
from zoo.likelihoods.registry import LIKELIHOODS
from zoo.specs.base import Spec
from zoo.specs.domains import domain_of
from zoo.specs.protocols import Protocol, check_known


def likelihood_of(spec: Spec) -> Likelihood | None:
    """A Spec's likelihood; None for a family without one."""
    found = getattr(spec, "likelihood", None)
    return found if isinstance(found, Likelihood) else None


def accepts_missing(spec: Spec) -> bool:
    """Whether NaN in an example is a missing value for models of this Spec."""
    likelihood = likelihood_of(spec)
    return likelihood is not None and likelihood.accepts_missing


def fitting_protocols(spec: Spec) -> tuple[Protocol, ...]:
    """Protocols that fit a Spec, the default first; empty for images without a likelihood."""
    likelihood = likelihood_of(spec)
    if likelihood is not None:
        return likelihood.fitting(spec.input_shape)
    return ("real",) if domain_of(spec.input_shape).is_real else ()


def check_protocol(protocol: str, spec: Spec) -> None:
    """Raises InputError for an unknown protocol, or one that does not fit the Spec."""
    check_known(protocol)
    domain, likelihood = domain_of(spec.input_shape), likelihood_of(spec)
    if domain.is_image == (protocol == "real"):
        own = fitting_protocols(spec)
        use = f"; use {' or '.join(map(repr, own))}" if own else ""
        raise InputError(f"{protocol!r} is not a protocol for {domain.nouns}{use}.")
    if likelihood is None or protocol in (fitting := fitting_protocols(spec)):
        return
    others = " or ".join(
        kind for kind, cls in LIKELIHOODS.at_hand().items() if protocol in cls.protocols
    )
    raise InputError(
        f"{protocol!r} does not fit a {likelihood.name()} likelihood; "
        f"use {' or '.join(map(repr, fitting))}, or a {others} likelihood."
    )
