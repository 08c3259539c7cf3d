"""All errors of the zoo.

    ZooError
    ├── UnknownNameError   (LookupError)  no model, family, dataset or recipe of that name
    ├── SourceError                       a source that is invalid or ambiguous
    ├── SpecError          (ValueError)   a Spec with wrong, missing or unknown fields
    ├── InputError         (ValueError)   a tensor or argument of the wrong shape, dtype or range
    ├── PluginError                       an object provided by an installed package is unusable
    │   └── NotInstalledError             a built-in family whose optional dependency is not installed
    ├── WeightsError                      a model folder that cannot be loaded
    │   ├── IntegrityError                its bytes differ from the published ones
    │   ├── MismatchError                 its tensors do not match its Spec
    │   └── UnsafeFormatError             it has only files that could run code when opened
    ├── DataError                         examples that are missing, damaged or do not fit the model
    ├── RecipeError        (ValueError)   a recipe with wrong, missing or unknown settings
    ├── TrainingError                     a training that cannot continue
    ├── ExportError                       a model that cannot be exported
    ├── DeviceError                       a device that is not available
    ├── OfflineError                      a file is not cached and the network is unavailable
    └── HubError                          the Hugging Face Hub refused or failed

A message says what happened, with the value, and then what to do next. Its facts are attributes:

    .problems                            any error: one line per invalid setting
    .path                                any error: the file or folder concerned, or None
    .name, .known                        UnknownNameError: the requested name and the valid ones
    .missing, .unexpected, .misshapen    MismatchError: names of tensors

Attributes survive pickling, so errors can cross process boundaries.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable


class ZooError(Exception):
    """Base class of all zoo errors."""

    def __init__(
        self,
        *args: object,
        problems: Iterable[str] = (),
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(*args)
        self.problems = tuple(problems)
        """One line per invalid setting; complete, even where the message is shortened."""
        self.path = None if path is None else os.fspath(path)
        """The file or folder concerned, if known."""


class UnknownNameError(ZooError, LookupError):
    """No model, family, dataset or recipe has that name."""

    def __init__(self, *args: object, name: str = "", known: Iterable[str] = ()) -> None:
        super().__init__(*args)
        self.name = name
        self.known = tuple(known)
        """The valid names."""


class SourceError(ZooError):
    """A source that is invalid or ambiguous."""


class SpecError(ZooError, ValueError):
    """A Spec with wrong, missing or unknown fields; all of them are listed."""


class InputError(ZooError, ValueError):
    """A tensor or argument of the wrong shape, dtype or range."""


class PluginError(ZooError):
    """An object provided by an installed package is unusable."""


class NotInstalledError(PluginError):
    """A built-in family whose optional dependency is not installed."""


class WeightsError(ZooError):
    """A model folder that cannot be loaded."""


class IntegrityError(WeightsError):
    """Bytes that differ from the published ones."""


class MismatchError(WeightsError):
    """Tensors that do not match the Spec."""

    def __init__(
        self,
        *args: object,
        missing: Iterable[str] = (),
        unexpected: Iterable[str] = (),
        misshapen: Iterable[str] = (),
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(*args, path=path)
        self.missing = tuple(missing)
        self.unexpected = tuple(unexpected)
        self.misshapen = tuple(misshapen)
        """Tensors with the wrong shape or dtype."""


class UnsafeFormatError(WeightsError):
    """A model folder with only files that could run code when opened."""


class DataError(ZooError):
    """Examples that are missing, damaged or do not fit the model."""


class RecipeError(ZooError, ValueError):
    """A recipe with wrong, missing or unknown settings; all of them are listed."""


class TrainingError(ZooError):
    """A training that cannot continue."""


class ExportError(ZooError):
    """A model that cannot be exported, or whose graph computes different values."""


class DeviceError(ZooError):
    """A device that is not available."""


class OfflineError(ZooError):
    """A file is not cached and the network is unavailable."""


class HubError(ZooError):
    """The Hugging Face Hub refused or failed."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`" Did you mean 'vae'?"` for the closest known name, or "" if none is close."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
