"""Images as a reconstruction protocol shows them to a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from zoo.data.damaged import damaged_numbers
from zoo.data.open import Dataset, find_source
from zoo.data.sources.base import Source
from zoo.data.transform import Fit, as_pictures, as_pixels
from zoo.errors import DataError, InputError
from zoo.runtime import processes
from zoo.specs.data import FOUND
from zoo.specs.reconstruction import ReconstructionProtocol


@dataclass(frozen=True)
class PreparedImages:
    """Images of a dataset under a reconstruction protocol, read one at a time: `(C, H, W)` uint8."""

    dataset: str
    split: str
    source: Source
    numbers: np.ndarray
    """Of the images, in the source, `(N,)` int64."""
    protocol: ReconstructionProtocol

    def __len__(self) -> int:
        return len(self.numbers)

    def for_channels(self, channels: int) -> PreparedImages:
        """The same in the color that a model's channels are, where the protocol leaves it open."""
        return replace(self, protocol=self.protocol.for_channels(channels))

    def without_damaged(self, most: int) -> PreparedImages:
        """The same without the images that cannot be read: as `StreamedExamples.without_damaged`."""
        bad = damaged_numbers(self._damaged(), most, f"{self.split} split of {self.dataset}")
        return replace(self, numbers=np.delete(self.numbers, bad))

    def _damaged(self) -> Iterator[tuple[int, str]]:
        for number in range(processes.index(), len(self), processes.count()):
            try:
                self.one(number)
            except DataError as damaged:
                yield number, str(damaged)

    def title(self, number: int) -> str:
        """What to call an image in errors."""
        return self.source.title(int(self.numbers[number]))

    def key(self, number: int) -> str:
        """What an image is called."""
        return self.source.key(int(self.numbers[number]))

    def one(self, number: int) -> Tensor:
        """An image `(C, H, W)` uint8. Raises DataError for one that is damaged or too small."""
        return prepare(
            self.source.read(int(self.numbers[number])), self.protocol, self.title(number)
        )


def prepared_images(
    dataset: Dataset,
    protocol: ReconstructionProtocol,
    *,
    split: str | None = None,
    column: str = FOUND,
    max_damaged: int = 0,
) -> PreparedImages:
    """Images of a dataset under a protocol. What has no parts is taken whole, unless a split is named.

    Arguments and errors as of `zoo.data.load_examples`.
    """
    name, split, source, numbers = find_source(dataset, split, column)
    if source.is_real:
        raise DataError(
            f"Reconstruction protocols are for images, and {name} holds {source.nouns}: `zoo eval`, "
            "zoo.evaluate, measures the error of their reconstructions."
        )
    images = PreparedImages(name, split, source, numbers, protocol)
    return images.without_damaged(max_damaged) if max_damaged else images


def prepare(given: object, protocol: ReconstructionProtocol, title: str) -> Tensor:
    """An image, Pillow's or `(C, H, W)` uint8, as a protocol has it: `(C, H, W)` uint8.

    Raises DataError for one that is smaller than the crop, and for other channels.
    """
    from PIL import Image

    if isinstance(given, Tensor):
        if given.shape[0] not in (1, 3):
            raise DataError(f"{title} has {given.shape[0]} channels; a picture has 1 or 3.")
        (given,) = as_pictures(given)
    assert isinstance(given, Image.Image)
    own = "L" if given.mode == "L" else "RGB"
    image = given.convert({"rgb": "RGB", "gray": "L"}.get(protocol.color, own))
    return as_pixels(Fit(protocol.cropped, protocol.transform).transformed(image, title))


def padded(x: Tensor, stride: int, protocol: ReconstructionProtocol, title: str) -> Tensor:
    """An image `(N, C, H, W)` to the next multiples of a stride, if the protocol says so.

    Raises InputError for a size that it does not divide where nothing is padded.
    """
    height, width = x.shape[2:]
    down, right = (-height % stride, -width % stride) if stride else (0, 0)
    if not (down or right):
        return x
    if protocol.pad == "off":
        raise InputError(
            f"{title} is {height} x {width}, and the model takes multiples of {stride}. Protocols "
            "that make it fit: center-N, which crops, or whole, which pads."
        )
    if down >= height or right >= width:
        raise InputError(f"{title} is too small to be padded by its reflection to {stride}.")
    return F.pad(x, (0, right, 0, down), mode="reflect")


def digest(pixels: Tensor) -> bytes:
    """The sha256 of one image with its shape."""
    start = hashlib.sha256(repr(tuple(pixels.shape)).encode())
    start.update(pixels.contiguous().numpy().tobytes())
    return start.digest()
