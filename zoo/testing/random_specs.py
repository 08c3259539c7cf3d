"""Drawing valid Specs: the default ones, and others whose fields are drawn within their bounds."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Mapping
from typing import Any

from zoo.errors import SpecError
from zoo.registry import families
from zoo.registry.family import Family
from zoo.specs.base import Spec
from zoo.specs.domains import Kind
from zoo.specs.validation import Schema, alternatives, listed

DRAWN, MORE = 4, 2
"""Specs that are drawn of the first domain, and of each other one."""
TRIES = 60
GRAY = tuple((1, size, size) for size in (8, 16, 28, 32, 64, 256))
COLOR = tuple((3, size, size) for size in (8, 32, 64, 128, 224, 256))
ODD = ((3, 9, 13), (1, 36, 20), (4, 32, 32))
SHAPES: Mapping[Kind, tuple[tuple[int, ...], ...]] = {
    "image": (*GRAY, *COLOR, *ODD),
    "series": ((1, 32), (2, 24), (3, 17), (1, 128), (4, 1024)),
    "vector": ((12,), (5,), (31,), (1,), (256,)),
}
"""Shapes of each kind: the first that the default Spec takes is the family's."""
SMALL: Mapping[Kind, tuple[tuple[int, ...], ...]] = {
    "image": (*GRAY[:4], *COLOR[:2], *ODD),
    "series": SHAPES["series"][:4],
    "vector": SHAPES["vector"],
}
"""Those of drawn Specs."""
MOST_PARAMETERS = 500_000
"""Of a drawn Spec, or twice as many as the default one has: the kit is quick, not thorough at size."""


def draw_specs(family: str, small: Mapping[str, Any] | None = None, seed: int = 0) -> list[Spec]:
    """The default Spec of each domain that the family takes, then drawn ones of each.

    Args:
        family: its name, or a preset's.
        small: fields that are set in every Spec, which make a model small whose defaults are large.
        seed: of the draws.

    Raises:
        SpecError: where no shape of a domain makes a valid Spec of the defaults.
        The errors of `Family.parse`.
    """
    of, fixed = families.expanded(family)
    cls = of.spec_class
    fixed |= {**(of.row.small if of.row else {}), **(small or {})}
    dice = random.Random(seed)
    schema = cls.model_json_schema(by_alias=False)
    known = schema.get("$defs", {})
    fields = {name: f for name, f in schema["properties"].items() if name != "input_shape"}
    schema["properties"] = fields
    needed = [n for n in schema.get("required", ()) if n in fields and n not in fixed]
    usual = {**{n: _draw(fields[n], known, dice) for n in needed}, **fixed}
    kinds: list[Kind] = [kind for kind in SHAPES if kind in cls.domains]
    found = {kind: _default(of, usual, kind) for kind in kinds}
    specs = [spec for spec, _ in found.values() if spec is not None]
    lacking = [problems for spec, problems in found.values() if spec is None]
    if lacking and not (fixed and specs):  # a preset with a body for images takes images alone
        raise SpecError(
            listed(f"{cls.__name__} with its defaults", lacking[0]), problems=lacking[0]
        )
    most = max(MOST_PARAMETERS, *(2 * of.parameters(spec) for spec in specs))
    for home, wanted in zip(specs.copy(), (DRAWN, *[MORE] * len(kinds)), strict=False):
        drawn: list[Spec] = []
        for _ in range(TRIES):
            shape = dice.choice((home.input_shape,) * 2 + SMALL[home.domain.kind])
            fields = {**fixed, **_fields(schema, known, dice), **(small or {})}
            spec, _ = of.parse({**fields, "input_shape": shape})
            with contextlib.suppress(SpecError):  # more parameters than the zoo builds
                if spec is not None and spec not in specs + drawn and of.parameters(spec) <= most:
                    drawn.append(spec)
            if len(drawn) == wanted:
                break
        specs += drawn
    return specs


def _default(of: Family, usual: Mapping[str, Any], kind: Kind) -> tuple[Spec | None, list[str]]:
    """The Spec for the first shape that the defaults take; else None, and the problems of the last."""
    spec, problems = None, []
    for shape in SHAPES[kind]:
        spec, problems = of.parse({"input_shape": shape, **usual})
        if spec is not None:
            break
    return spec, problems


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
