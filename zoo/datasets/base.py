"""`NamedDataset`: the record of a named dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.errors import DataError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class NamedDataset:
    """Facts about a dataset, and how to read it. Subclasses implement `whole`, `parts` and `damaged`."""

    name: str
    title: str
    """Human-readable title."""
    hub: str | None = None
    """Its id on the Hugging Face Hub."""
    classes: tuple[str, ...] = ()
    """Class names, by number."""
    factors: tuple[str, ...] = ()
    """Names of the ground-truth factors of its images."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """Hex sha256 of the arrays of `whole`, by name, in row-major order; arrays without one are not checked."""

    def read(self) -> dict[str, np.ndarray]:
        """All parts by name: images `(N, C, H, W)` or `(N, H, W)` uint8, or rows `(N, D)` float64.

        Raises OfflineError if a needed download fails, DataError if the bytes differ from the
        published ones.
        """
        whole = self.whole()
        for name, values in whole.items():
            expected, found = self.sha256.get(name), hashlib.sha256(values.data).hexdigest()
            if expected and found != expected:
                raise DataError(
                    self.damaged(
                        f"sha256 of {name!r} is {found[:12]}..., expected {expected[:12]}..."
                    )
                )
        return self.parts(whole)

    def whole(self) -> dict[str, np.ndarray]:
        """The examples as published, by file, or all as "all"."""
        raise NotImplementedError

    def parts(self, whole: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The examples of train, validation and test, or of "all", from those of `whole`."""
        raise NotImplementedError

    def is_here(self) -> bool:
        """Whether it can be read without a download."""
        return True

    def test_labels(self) -> list[int] | None:
        """The class of each test example, or None if there are no labels or they are damaged: they only color plots."""
        return None

    def factors_of(self, split: str) -> np.ndarray:
        """The factors of every image of a split, in order, `(N, F)` int64."""
        raise NotImplementedError

    def damaged(self, why: str) -> str:
        """Error message for bytes that differ from the published ones, because of `why`."""
        raise NotImplementedError


class InSklearn(NamedDataset):
    """A dataset that scikit-learn contains."""

    def damaged(self, why: str) -> str:
        return (
            f"{self.name}: the installed scikit-learn has other data than the published ones ({why}): "
            "install another version."
        )
