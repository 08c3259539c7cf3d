"""Drawing valid Specs: the default one, and others whose fields are drawn within their bounds."""

from __future__ import annotations

import math
import random
import types
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, MultipleOf
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from zoo.errors import SpecError
from zoo.registry import families
from zoo.specs.base import Spec
from zoo.specs.validation import bounds_in, listed

SHAPES = ((1, 8, 8), (1, 16, 16), (1, 28, 28), (1, 32, 32), (1, 64, 64))
COLOUR = ((3, 8, 8), (3, 32, 32), (3, 64, 64), (3, 128, 128), (3, 224, 224))
ODD = ((3, 9, 13), (1, 36, 20), (2, 11, 8), (4, 32, 32), (1, 256, 256), (3, 256, 256))
"""Sizes of images, from the smallest: the first that the default Spec takes is the family's."""

DRAWN = 4
TRIES = 60
MOST_PARAMETERS = 3_000_000


def draw_specs(family: str, seed: int = 0) -> list[Spec]:
    """The default Spec for the smallest image, and up to four drawn ones.

    Raises SpecError where no image size makes a valid Spec of the defaults; else as
    `Family.parse`.
    """
    of = families.get(family)
    cls = of.spec_class
    dice = random.Random(seed)
    required = {
        name: _draw(field.annotation, field.metadata, None, dice)
        for name, field in cls.model_fields.items()
        if name != "image_shape" and field.is_required()
    }
    problems: list[str] = []
    specs: list[Spec] = []
    for shape in (*SHAPES, *COLOUR, *ODD):
        spec, problems = of.parse({"image_shape": shape, **required})
        if spec is not None:
            specs.append(spec)
            break
    if not specs:
        raise SpecError(listed(f"{cls.__name__} with its defaults", problems))
    home = specs[0].image_shape
    for _ in range(TRIES):
        shape = dice.choice((home, home, *SHAPES, *COLOUR[:2], *ODD[:3]))
        fields = _fields(cls, dice) | {"image_shape": shape}
        spec, _ = of.parse({**required, **fields})
        if spec is not None and spec not in specs and of.parameters(spec) <= MOST_PARAMETERS:
            specs.append(spec)
        if len(specs) > DRAWN:
            break
    return specs


def _fields(cls: type[BaseModel], dice: random.Random) -> dict[str, Any]:
    """About half of the fields drawn, the others left at their defaults."""
    drawn = {}
    for name, field in cls.model_fields.items():
        if name == "image_shape" or _is_tag(field):
            continue
        if field.is_required() or dice.random() < 0.5:
            default = field.get_default(call_default_factory=True)
            drawn[name] = _draw(field.annotation, field.metadata, default, dice)
    return drawn


def _is_tag(field: FieldInfo) -> bool:
    """Whether a field only says which of a union's classes is meant."""
    return get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1


def _draw(annotation: Any, metadata: Sequence[Any], default: Any, dice: random.Random) -> Any:
    """A value that the type and its bounds allow, near the small end; else the default."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _draw(arguments[0], [*bounds_in(arguments[1:]), *metadata], default, dice)
    if origin is Literal:
        return dice.choice(arguments)
    if origin in (Union, types.UnionType):
        return _draw(dice.choice(arguments), metadata, default, dice)
    if origin is tuple:
        return _draw_tuple(arguments, metadata, default, dice)
    if annotation is bool:
        return dice.choice((True, False))
    if annotation is int:
        return _draw_int(metadata, dice)
    if annotation is float:
        low, high = _bounds(metadata)
        return dice.uniform(low, min(high, low + 10))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        tags = {name: field.default for name, field in fields if _is_tag(field)}
        return {**tags, **_fields(annotation, dice)}
    return None if default is PydanticUndefined else default


def _draw_tuple(arguments: Any, metadata: Sequence[Any], default: Any, dice: random.Random) -> Any:
    if Ellipsis not in arguments:
        return [_draw(each, (), None, dice) for each in arguments]
    least = next((m.min_length for m in metadata if isinstance(m, MinLen)), 0)
    most = next((m.max_length for m in metadata if isinstance(m, MaxLen)), least + 2)
    count = dice.randint(least, min(most, least + 2))
    return [_draw(arguments[0], (), default, dice) for _ in range(count)]


def _draw_int(metadata: Sequence[Any], dice: random.Random) -> int:
    low, high = _bounds(metadata)
    step = next(
        (int(getattr(m, "multiple_of", 1)) for m in metadata if isinstance(m, MultipleOf)), 1
    )
    first = -(-math.ceil(low) // step)
    last = first + 24 if math.isinf(high) else max(first, min(math.floor(high) // step, first + 24))
    return step * dice.randint(first, last)


def _bounds(metadata: Sequence[Any]) -> tuple[float, float]:
    """Least and greatest value, exclusive bounds moved in; from 1 where there is no least."""
    low, high = -math.inf, math.inf
    for m in bounds_in(metadata):
        low = getattr(m, "ge", low) if isinstance(m, Ge) else low
        low = math.nextafter(getattr(m, "gt", low), math.inf) if isinstance(m, Gt) else low
        high = getattr(m, "le", high) if isinstance(m, Le) else high
        high = math.nextafter(getattr(m, "lt", high), -math.inf) if isinstance(m, Lt) else high
    if math.isinf(low):
        low = min(1.0, high - 10 if math.isfinite(high) else 1.0)
    return low, high
