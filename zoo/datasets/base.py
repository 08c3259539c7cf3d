"""`NamedDataset`: everything that there is to know of a dataset that has a name."""

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
    """A dataset's facts, and how it is read. A subclass implements `whole`."""

    name: str
    title: str
    """What people call it."""
    hub: str | None = None
    """Its id on the Hugging Face Hub."""
    classes: tuple[str, ...] = ()
    """Names of the classes of its images, by number."""
    factors: tuple[str, ...] = ()
    """Names of the known factors behind its images."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """Of the uint8 pixels of what `whole` gives, by name, in row-major order; others are not checked."""

    def read(self) -> dict[str, np.ndarray]:
        """Every part, `(N, C, H, W)` or `(N, H, W)` uint8.

        Raises OfflineError where it would have to be downloaded and cannot be, DataError where its
        bytes are not the published ones.
        """
        whole = self.whole()
        for name, pixels in whole.items():
            expected, found = self.sha256.get(name), hashlib.sha256(pixels.data).hexdigest()
            if expected and found != expected:
                raise DataError(
                    self.damaged(
                        f"sha256 of the {name} images is {found[:12]}..., expected {expected[:12]}..."
                    )
                )
        return self.parts(whole)

    def whole(self) -> dict[str, np.ndarray]:
        """The images as they are published, by the name of each file or all as "all"."""
        raise NotImplementedError

    def parts(self, whole: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The images of train, validation and test, from the whole."""
        raise NotImplementedError

    def is_here(self) -> bool:
        """Whether reading it downloads nothing."""
        return True

    def test_labels(self) -> list[int] | None:
        """The class of each test image; None where they are missing or damaged: they only color a map."""
        return None

    def factors_of(self, split: str) -> np.ndarray:
        """The factors of every image of a split, in its order, `(N, F)` int64."""
        raise NotImplementedError

    def damaged(self, why: str) -> str:
        """What is said of other bytes than the published ones."""
        raise NotImplementedError
