"""Registration records of built-in families, written in each family's folder. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.specs.base import Spec


@dataclass(frozen=True)
class Row:
    """A built-in family."""

    name: str
    spec: type[Spec]
    path: str
    """Its class as `module:name`, imported when a model is built."""
    summary: str
    papers: tuple[str, ...] = ()
    """References."""
    small: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a model small enough for the conformance kit, if the defaults give a large one."""


@dataclass(frozen=True)
class Preset:
    """A name for a family with some fields set. Models are built, saved and compared as the family."""

    name: str
    family: str
    fields: Mapping[str, Any]
    """Replace the Spec's defaults; the user's values take precedence."""
    summary: str
    papers: tuple[str, ...] = ()
    """References besides the family's."""

    def describes(self, spec: Spec) -> bool:
        """Whether a Spec of the family differs from its defaults in all of the preset's fields."""
        return all(_differs(spec, name, value) for name, value in self.fields.items())


def _differs(spec: Spec, name: str, value: Any) -> bool:
    own = getattr(spec, name)
    if isinstance(value, Mapping):
        return own.kind == value["kind"]
    return own != type(spec).model_fields[name].default
