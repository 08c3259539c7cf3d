"""Which protocols fit the likelihood of a Spec."""

from __future__ import annotations

from zoo.errors import InputError
from zoo.likelihoods import registry
from zoo.likelihoods.base import Likelihood
from zoo.specs.base import Spec
from zoo.specs.domains import domain_of
from zoo.specs.protocols import Protocol, check_known


def likelihood_of(spec: Spec) -> Likelihood | None:
    """The likelihood of a Spec; None for a family without one."""
    found = getattr(spec, "likelihood", None)
    return found if isinstance(found, Likelihood) else None


def fitting_protocols(spec: Spec) -> tuple[Protocol, ...]:
    """The protocols that fit a Spec, its own first; none for images of a family without a likelihood."""
    likelihood = likelihood_of(spec)
    if likelihood is not None:
        return likelihood.fitting(spec.input_shape)
    return ("real",) if domain_of(spec.input_shape).is_real else ()


def check_protocol(protocol: str, spec: Spec) -> None:
    """Raises InputError if there is no such protocol, or if it does not fit the Spec."""
    check_known(protocol)
    domain, likelihood = domain_of(spec.input_shape), likelihood_of(spec)
    if domain.is_image == (protocol == "real"):
        own = fitting_protocols(spec)
        use = f"; use {' or '.join(map(repr, own))}" if own else ""
        raise InputError(f"{protocol!r} is not a protocol of {domain.nouns}{use}.")
    if likelihood is None or protocol in (fitting := fitting_protocols(spec)):
        return
    others = " or ".join(
        kind for kind, cls in registry.at_hand().items() if protocol in cls.protocols
    )
    raise InputError(
        f"{protocol!r} does not fit a {likelihood.name()} likelihood; "
        f"use {' or '.join(map(repr, fitting))}, or a {others} likelihood."
    )
