"""`AnyLikelihood`: the type of a Spec's field that accepts any available likelihood, selected by `kind`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from zoo.likelihoods.base import Likelihood
from zoo.likelihoods.bernoulli import BernoulliLikelihood
from zoo.likelihoods.gaussian import GaussianLikelihood
from zoo.likelihoods.registry import LIKELIHOODS
from zoo.plugins.field import OfKinds
from zoo.specs.domains import domain_of


def default_likelihood(fields: Mapping[str, Any]) -> Likelihood:
    """The default likelihood: `bernoulli` for images, `gaussian` for real values.

    Args:
        fields: the fields validated so far, including `input_shape`.
    """
    shape = fields.get("input_shape")
    is_real = shape is not None and domain_of(shape).is_real
    return GaussianLikelihood() if is_real else BernoulliLikelihood()


def _check_shape(likelihood: Likelihood, fields: Mapping[str, Any]) -> None:
    """Raises ValueError for a likelihood that does not support the Spec's `input_shape`, if that is valid."""
    if (shape := fields.get("input_shape")) is None:
        return
    domain = domain_of(shape)
    if domain.kind in likelihood.domains:
        likelihood.check(shape)
        return
    fit = [kind for kind, one in LIKELIHOODS.at_hand().items() if domain.kind in one.domains]
    raise ValueError(
        f"{likelihood.name()!r} does not support {domain.nouns}, and input_shape {shape} means {domain}; use "
        f"{' or '.join(map(repr, fit))}"
    )


AnyLikelihood = Annotated[
    Likelihood,
    OfKinds(LIKELIHOODS, _check_shape),
    Field(
        default_factory=default_likelihood,
        description="p(x | z), the distribution of an example given its code",
        json_schema_extra={"default": "bernoulli for images, gaussian for vectors and series"},
    ),
]
"""The type of a Spec's field `likelihood`, with its default and its description: `likelihood: AnyLikelihood`."""
