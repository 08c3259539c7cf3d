"""Small untrained models with an integer form, and images for them."""

from __future__ import annotations

import functools

import numpy as np
import torch

import zoo

CONV = {
    "kind": "conv",
    "channels": [3, 4],
    "residual_blocks": 1,
    "hidden": [6],
    "activation": "silu",
}
BERNOULLI, LEVELS = {"kind": "bernoulli"}, {"kind": "discretized-logistic", "components": 3}
VAMP = {"kind": "vamp", "components": 5}
BINARY: dict[str, dict] = {
    "vae": {"body": {"kind": "mlp", "hidden": [9, 7]}},
    "beta-vae": {
        "body": {"kind": "mlp", "hidden": [5], "activation": "tanh"},
        "log_variance_bound": "off",
    },
    "conv-vae": {"body": CONV, "prior": VAMP},
    "hierarchical-vae": {"body": CONV, "groups": [2, 1], "prior": VAMP},
}
MODELS: dict[str, dict] = {
    **{name: fields | {"likelihood": BERNOULLI} for name, fields in BINARY.items()},
    "vae of levels": {"likelihood": LEVELS, "body": {"kind": "mlp", "hidden": [9]}},
    "hierarchical-vae of color": {
        "likelihood": LEVELS,
        "body": CONV,
        "input_shape": (3, 8, 9),
        "prior": VAMP,
    },
}


def small(name: str, seed: int = 1) -> zoo.Autoencoder:
    fields = {"input_shape": (1, 8, 9), "latent_dim": 3} | MODELS[name]
    return zoo.build(name.split(" ")[0], seed=seed, **fields).eval()


@functools.cache
def whole_form(name: str):
    return zoo.exact(small(name))


def sampled(model: zoo.Autoencoder, count: int) -> torch.Tensor:
    """Images of a model, `(N, C, H, W)` uint8."""
    assert isinstance(model, zoo.VariationalAutoencoder)
    values = model.sample(count, seed=0)
    if model.spec.likelihood.name() == "bernoulli":  # pyright: ignore[reportAttributeAccessIssue]
        noise = torch.rand(values.shape, generator=torch.Generator().manual_seed(0))
        values = (noise < values).float()
    return (values * 255).round().to(torch.uint8)


def shapes(count: int, height: int = 8, width: int = 9, channels: int = 1) -> torch.Tensor:
    """Black and white rectangles `(N, C, H, W)`."""
    dice = np.random.default_rng(0)
    images = np.zeros((count, channels, height, width), np.uint8)
    for image in images:
        (top, bottom), (left, right) = np.sort(dice.integers(0, (height, width), (2, 2)), 0).T
        image[:, top : bottom + 1, left : right + 1] = 255
    return torch.from_numpy(images)
