"""What the fields of a settings class mean, for `zoo show`, read from its JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from zoo.specs.validation import Schema, alternatives

_TYPES = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false"}
_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def describe(
    cls: type[BaseModel], defaults: Mapping[str, Any] | None = None
) -> list[dict[str, str]]:
    """One entry a field: name, range, default, meaning. The fields of nested kinds follow theirs.

    `defaults` are a preset's, in place of the class's.
    """
    schema = cls.model_json_schema(by_alias=False)
    for name, value in (defaults or {}).items():
        schema["properties"][name]["default"] = value
    return _described(schema, schema.get("$defs", {}), "")


def _described(model: Schema, known: Mapping[str, Schema], prefix: str) -> list[dict[str, str]]:
    entries = []
    for name, field in model["properties"].items():
        if name == "kind":
            continue
        default = "required" if name in model.get("required", ()) else _plain(field.get("default"))
        meaning = field.get("description", "")
        entries.append(_entry(prefix + name, _range(field, known), default, meaning))
        branches = alternatives(field, known)
        items = [inner for one in branches for inner in alternatives(one.get("items", {}), known)]
        for kind in (one for one in (*branches, *items) if "properties" in one):
            title = f"kind = {_tag(kind)}" if "kind" in kind["properties"] else f"a {_tag(kind)}"
            meaning = kind.get("description", "").partition("\n")[0]
            entries.append(_entry(f"  {title}", meaning=meaning))
            entries += _described(kind, known, f"{prefix}    ")
    return entries


def _entry(name: str, range_: str = "", default: str = "", meaning: str = "") -> dict[str, str]:
    return {"name": name, "range": range_, "default": default, "meaning": meaning}


def _plain(value: Any) -> str:
    if isinstance(value, dict) and value:
        return "{" + ", ".join(f"{name} = {_plain(inner)}" for name, inner in value.items()) + "}"
    return "[" + ", ".join(map(_plain, value)) + "]" if isinstance(value, list) else str(value)


def _tag(kind: Schema) -> str:
    """What a settings class is called among others: its kind, or its own name."""
    return kind["properties"].get("kind", {}).get("const", kind["title"])


def _range(field: Schema, known: Mapping[str, Schema]) -> str:
    """Values that a field takes, in words."""
    return " | ".join(_branch(one, known) for one in alternatives(field, known))


def _branch(one: Schema, known: Mapping[str, Schema]) -> str:
    if "properties" in one:
        return _tag(one)
    if "enum" in one or "const" in one:
        return " | ".join(map(str, one.get("enum", [one.get("const")])))
    if one.get("type") == "array":
        items = one.get("prefixItems", [one.get("items", {})])
        least, most = one.get("minItems", 0), one.get("maxItems")
        count = "list" if most is None else f"{most}" if least == most else f"{least} to {most}"
        return f"{count} of {', '.join(dict.fromkeys(_range(item, known) for item in items))}"
    if isinstance(values := one.get("additionalProperties"), dict):
        return f"a name to {_range(values, known)}"
    bounds = ", ".join(f"{sign} {one[name]:,}" for name, sign in _BOUNDS.items() if name in one)
    kind = one.get("type", "anything")
    return f"{_TYPES.get(kind, kind)} {bounds}".rstrip()
