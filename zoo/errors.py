"""Every error the zoo raises on purpose.

    ZooError
    ├── UnknownNameError   (LookupError)  no model, family, dataset or recipe of that name
    ├── SourceError                       a source that cannot be understood or is ambiguous
    ├── SpecError          (ValueError)   a Spec with wrong, missing or unknown fields
    ├── InputError         (ValueError)   a tensor or argument of the wrong shape, dtype or range
    ├── PluginError                       what an installed package provides cannot be used
    │   └── NotInstalledError             a family of the zoo's whose library is not installed
    ├── WeightsError                      a model's folder that cannot be loaded
    │   ├── IntegrityError                its bytes are not the ones that were published
    │   ├── MismatchError                 its tensors are not the ones its Spec asks for
    │   └── UnsafeFormatError             only files that could run code
    ├── DataError                         images that are missing, damaged or do not fit
    ├── RecipeError        (ValueError)   a recipe with wrong, missing or unknown settings
    ├── TrainingError                     a training that cannot continue
    ├── ExportError                       a model that cannot become a graph
    ├── DeviceError                       a device that is not available
    ├── OfflineError                      something that only the network has
    └── HubError                          the Hugging Face Hub refused or failed

A message says what happened, with the value, and then what to do next. The facts in it are attributes:

    .problems                            of any: one line each, where several things are wrong with settings
    .path                                of any: the file or folder that it is about, or None
    .name, .known                        of UnknownNameError: what was asked for, and what there is
    .missing, .unexpected, .misshapen    of MismatchError: names of tensors

They survive pickling, by which processes hand errors to one another.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable


class ZooError(Exception):
    """The parent of every error that the zoo raises on purpose."""

    def __init__(
        self,
        *args: object,
        problems: Iterable[str] = (),
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(*args)
        self.problems = tuple(problems)
        """One line for each problem, where settings were checked; all of them, however many the message lists."""
        self.path = None if path is None else os.fspath(path)
        """The file or folder that it is about, where one is known."""


class UnknownNameError(ZooError, LookupError):
    """No model, family, dataset or recipe has that name."""

    def __init__(self, *args: object, name: str = "", known: Iterable[str] = ()) -> None:
        super().__init__(*args)
        self.name = name
        self.known = tuple(known)
        """The names that would have been right."""


class SourceError(ZooError):
    """A source that cannot be understood, or could mean two things."""


class SpecError(ZooError, ValueError):
    """A Spec with wrong, missing or unknown fields; all of them are listed."""


class InputError(ZooError, ValueError):
    """A tensor or argument of the wrong shape, dtype or range."""


class PluginError(ZooError):
    """Something that an installed package provides cannot be used."""


class NotInstalledError(PluginError):
    """A family of the zoo's own, of an extra whose library is not installed."""


class WeightsError(ZooError):
    """A model's folder that cannot be loaded."""


class IntegrityError(WeightsError):
    """Bytes that are not the ones that were published."""


class MismatchError(WeightsError):
    """Tensors that are not the ones that the Spec asks for."""

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
        """Tensors of another shape or dtype."""


class UnsafeFormatError(WeightsError):
    """Only files that could run code when they are opened."""


class DataError(ZooError):
    """Images that are missing, damaged or do not fit."""


class RecipeError(ZooError, ValueError):
    """A recipe with wrong, missing or unknown settings; all of them are listed."""


class TrainingError(ZooError):
    """A training that cannot continue."""


class ExportError(ZooError):
    """A model that cannot become a graph, or whose graph computes something else."""


class DeviceError(ZooError):
    """A device that is not available."""


class OfflineError(ZooError):
    """Something that only the network has."""


class HubError(ZooError):
    """The Hugging Face Hub refused or failed."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`" Did you mean 'vae'?"` for the nearest of the known names, or nothing if none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
