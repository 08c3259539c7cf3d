"""Images on which a graph and its model are compared."""

from __future__ import annotations

from contextlib import suppress

import torch
from torch import Tensor

from zoo.data import as_gray
from zoo.data.open import is_at_hand
from zoo.errors import ZooError
from zoo.evaluation.evaluate import examples_for
from zoo.evaluation.measure import batch_size
from zoo.measuring import recipe_of, trained_on
from zoo.models import Autoencoder

COUNT = 64
"""Images that are compared at once, fewer of large ones: never fewer than 2."""


def images_for_check(model: Autoencoder) -> tuple[Tensor, str]:
    """Images `(N, C, H, W)` in [0, 1] and what to call them: test images, if its recipe's dataset is here.

    None is downloaded: else they are random.
    """
    count = max(2, min(COUNT, batch_size(model.spec.input_size)))
    with suppress(ZooError):
        dataset, _ = trained_on(model)
        if is_at_hand(dataset):
            images = examples_for(model, dataset, "test", recipe_of(model))
            pixels = images.first(count)
            return as_gray(pixels), f"{len(pixels)} test images of {images.dataset}"
    generator = torch.Generator().manual_seed(0)
    shape = (count, *model.spec.input_shape)
    return torch.rand(shape, generator=generator), f"{count} random images"
