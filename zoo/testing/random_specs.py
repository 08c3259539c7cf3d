"""Drawing valid Specs: the default one, and others whose fields are drawn within their bounds."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Mapping
from typing import Any

from zoo.errors import SpecError
from zoo.registry import families
from zoo.specs.base import Spec
from zoo.specs.validation import Schema, alternatives, listed

DRAWN = 4
TRIES = 60
GRAY = tuple((1, size, size) for size in (8, 16, 28, 32, 64, 256))
COLOR = tuple((3, size, size) for size in (8, 32, 64, 128, 224, 256))
ODD = ((3, 9, 13), (1, 36, 20), (4, 32, 32))
"""Sizes of images: the first that the default Spec takes is the family's."""
MOST_PARAMETERS = 500_000
"""Of a drawn Spec, or twice as many as the default one has: the kit is quick, not thorough at size."""


def draw_specs(family: str, seed: int = 0) -> list[Spec]:
    """The default Spec, made small where it is large, for the smallest image, and up to four drawn ones.

    A family or a preset is meant by its name.

    Raises SpecError where no image size makes a valid Spec of the defaults; else as
    `Family.parse`.
    """
    of, fixed = families.expanded(family)
    cls = of.spec_class
    fixed |= of.row.small if of.row else {}
    dice = random.Random(seed)
    schema = cls.model_json_schema(by_alias=False)
    known = schema.get("$defs", {})
    fields = {name: f for name, f in schema["properties"].items() if name != "input_shape"}
    schema["properties"] = fields
    needed = [n for n in schema.get("required", ()) if n in fields and n not in fixed]
    usual = {**{n: _draw(fields[n], known, dice) for n in needed}, **fixed}
    problems: list[str] = []
    specs: list[Spec] = []
    for shape in (*GRAY, *COLOR, *ODD):
        spec, problems = of.parse({"input_shape": shape, **usual})
        if spec is not None:
            specs.append(spec)
            break
    if not specs:
        raise SpecError(listed(f"{cls.__name__} with its defaults", problems), problems=problems)
    home, most = specs[0].input_shape, max(MOST_PARAMETERS, 2 * of.parameters(specs[0]))
    for _ in range(TRIES):
        shape = dice.choice((home, home, *GRAY[:4], *COLOR[:2], *ODD))
        spec, _ = of.parse({**fixed, **_fields(schema, known, dice), "input_shape": shape})
        with contextlib.suppress(SpecError):  # more parameters than the zoo builds
            if spec is not None and spec not in specs and of.parameters(spec) <= most:
                specs.append(spec)
        if len(specs) > DRAWN:
            break
    return specs


def _fields(model: Schema, known: Mapping[str, Schema], dice: random.Random) -> dict[str, Any]:
    """The required fields and about half of the others drawn, the rest left at their defaults."""
    drawn = {}
    for name, field in model["properties"].items():
        needed = "const" in field or name in model.get("required", ())
        if needed or dice.random() < 0.5:
            drawn[name] = _draw(field, known, dice)
    return drawn


def _draw(field: Schema, known: Mapping[str, Schema], dice: random.Random) -> Any:
    """A value that the field's schema allows, near the small end; else the default."""
    one = dice.choice(alternatives(field, known))
    if "properties" in one:
        return _fields(one, known, dice)
    if "enum" in one or "const" in one:
        return dice.choice(one.get("enum", [one.get("const")]))
    if "prefixItems" in one:
        return [_draw(item, known, dice) for item in one["prefixItems"]]
    if one.get("type") == "array":
        least = one.get("minItems", 0)
        count = dice.randint(least, min(one.get("maxItems", least + 2), least + 2))
        return [_draw(one.get("items", {}), known, dice) for _ in range(count)]
    if one.get("type") == "boolean":
        return dice.choice((True, False))
    if one.get("type") in ("integer", "number"):
        return _number(one, dice)
    return field.get("default")


def _number(one: Schema, dice: random.Random) -> float:
    """A number within its bounds, from 1 where there is no least."""
    whole = one["type"] == "integer"
    low = max(one.get("minimum", -math.inf), one.get("exclusiveMinimum", -math.inf) + whole)
    high = min(one.get("maximum", math.inf), one.get("exclusiveMaximum", math.inf) - whole)
    if math.isinf(low):
        low = min(1, high - 10)
    if not whole:
        return dice.uniform(low, min(high, low + 10))
    return dice.randint(math.ceil(low), int(min(high, math.ceil(low) + 24)))
