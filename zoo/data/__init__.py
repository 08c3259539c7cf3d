"""Datasets: reading, splitting, transforms, and the input protocols of models."""

from zoo.data.examples import Examples
from zoo.data.fingerprint import Fingerprint, difference, fingerprint
from zoo.data.moments import moments
from zoo.data.open import AnyExamples, load_examples, open_all, open_dataset
from zoo.data.shown import (
    as_gray,
    as_input,
    shifted,
    shown_in_testing,
    shown_in_training,
    training_draw,
)
from zoo.data.stream import StreamedExamples

__all__ = [
    "AnyExamples",
    "Examples",
    "Fingerprint",
    "StreamedExamples",
    "as_gray",
    "as_input",
    "difference",
    "fingerprint",
    "load_examples",
    "moments",
    "open_all",
    "open_dataset",
    "shifted",
    "shown_in_testing",
    "shown_in_training",
    "training_draw",
]
