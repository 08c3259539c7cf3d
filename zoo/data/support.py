"""Whether the values of examples are in the support of a model's likelihood."""

from __future__ import annotations

import torch

from zoo.data.examples import PIECE, Examples
from zoo.data.stream import StreamedExamples
from zoo.errors import DataError
from zoo.likelihoods.base import Likelihood


def check_support(examples: Examples | StreamedExamples, likelihood: Likelihood | None) -> None:
    """Raises DataError for the first value that a likelihood cannot take, such as a code of no category.

    Reads all examples once if the likelihood has an `invalid`.
    """
    if likelihood is None or type(likelihood).invalid is Likelihood.invalid:
        return
    batches = torch.arange(len(examples)).split(PIECE)
    for numbers, values in zip(batches, examples.read(batches), strict=True):
        if found := likelihood.invalid(values.cpu(), examples.shape):
            (row, *place), why = found
            raise DataError(
                f"The {examples.split} split of {examples.dataset}: {examples.domain.noun} "
                f"{examples.key(int(numbers[row]))!r} has {values[(row, *place)].item():.9g} in column "
                f"{place[0]}; {why}."
            )
