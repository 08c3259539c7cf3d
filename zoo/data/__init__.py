"""Images: where they come from, how they are split into parts, and what a model is shown."""

from zoo.data.fingerprint import Fingerprint, difference, fingerprint
from zoo.data.images import Images
from zoo.data.open import AnyImages, load_images, open_all, open_dataset
from zoo.data.shown import (
    as_gray,
    shifted,
    shown_in_testing,
    shown_in_training,
    training_draw,
)
from zoo.data.stream import StreamedImages

__all__ = [
    "AnyImages",
    "Fingerprint",
    "Images",
    "StreamedImages",
    "as_gray",
    "difference",
    "fingerprint",
    "load_images",
    "open_all",
    "open_dataset",
    "shifted",
    "shown_in_testing",
    "shown_in_training",
    "training_draw",
]
