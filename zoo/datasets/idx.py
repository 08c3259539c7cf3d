"""MNIST and similar datasets: IDX files in torchvision's layout, downloaded by torchvision.

Validation is the last 5,000 training images.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

from zoo.datasets.base import NamedDataset
from zoo.errors import DataError, OfflineError
from zoo.io.files import read_regular, with_home
from zoo.runtime import processes
from zoo.runtime.torchvision import torchvision_part

if TYPE_CHECKING:
    import numpy as np

FILES = {
    "train": ("train-images-idx3-ubyte", 60_000),
    "test": ("t10k-images-idx3-ubyte", 10_000),
}
"""File name and number of images of each part."""
TEST_LABELS = ("t10k-labels-idx1-ubyte", 10_000)
HELD_OUT = 5000
"""Number of training images held out for validation."""


def data_folder() -> Path:
    """The data folder, in torchvision's layout: `ZOO_DATA`, else in the platform's cache folder."""
    import platformdirs

    chosen = os.environ.get("ZOO_DATA")
    if chosen:
        return with_home(chosen, DataError)
    return platformdirs.user_cache_path("autoencoder-zoo")


@dataclass(frozen=True)
class IDX(NamedDataset):
    """A dataset in MNIST's format: 28 x 28, gray, ten classes."""

    torchvision: str = ""
    """Name of the class in torchvision, and of the folder."""

    @property
    def folder(self) -> Path:
        """Folder of the IDX files."""
        return data_folder() / self.torchvision / "raw"

    def is_here(self) -> bool:
        return all(os.path.lexists(self.folder / file) for file, _ in FILES.values())

    def whole(self) -> dict[str, np.ndarray]:
        processes.first_here(lambda: self.is_here() or self._download())
        return {part: self._images(self.folder / file, n) for part, (file, n) in FILES.items()}

    def parts(self, whole: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        train = whole["train"]
        held_out = train[-HELD_OUT:]
        return {"train": train[:-HELD_OUT], "validation": held_out, "test": whole["test"]}

    def test_labels(self) -> list[int] | None:
        file, count = TEST_LABELS
        header = _big_endian(0x0801, count)
        try:
            data = read_regular(self.folder / file, count + len(header), DataError)
        except DataError:
            return None
        labels = list(data[len(header) :])
        is_whole = data.startswith(header) and len(labels) == count
        return labels if is_whole and max(labels) < len(self.classes) else None

    def damaged(self, why: str) -> str:
        return (
            f"The files of {self.name} in {str(self.folder)!r} are damaged ({why}). Delete that "
            "folder and run again to download them again."
        )

    def _images(self, path: Path, count: int) -> np.ndarray:
        """Images `(N, 28, 28)` uint8 from an IDX file: four big-endian integers, then the pixels."""
        import numpy as np

        header = _big_endian(0x0803, count, 28, 28)
        size = len(header) + count * 28 * 28
        try:
            data = bytearray(read_regular(path, size, DataError))
        except DataError as wrong:
            raise DataError(self.damaged(str(wrong).rstrip("."))) from None
        if len(data) != size or not data.startswith(header):
            raise DataError(self.damaged(f"{path.name} is not {count:,} images of 28 x 28"))
        return np.frombuffer(data, np.uint8, offset=len(header)).reshape(-1, 28, 28)

    def _download(self) -> None:
        kind = getattr(torchvision_part("datasets"), self.torchvision)
        dataset = kind.__new__(kind)  # the constructor would unpickle an old processed/*.pt
        dataset.root = str(data_folder())
        try:
            with contextlib.redirect_stdout(sys.stderr):  # torchvision prints its progress
                dataset.download()
        except (URLError, HTTPException, ConnectionError, TimeoutError, RuntimeError) as failure:
            causes = re.findall(r"got:\n(.*)", str(failure)) or str(failure).splitlines()
            raise OfflineError(
                f"{self.name} is not in {dataset.root!r} and could not be downloaded "
                f"({(causes or [type(failure).__name__])[0]}). Connect to the internet once, or set "
                f"ZOO_DATA to a folder that has it in torchvision's layout ({self.torchvision}/raw/)."
            ) from failure
        except OSError as failure:
            raise DataError(
                f"{self.name} cannot be stored in {dataset.root!r}: {failure.strerror or failure}. Free "
                "space there, or set ZOO_DATA to a writable folder."
            ) from failure


def _big_endian(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in numbers)


MNIST = IDX(
    name="mnist",
    title="MNIST",
    hub="ylecun/mnist",
    classes=tuple("0123456789"),
    sha256={
        "train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
        "test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    },
    torchvision="MNIST",
)
FASHION_MNIST = IDX(
    name="fashion-mnist",
    title="Fashion-MNIST",
    hub="zalando-datasets/fashion_mnist",
    classes=(
        "T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "trainer", "bag", "boot",
    ),
    sha256={
        "train": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
        "test": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
    },
    torchvision="FashionMNIST",
)  # fmt: skip
KMNIST = IDX(
    name="kmnist",
    title="Kuzushiji-MNIST",
    hub="tanganke/kmnist",
    classes=tuple("おきすつなはまやれを"),
    torchvision="KMNIST",
)
