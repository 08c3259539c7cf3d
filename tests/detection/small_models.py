"""Small models for tests of detection."""

from __future__ import annotations

import torch

import zoo

SMALL = {"latent_dim": 3, "body": {"kind": "mlp", "hidden": [16]}}


def built(family: str, shape: tuple[int, ...], **fields) -> zoo.Autoencoder:
    """A model in eval mode, with random weights and, of rows, a standardization."""
    model = zoo.build(family, seed=0, input_shape=shape, **{**SMALL, **fields}).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    if model.standardization is not None:
        columns = shape[0], *(1 for _ in shape[1:])
        scale = torch.arange(1.0, shape[0] + 1, dtype=torch.float64).view(columns)
        model.standardization.set(100 * scale, scale)
    return model
