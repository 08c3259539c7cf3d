"""`AnyLikelihood`: the type of a Spec's field that accepts any available likelihood, selected by `kind`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

from zoo.errors import PluginError, UnknownNameError
from zoo.likelihoods import registry
from zoo.likelihoods.base import Likelihood
from zoo.likelihoods.bernoulli import BernoulliLikelihood
from zoo.likelihoods.gaussian import GaussianLikelihood
from zoo.specs.domains import domain_of
from zoo.specs.validation import ByKind

ELSEWHERE = (
    " Other kinds come from installed packages, or from a program that registers them first."
)


class _ByKind(ByKind):
    """Validation and JSON schema of the field: a union of the available classes, tagged by kind."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(_validated)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        choices = {kind: cls.__pydantic_core_schema__ for kind, cls in registry.at_hand().items()}
        return handler(core_schema.tagged_union_schema(choices, discriminator="kind"))

    def models(self) -> list[type[BaseModel]]:
        return [*registry.at_hand().values()]


def default_likelihood(fields: Mapping[str, Any]) -> Likelihood:
    """The default likelihood: `bernoulli` for images, `gaussian` for real values.

    Args:
        fields: the fields validated so far, including `input_shape`.
    """
    shape = fields.get("input_shape")
    is_real = shape is not None and domain_of(shape).is_real
    return GaussianLikelihood() if is_real else BernoulliLikelihood()


AnyLikelihood = Annotated[
    Likelihood,
    _ByKind(),
    Field(
        default_factory=default_likelihood,
        description="p(x | z), the distribution of an example given its code",
        json_schema_extra={"default": "bernoulli for images, gaussian for vectors and series"},
    ),
]
"""The type of a Spec's field `likelihood`, with its default and its description: `likelihood: AnyLikelihood`."""


def _validated(value: Any, info: ValidationInfo) -> Likelihood:
    """A likelihood from its fields, or an instance."""
    if isinstance(value, Likelihood):
        cls, likelihood = _known(value.name(), value), value
        if cls is not type(value):
            raise ValueError(
                f"{type(value).__name__} is no longer the class registered as {value.name()!r}: "
                "create an instance of the current class"
            )
    elif not isinstance(value, dict):
        raise PydanticCustomError("model_attributes_type", "Input should be an object")
    elif "kind" not in value:
        raise PydanticKnownError("union_tag_not_found", {"discriminator": "'kind'"})
    else:
        cls = _known(value["kind"], value)
        is_json = info.mode == "json"  # where lists are tuples
        likelihood = (
            cls.model_validate_json(json.dumps(value)) if is_json else cls.model_validate(value)
        )
    if shape := info.data.get("input_shape"):
        _check_domain(cls, shape)
        likelihood.check(shape)
    return likelihood


def _known(kind: Any, value: Any) -> type[Likelihood]:
    try:
        return registry.get(kind if isinstance(kind, str) else str(kind))
    except UnknownNameError:
        known = ", ".join(map(repr, registry.list_likelihoods()))
        raise PydanticKnownError(
            "union_tag_invalid",
            {
                "discriminator": "'kind'",
                "tag": str(kind)[:60],
                "expected_tags": known,
                "hint": ELSEWHERE,
            },
        ) from None
    except PluginError as failure:
        raise ValueError(str(failure).rstrip(".")) from failure


def _check_domain(cls: type[Likelihood], shape: tuple[int, ...]) -> None:
    domain = domain_of(shape)
    if domain.kind in cls.domains:
        return
    fit = [kind for kind, one in registry.at_hand().items() if domain.kind in one.domains]
    raise ValueError(
        f"{cls.name()!r} does not support {domain.nouns}, and input_shape {shape} means {domain}; use "
        f"{' or '.join(map(repr, fit))}"
    )
