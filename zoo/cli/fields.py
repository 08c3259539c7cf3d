"""What the fields of a settings class mean, for `zoo show`."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from zoo.specs.validation import bounds_in


def describe(cls: type[BaseModel], prefix: str = "") -> list[dict[str, str]]:
    """One entry a field: name, range, default, meaning. The fields of nested kinds follow theirs."""
    entries = []
    for name, field in cls.model_fields.items():
        if name == "kind":
            continue
        entries.append(
            {
                "name": prefix + name,
                "range": _range(field.annotation, field.metadata),
                "default": _default(field),
                "meaning": field.description or "",
            }
        )
        for kind in _kinds(field.annotation):
            first = ((kind.__doc__ or "").strip().splitlines() or [""])[0]
            name = f"kind = {_tag(kind)}" if "kind" in kind.model_fields else f"a {kind.__name__}"
            entries.append({"name": f"  {name}", "range": "", "default": "", "meaning": first})
            entries += describe(kind, prefix=f"{prefix}    ")
    return entries


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return _plain(field.default)


def _plain(value: Any) -> str:
    if isinstance(value, BaseModel):
        inner = ", ".join(f"{k} = {_plain(v)}" for k, v in value)
        return "{" + inner + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return str(value)


def _kinds(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [kind for inner in get_args(annotation) for kind in _kinds(inner)]


def _tag(kind: type[BaseModel]) -> str:
    """What a settings class is called among others: its kind, or its own name."""
    tag = kind.model_fields.get("kind")
    return kind.__name__ if tag is None else str(tag.default)


def _range(annotation: Any, metadata: list[Any]) -> str:
    """Values that a field takes, in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _range(arguments[0], [*bounds_in(arguments[1:]), *metadata])
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if _kinds(annotation):
        return " | ".join(_tag(kind) for kind in _kinds(annotation))
    if origin in (Union, types.UnionType):
        return " | ".join(_range(inner, metadata) for inner in arguments)
    if origin is tuple:
        inner = [a for a in arguments if a is not Ellipsis]
        each = list(dict.fromkeys(_range(a, []) for a in inner))
        count = _length(metadata) if Ellipsis in arguments else f"{len(inner)} of "
        return f"{count}{', '.join(each)}"
    if origin is dict:
        return f"a name to {_range(arguments[1], [])}"
    kind = {int: "integer", float: "number", str: "text", bool: "true or false"}
    return f"{kind.get(annotation, str(annotation))}{_bounds(metadata)}"


def _length(metadata: list[Any]) -> str:
    least = next((m.min_length for m in metadata if isinstance(m, MinLen)), 0)
    most = next((m.max_length for m in metadata if isinstance(m, MaxLen)), None)
    return f"{least} to {most} of " if most is not None else "list of "


def _bounds(metadata: list[Any]) -> str:
    signs = {Ge: ("ge", ">="), Gt: ("gt", ">"), Le: ("le", "<="), Lt: ("lt", "<")}
    parts = [
        f"{sign} {getattr(m, name):,}"
        for m in metadata
        for kind, (name, sign) in signs.items()
        if isinstance(m, kind)
    ]
    return f" {', '.join(parts)}" if parts else ""
