"""`breast-cancer-benign` and `breast-cancer-malignant`: the rows of scikit-learn's breast cancer data, by diagnosis.

Thirty measurements of the cell nuclei in an image, in their own units (Wolberg et al. 1995). The
benign rows are normal examples: 217, 70 and 70, in the order of the sha256 of each row, as their own
order may not be random. The malignant ones are anomalies, and have no parts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.datasets.base import InSklearn

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

PARTS = {"train": 217, "validation": 70, "test": 70}
"""Of the benign rows."""


@dataclass(frozen=True)
class BreastCancer(InSklearn):
    """Record of the rows of one diagnosis."""

    target: int = 0
    """The diagnosis as a number of scikit-learn's: 0 is malignant, 1 benign."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Number of rows by part; empty for rows without parts."""

    def whole(self) -> dict[str, np.ndarray]:
        import numpy as np
        from sklearn.datasets import load_breast_cancer

        rows, target = load_breast_cancer(return_X_y=True)  # (569, 30) float64, (569,)
        chosen = rows[target == self.target].astype("<f8")
        order = sorted(
            range(len(chosen)), key=lambda n: hashlib.sha256(chosen[n].tobytes()).digest()
        )
        return {"all": np.ascontiguousarray(chosen[order])}

    def parts(self, whole: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        import numpy as np

        if not self.sizes:
            return whole
        ends = np.cumsum(list(self.sizes.values()))[:-1]
        return dict(zip(self.sizes, np.split(whole["all"], ends), strict=True))


BENIGN = BreastCancer(
    name="breast-cancer-benign",
    title="benign tumors in scikit-learn's breast cancer data",
    sha256={"all": "e4a1d3cb9a088049fa751269b6c7192f5ec95ce80d862ea6dcf6f81805f32b6e"},
    target=1,
    sizes=PARTS,
)
MALIGNANT = BreastCancer(
    name="breast-cancer-malignant",
    title="malignant tumors in scikit-learn's breast cancer data",
    sha256={"all": "fd116db1102972552b83c79e49e913c98df53b20c584d58b6ddb06c2750e50b9"},
    target=0,
)
