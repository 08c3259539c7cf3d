"""What the zoo says of a family of its own: a row, written in the family's folder. No torch here."""

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
    """Where the method is from."""
    small: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a model that the conformance kit checks in a minute, where the defaults give a large one."""


@dataclass(frozen=True)
class Preset:
    """A name for a family with some fields set. What is built, saved and compared is the family."""

    name: str
    family: str
    fields: Mapping[str, Any]
    """In place of the Spec's defaults; what a user gives goes first."""
    summary: str
    papers: tuple[str, ...] = ()
    """Where the method is from, besides the family's papers."""

    def describes(self, spec: Spec) -> bool:
        """Whether a Spec of the family departs from its defaults where the preset does."""
        return all(_departs(spec, name, value) for name, value in self.fields.items())


def _departs(spec: Spec, name: str, value: Any) -> bool:
    own = getattr(spec, name)
    if isinstance(value, Mapping):
        return own.kind == value["kind"]
    return own != type(spec).model_fields[name].default
