"""`digits`: the 8 x 8 digits of scikit-learn, split in order into 1,297, 200 and 300 images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.datasets.base import InSklearn

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

PARTS = {"train": 1297, "validation": 200, "test": 300}


@dataclass(frozen=True)
class Digits(InSklearn):
    """Record of `digits`."""

    name: str = "digits"
    title: str = "the 8 x 8 digits of scikit-learn"
    classes: tuple[str, ...] = tuple("0123456789")
    sha256: Mapping[str, str] = field(
        default_factory=lambda: {
            "all": "b41ca9fd335466eee997366c2e6f6bbe0a1b4582afe091fc4eba35f4a254182f"
        }
    )

    def whole(self) -> dict[str, np.ndarray]:
        import numpy as np
        from sklearn.datasets import load_digits

        levels, _ = load_digits(return_X_y=True)  # (1797, 64), float64, 0 to 16
        return {"all": np.rint(levels * 255 / 16).astype(np.uint8).reshape(-1, 8, 8)}

    def parts(self, whole: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        import numpy as np

        ends = np.cumsum(list(PARTS.values()))[:-1]
        return dict(zip(PARTS, np.split(whole["all"], ends), strict=True))

    def test_labels(self) -> list[int]:
        from sklearn.datasets import load_digits

        return load_digits(return_X_y=True)[1][-PARTS["test"] :].tolist()
