"""Classes of the images of a named dataset, where it has them: for pictures, never for training."""

from __future__ import annotations

from zoo.data.named.registry import TORCHVISION, data_folder, sprites
from zoo.errors import DataError
from zoo.io.files import read_regular

FASHION = (
    "T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "trainer", "bag", "boot",
)  # fmt: skip
SHAPES = ("square", "ellipse", "heart")
DIGITS = tuple("0123456789")
KMNIST = tuple("おきすつなはまやれを")
KIN = {"mnist": DIGITS, "fashion-mnist": FASHION, "kmnist": KMNIST}
"""Classes of MNIST and its kin."""
COUNT = 10_000
"""Test images of MNIST and its kin."""


def test_labels(dataset: str) -> tuple[list[int], tuple[str, ...]] | None:
    """The class of each test image, by number, and the names of the classes; None where there are none.

    A file of labels that is missing or damaged is as if there were none: they only color a map.
    """
    if dataset == "digits":
        from sklearn.datasets import load_digits

        _, labels = load_digits(return_X_y=True)
        return labels[-300:].tolist(), DIGITS
    if dataset == "sprites":
        return sprites.factors("test")[:, 0].tolist(), SHAPES
    if dataset not in KIN:
        return None
    path = data_folder() / TORCHVISION[dataset] / "raw" / "t10k-labels-idx1-ubyte"
    header = b"".join(number.to_bytes(4, "big") for number in (0x0801, COUNT))
    try:
        data = read_regular(path, COUNT + len(header), DataError)
    except DataError:
        return None
    labels = list(data[len(header) :])
    whole = data.startswith(header) and len(labels) == COUNT and max(labels) < len(DIGITS)
    return (labels, KIN[dataset]) if whole else None
