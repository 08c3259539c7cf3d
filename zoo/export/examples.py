"""Examples on which a graph and its model are compared."""

from __future__ import annotations

from contextlib import suppress

import torch
from torch import Tensor

from zoo.api.models import recipe_of, trained_on
from zoo.data import as_input
from zoo.data.open import is_at_hand
from zoo.errors import ZooError
from zoo.evaluation.examples import examples_for
from zoo.evaluation.measure import batch_size
from zoo.export.parts import input_dtype
from zoo.models import Autoencoder

COUNT = 64
"""Number of examples to compare; fewer if they are large, but at least 2."""


def examples_for_check(model: Autoencoder) -> tuple[Tensor, str]:
    """Examples `(N, *input_shape)` as graphs take them, and their description.

    They are test examples if the recipe's dataset is available locally, else random: nothing is
    downloaded. Images are float32 in [0, 1]; rows and series float64.
    """
    domain = model.spec.domain
    count = max(2, min(COUNT, batch_size(domain.size)))
    with suppress(ZooError):
        dataset, _ = trained_on(model)
        if is_at_hand(dataset):
            examples = examples_for(model, dataset, "test", recipe_of(model))
            x = as_input(examples.first(count)).to(input_dtype(domain))
            return x, f"{len(x)} test {domain.nouns} of {examples.dataset}"
    generator = torch.Generator().manual_seed(0)
    shape = (count, *model.spec.input_shape)
    if model.standardization is None:
        x = torch.rand(shape, generator=generator)
    else:
        x = model.standardization.restore(torch.randn(shape, generator=generator)).cpu()
        if (columns := model.standardization.columns) is not None:
            x = torch.where(torch.tensor(columns).view_as(x[0]), x, _drawn(model, count))
    return x, f"{count} random {domain.nouns}"


def _drawn(model: Autoencoder, count: int) -> Tensor:
    """Rows drawn from the likelihood of random codes, `(count, D)`: their codes are of categories."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        z = torch.randn(count, *model.latent_shape).to(model.device, model.dtype)
        return model.likelihood(z).sample().cpu()
