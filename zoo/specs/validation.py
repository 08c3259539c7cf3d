"""Strict settings: no coercion, no unknown fields, and all problems reported at once.

Strict JSON too: no duplicate keys, bounded nesting, finite numbers only.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from zoo.errors import WeightsError, ZooError, did_you_mean
from zoo.io.text import printable

MAX_DEPTH = 16
MAX_LISTED = 50
UNKNOWN = "unknown field"


class Strict(BaseModel):
    """Immutable settings that coerce nothing and refuse unknown fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


ModelT = TypeVar("ModelT", bound=BaseModel)


def validated(
    cls: type[ModelT], fields: Mapping[str, Any], error: type[ZooError], what: str
) -> ModelT:
    """`cls` from plain fields, through JSON, so that lists become tuples and nothing is coerced.

    Raises `error` with every problem, one per line, each with its value and the closest known name.
    """
    model, problems = checked(cls, fields)
    if model is None:
        raise error(listed(what, problems), problems=problems)
    return model


def checked(
    cls: type[ModelT], fields: Mapping[str, Any], section: str = ""
) -> tuple[ModelT | None, list[str]]:
    """`cls` from plain fields, or None and one line per problem.

    Each line starts with the field's path, prefixed with the section's name if given.
    """
    try:
        text = json.dumps(dict(fields), default=_plain)
    except (TypeError, ValueError, RecursionError) as unreadable:
        start = f"{section}: " if section else ""
        return None, [f"{start}not plain numbers, strings and lists: {unreadable}"]
    try:
        return cls.model_validate_json(text), []
    except ValidationError as invalid:
        return None, _problems(cls, invalid, section, fields)


def listed(what: str, problems: list[str]) -> str:
    """The problems under a line with their number."""
    some = "a problem" if len(problems) == 1 else f"{len(problems):,} problems"
    more = len(problems) - MAX_LISTED
    rest = [f"... and {more:,} more"] if more > 0 else []
    return "\n  ".join([f"{what} has {some}:", *problems[:MAX_LISTED], *rest])


