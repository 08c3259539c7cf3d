"""`sprites`: white shapes on black, drawn by the zoo, with five known factors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.datasets.base import NamedDataset

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np


@dataclass(frozen=True)
class Sprites(NamedDataset):
    """Record of `sprites`; `zoo.datasets.sprite_images` draws the images."""

    name: str = "sprites"
    title: str = "the 64 x 64 sprites that the zoo draws"
    classes: tuple[str, ...] = ("square", "ellipse", "heart")
    factors: tuple[str, ...] = ("shape", "scale", "angle", "x", "y")
    sha256: Mapping[str, str] = field(
        default_factory=lambda: {
            "all": "06a15242bd2287833b48bcd4831ffaf166022b693649d1f716699aa1d7caf61e"
        }
    )

    def whole(self) -> dict[str, np.ndarray]:
        from zoo.datasets import sprite_images

        return {"all": sprite_images.images()}

    def parts(self, whole: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        import numpy as np

        from zoo.datasets.sprite_images import PARTS

        ends = np.cumsum(list(PARTS.values()))[:-1]
        return dict(zip(PARTS, np.split(whole["all"], ends), strict=True))

    def test_labels(self) -> list[int]:
        return self.factors_of("test")[:, 0].tolist()

    def factors_of(self, split: str) -> np.ndarray:
        from zoo.datasets import sprite_images

        return sprite_images.factors(split)

    def damaged(self, why: str) -> str:
        return f"sprites differ from the published ones with the installed NumPy ({why}): install another version."
