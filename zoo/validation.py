"""Strict settings: nothing coerced, nothing unknown accepted, and every problem told at once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from zoo.errors import ZooError, did_you_mean


class Strict(BaseModel):
    """Settings that cannot change, cannot be coerced, and refuse any field they do not know."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


ModelT = TypeVar("ModelT", bound=BaseModel)


def validated(
    cls: type[ModelT], fields: Mapping[str, Any], error: type[ZooError], what: str
) -> ModelT:
    """`cls` from plain fields, through JSON, so that lists are tuples and nothing is coerced.

    Raises `error` with every problem, one per line, each with its value and the nearest right name.
    """
    model, problems = checked(cls, fields)
    if model is None:
        raise error(listed(what, problems))
    return model


def checked(cls: type[ModelT], fields: Mapping[str, Any]) -> tuple[ModelT | None, list[str]]:
    """`cls` from plain fields, or None and a line for every problem."""
    try:
        return cls.model_validate_json(json.dumps(dict(fields), default=_plain)), []
    except ValidationError as invalid:
        return None, _problems(cls, invalid)
    except (TypeError, ValueError, RecursionError) as unreadable:
        return None, [f"not plain numbers, strings and lists: {unreadable}"]


def listed(what: str, problems: list[str]) -> str:
    """The problems under a line that counts them."""
    some = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n  ".join([f"{what} has {some}:", *problems])


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} {str(value)[:60]!r}")


def _problems(cls: type[BaseModel], invalid: ValidationError) -> list[str]:
    """One line per field; the branches of a union that all failed share theirs."""
    lines: dict[str, str] = {}
    for one in invalid.errors(include_url=False):
        path, siblings = _locate(cls, one["loc"])
        where = ".".join(path) or "all together"
        what = _problem(path, siblings, dict(one))
        lines[where] = f"{lines[where]}; or {what}" if where in lines else f"{where}: {what}"
    return list(lines.values())


def _problem(path: list[str], siblings: list[str], one: dict[str, Any]) -> str:
    if one["type"] == "extra_forbidden":
        hint = did_you_mean(path[-1], siblings) or f" Known: {', '.join(siblings)}."
        return f"there is no such field.{hint}"
    if one["type"] == "missing":
        return "missing"
    if one["type"] == "union_tag_not_found":
        return "needs a 'kind', which says what the other fields mean"
    message = re.sub(r"^Value error, ", "", one["msg"])
    message = message[:1].lower() + message[1:]
    value = one.get("input")
    if isinstance(value, dict | list):
        return message
    nearest = ""
    if isinstance(value, str):
        nearest = did_you_mean(value, re.findall(r"'([^']*)'", message))
    return f"{message}, not {str(value)[:60]!r}." + nearest


_BRANCH = re.compile(r"literal\[|constrained-|function-|^(int|float|str|bool)$")


def _locate(cls: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[list[str], list[str]]:
    """The path as a person would write it, and the names of the fields at its end.

    Pydantic's own path also names the branch of every union on the way.
    """
    path: list[str] = []
    siblings: list[str] = []
    models = [cls]
    for step in loc:
        branch = [model for model in models if _tag(model) == step]
        if path and branch:
            models = branch
            continue
        if path and not models and isinstance(step, str) and _BRANCH.match(step):
            continue
        path.append(str(step))
        siblings = [name for model in models for name in model.model_fields]
        fields = [m.model_fields[step] for m in models if step in m.model_fields]
        models = [inner for field in fields for inner in _models_in(field.annotation)]
    return path, siblings


def _tag(cls: type[BaseModel]) -> str | None:
    kind = cls.model_fields.get("kind")
    return None if kind is None else str(kind.default)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The Pydantic models that an annotation names, however deep."""
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for inner in get_args(annotation) for model in _models_in(inner)]
