"""`Spec`: a model's architecture as validated, immutable data. No torch here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import Field, field_validator

from zoo.errors import SpecError
from zoo.specs.domains import KINDS, MOST, Domain, Kind, domain_of
from zoo.specs.objectives import ObjectiveSettings
from zoo.specs.validation import Strict, validated

MAX_PARAMETERS = 1_000_000_000


Shape = tuple[Annotated[int, Field(ge=1)], ...]
SpecT = TypeVar("SpecT", bound="Spec")


class Spec(Strict):
    """Base class of every family's Spec. A family subclasses it and adds fields with defaults."""

    input_shape: Shape = Field(
        description="shape of one example: (D,) a row, (C, L) a series, (C, H, W) an image",
        json_schema_extra={"minItems": 1, "maxItems": len(KINDS)},
    )

    domains: ClassVar[tuple[Kind, ...]] = ("image",)
    """Domains that the family supports; an `input_shape` of any other is refused."""
    parts: ClassVar[tuple[str, ...]] = ()
    """Parts that a built-in family offers to objectives: see `zoo.models.primitives.parts_of`."""
    objective: ClassVar[ObjectiveSettings | None] = None
    """The family's default objective; None derives it from its parts: see `default_objective`."""

    if TYPE_CHECKING:  # a loaded Spec has its family's fields, known only at run time

        def __getattr__(self, name: str) -> Any: ...

    @field_validator("input_shape")
    @classmethod
    def _check_domain(cls, shape: Shape) -> Shape:
        if not 1 <= len(shape) <= len(KINDS):
            raise ValueError("1, 2 or 3 sides: (D,) a row, (C, L) a series, (C, H, W) an image")
        domain = domain_of(shape)
        if any(side > most for side, most in zip(shape, MOST[domain.kind], strict=True)):
            largest = Domain(domain.kind, MOST[domain.kind])
            raise ValueError(f"at most {largest}, not {domain}")
        if domain.kind not in cls.domains:
            taken = " or ".join(Domain(kind, ()).nouns for kind in cls.domains)
            raise ValueError(f"this family takes {taken}, not {domain}")
        return shape

    @property
    def domain(self) -> Domain:
        """The kind of examples (images, series or rows) and their shape."""
        return domain_of(self.input_shape)

    @property
    def input_size(self) -> int:
        """Number of values in one example."""
        return self.domain.size

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Constant weights of the loss's terms, by name; a term without one has weight 1."""
        return {}

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one example's code."""
        raise NotImplementedError

    @property
    def stride(self) -> int:
        """Downsampling factor of a model that takes images of any size divisible by it.

        A code's height and width are the image's divided by the stride. 0, the default: only images of
        `input_shape`.
        """
        return 0

    @property
    def reach(self) -> int | None:
        """Number of pixels in each direction that a pixel of a reconstruction depends on.

        None, the default: all of them. Otherwise large images are reconstructed in tiles.
        """
        return None

    def takes(self, image: tuple[int, ...]) -> bool:
        """Whether images of this shape, `(C, H, W)`, can be encoded."""
        if not self.stride:
            return image == self.input_shape
        channels, *size = image or (0,)
        divided = [n > 0 and n % self.stride == 0 for n in size]
        return channels == self.input_shape[0] and divided == [True, True]

    def code_shape(self, image: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the code of an image of a supported shape, `(C, H, W)`."""
        if not self.stride:
            return self.latent_shape
        return (*self.latent_shape[:-2], *(side // self.stride for side in image[1:]))

    def has_codes(self, code: tuple[int, ...]) -> bool:
        """Whether codes of this shape can be decoded."""
        if not self.stride:
            return code == self.latent_shape
        return code[:-2] == self.latent_shape[:-2] and min(code) > 0

    @classmethod
    def parse(cls: type[SpecT], fields: Mapping[str, Any]) -> SpecT:
        """A Spec from plain fields; lists become tuples. Raises SpecError listing every problem."""
        return validated(cls, fields, SpecError, f"This {cls.__name__}")


def likelihood_kind(spec: Spec) -> str:
    """Name of the Spec's likelihood, such as `bernoulli`; empty for a family without one."""
    return str(getattr(getattr(spec, "likelihood", None), "kind", ""))


def check_latent_shape(spec: Spec) -> None:
    """Raises ValueError unless `latent_shape` is a non-empty tuple of positive integers."""
    shape = spec.latent_shape
    if not (isinstance(shape, tuple) and shape and all(type(n) is int and n > 0 for n in shape)):
        raise ValueError(f"latent_shape must be a tuple of positive integers, not {shape!r}")


def plain_fields(spec: Spec) -> dict[str, Any]:
    """The fields as plain JSON and TOML values.

    Raises whatever Pydantic and tomli-w raise for fields that cannot be serialized (null, in TOML),
    and ValueError for fields that do not survive a JSON round trip.
    """
    import tomli_w

    fields = spec.model_dump(mode="json")
    tomli_w.dumps(fields)
    if type(spec).model_validate_json(json.dumps(fields)) != spec:
        raise ValueError("its fields do not survive a JSON round trip")
    return fields
