"""`breast-cancer-benign` and `breast-cancer-malignant`: the rows of scikit-learn's breast cancer data, by diagnosis.

Thirty measurements of the cell nuclei in an image, in their own units (Wolberg et al. 1995). The
benign rows are normal examples, in order 217, 70 and 70; the malignant ones are anomalies, and have
no parts.
"""

from __future__ import annotations

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
        return {"all": np.ascontiguousarray(rows[target == self.target], np.float64)}

    def parts(self, whole: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        import numpy as np

        if not self.sizes:
            return whole
        ends = np.cumsum(list(self.sizes.values()))[:-1]
        return dict(zip(self.sizes, np.split(whole["all"], ends), strict=True))


BENIGN = BreastCancer(
    name="breast-cancer-benign",
    title="the benign rows of scikit-learn's breast cancer data",
    sha256={"all": "59cebad48d509e7b1f2ec2f897ed4523776a4c50f62fc9391ca3f631fbe925df"},
    target=1,
    sizes=PARTS,
)
MALIGNANT = BreastCancer(
    name="breast-cancer-malignant",
    title="the malignant rows of scikit-learn's breast cancer data",
    sha256={"all": "3e4c08cc0e29c5844d1efaaff9a509ce4f21bc37b2283510e9a0c443f82f7b97"},
    target=0,
)