def parse_json(data: bytes, where: str) -> dict[str, Any]:
    """A JSON object of bounded depth, without duplicate keys, with finite numbers; else raises WeightsError."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_float=_finite,
            parse_constant=_finite,
        )
        if _depth(value) > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels of nesting")
    except (ValueError, RecursionError) as broken:
        raise WeightsError(f"{where!r} is not JSON: {broken}.", path=where) from None
    if not isinstance(value, dict):
        raise WeightsError(f"{where!r} holds {_shown(value)}, not an object.", path=where)
    return value


def _depth(value: object) -> int:
    inner = list(value.values()) if isinstance(value, dict) else value
    return 1 + max(map(_depth, inner), default=0) if isinstance(inner, list) else 0


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("duplicate key")
    return fields


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} {str(value)[:60]!r}")


def _problems(
    cls: type[BaseModel], invalid: ValidationError, section: str, given: Mapping[str, Any]
) -> list[str]:
    """One line per field; failed branches of a union are merged into one."""
    found: dict[str, tuple[list[str], str, str]] = {}
    for error in invalid.errors(include_url=False):
        one: dict[str, Any] = dict(error)
        if one["type"] == "too_short" and len(one["input"]) >= one["ctx"]["min_length"]:
            continue  # pydantic did not count the invalid items
        if one["type"] == "default_factory_not_called":
            continue  # the field that the default depends on is listed
        path, siblings, inner = _locate(cls, one["loc"], given)
        steps = [section, *path] if section else path
        where = ".".join(printable(step[:60]).replace("\n", "\\n") for step in steps)
        what, hint, value = _problem(path, siblings, one)
        hint = hint or _as_table(inner, one)
        messages, old_hint, _ = found.get(where, ([], "", ""))
        found[where] = ([*messages, what], old_hint or hint, value)
    return [_line(where, *problem) for where, problem in found.items()]


def _line(where: str, messages: list[str], hint: str, value: str) -> str:
    others = [text.removeprefix("input should be ") for text in messages[1:]]
    whole = " or ".join([messages[0], *others])
    got = f", not {value}" if value else ""
    return (f"{where}: " if where else "") + whole + got + (f".{hint}" if hint else "")


def _problem(path: list[str], siblings: list[str], one: dict[str, Any]) -> tuple[str, str, str]:
    """The message, a hint with the closest known name, and the value; the last two may be empty."""
    kind, value = one["type"], one.get("input")
    if kind == "extra_forbidden":
        hint = did_you_mean(path[-1], siblings) or f" Known: {', '.join(siblings)}."
        return UNKNOWN, hint, ""
    if kind == "missing":
        return "missing", "", ""
    if kind == "union_tag_not_found":
        return "missing discriminator field 'kind'", "", ""
    message = re.sub(r"^Value error, ", "", one["msg"])
    message = message[:1].lower() + message[1:]
    if kind == "union_tag_invalid" and isinstance(value, dict):
        message, value = f"kind should be one of {one['ctx']['expected_tags']}", value.get("kind")
    elif kind == "json_invalid" or (isinstance(value, dict | list) and not kind.endswith("_type")):
        return message, "", ""
    near = did_you_mean(value, re.findall(r"'([^']*)'", message)) if isinstance(value, str) else ""
    return message, near or one.get("ctx", {}).get("hint", ""), _shown(value)


def _as_table(inner: list[type[BaseModel]], one: dict[str, Any]) -> str:
    """A hint for a kind given as a string where a table is required."""
    kinds, value = [kind for model in inner if (kind := _tag(model))], one.get("input")
    if not kinds or not isinstance(value, str) or not one["type"].endswith("_type"):
        return ""
    near = [kind for kind in kinds if f"{kind!r}" in did_you_mean(value, kinds)] or kinds
    return " Write " + " or ".join(f'{{kind = "{kind}"}}' for kind in near) + "."


def _shown(value: object) -> str:
    """A JSON value for a message, truncated."""
    if isinstance(value, str):
        return repr(value[:60])
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "an object"
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)[:60]


_BRANCH = re.compile(r"literal\[|constrained-|function-|^(int|float|str|bool)$")


def _locate(
    cls: type[BaseModel], loc: tuple[int | str, ...], given: Any
) -> tuple[list[str], list[str], list[type[BaseModel]]]:
    """The path without union branches, the field names at its end, and the models allowed there.

    Pydantic's path includes the branch of most unions; where it does not, the value's kind selects
    the branch.
    """
    path: list[str] = []
    siblings: list[str] = []
    models = [cls]
    for step in loc:
        branch = [model for model in models if _tag(model) == step]
        if path and branch and step not in branch[0].model_fields:
            models = branch
            continue
        if path and not models and isinstance(step, str) and _BRANCH.match(step):
            continue
        path.append(str(step))
        siblings = [name for model in models for name in model.model_fields]
        fields = [m.model_fields[step] for m in models if step in m.model_fields]
        models = [inner for field in fields for inner in models_in(field)]
        given = given.get(step) if isinstance(given, Mapping) else None
        kind = given.get("kind") if isinstance(given, Mapping) else None
        models = [model for model in models if _tag(model) == kind] or models
    return path, siblings, models


def _tag(cls: type[BaseModel]) -> str | None:
    kind = cls.model_fields.get("kind")
    return None if kind is None else str(kind.default)


Schema = Mapping[str, Any]
"""JSON schema of a settings class, as written by Pydantic."""


def alternatives(field: Schema, known: Mapping[str, Schema]) -> list[Schema]:
    """The alternatives of a schema: the branches of its unions, with references resolved.

    Args:
        field: the schema of a field.
        known: the schema's `$defs`.
    """
    if "$ref" in field:
        return alternatives(known[field["$ref"].rpartition("/")[2]], known)
    branches = field.get("anyOf") or field.get("oneOf")
    return [one for b in branches for one in alternatives(b, known)] if branches else [field]


class ByKind:
    """Annotation of a field whose models are selected by `kind` from an extensible registry."""

    def models(self) -> list[type[BaseModel]]:
        """The models that the field accepts, of those imported so far."""
        raise NotImplementedError


def models_in(field: FieldInfo) -> list[type[BaseModel]]:
    """The Pydantic models that a field can hold, at any depth."""
    known = [
        model for mark in field.metadata if isinstance(mark, ByKind) for model in mark.models()
    ]
    return known or _models_of(field.annotation)


def _models_of(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for inner in get_args(annotation) for model in _models_of(inner)]
