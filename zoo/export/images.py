"""Images on which a graph and its model are compared."""

from __future__ import annotations

from contextlib import suppress

import torch
from torch import Tensor

from zoo.data import as_grey
from zoo.data.load import is_at_hand
from zoo.errors import ZooError
from zoo.evaluation.evaluate import images_for
from zoo.measuring import recipe_of, trained_on
from zoo.models import Autoencoder

COUNT = 64


def images_for_check(model: Autoencoder) -> tuple[Tensor, str]:
    """Images `(N, C, H, W)` in [0, 1] and what to call them: test images, if its recipe's dataset is here.

    None is downloaded: else they are random.
    """
    with suppress(ZooError):
        dataset, _ = trained_on(model)
        if is_at_hand(dataset):
            images = images_for(model, dataset, "test", recipe_of(model))
            pixels = images.first(COUNT)
            return as_grey(pixels), f"{len(pixels)} test images of {images.dataset}"
    generator = torch.Generator().manual_seed(0)
    shape = (COUNT, *model.spec.image_shape)
    return torch.rand(shape, generator=generator), f"{COUNT} random images"
