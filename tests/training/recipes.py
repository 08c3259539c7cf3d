"""Recipes for the tests: a good one, one with every kind of mistake, and how a refusal reads."""

from __future__ import annotations

import copy

import pytest

from zoo.errors import RecipeError, ZooError
from zoo.training.recipe import load_recipe

GOOD = {
    "model": {
        "family": "vae",
        "input_shape": [1, 8, 8],
        "latent_dim": 3,
        "body": {"kind": "mlp", "hidden": [5]},
    },
    "data": {"dataset": "digits", "protocol": "binarized"},
    "training": {"epochs": 1},
}

EVERY_KIND = """
[modle]
x = 1

[model]
family = "vae"
input_shape = [1, 8, 8, 8]
latent_dim = "three"
latentdim = 4
body = {kind = "mlpp"}
likelihood = {kind = "gaussian", variance = 3}
heads = "jiont"

[data]
dataset = 5
fit = "trian"
protocol = "binarised"

[training]
epoch = 5
epochs = 0
batch_size = -1
learning_rate = nan
warmup_steps = 1.5
final_learning_rate = inf
optimizer = {kind = "sgd"}
decay = "cosin"
term_warmup_epochs = {kl = "x"}
clip_norm = -1.0
ema_decay = 1.5
precision = "fp16"
seed = -1
early_stopping = 0
gradient = true
output_bias = ""
"""

ITS_PROBLEMS = [
    "modle: unknown section. Did you mean 'model'?",
    "model.input_shape: 1, 2 or 3 sides: (D,) a row, (C, L) a series, (C, H, W) an image",
    "model.latent_dim: input should be a valid integer, not 'three'",
    "model.body: kind should be one of 'mlp', 'conv', not 'mlpp'. Did you mean 'mlp'?",
    "model.likelihood.variance: unknown field. Known: kind, scale.",
    "model.heads: input should be 'joint' or 'separate', not 'jiont'. Did you mean 'joint'?",
    "model.latentdim: unknown field. Did you mean 'latent_dim'?",
    "data.dataset: input should be a valid string, not 5",
    "data.fit: input should be 'train' or 'train+validation', not 'trian'. Did you mean 'train'?",
    "data.protocol: input should be 'binarized', 'dequantized', 'gray', 'levels' or 'real', not 'binarised'. "
    "Did you mean 'binarized'?",
    "training.epochs: input should be greater than or equal to 1, not 0",
    "training.batch_size: input should be greater than or equal to 1, not -1",
    "training.optimizer: kind should be one of 'adam', 'adamw', not 'sgd'",
    "training.learning_rate: input should be a finite number, not nan",
    "training.warmup_steps: input should be a valid integer, not 1.5",
    "training.decay: input should be 'cosine' or 'off', not 'cosin'. Did you mean 'cosine'?",
    "training.final_learning_rate: input should be a finite number, not inf",
    "training.term_warmup_epochs.kl: input should be a valid number, not 'x'",
    "training.gradient: input should be 'reparameterized', 'stl' or 'dreg', not true",
    "training.clip_norm: input should be 'off' or greater than 0, not -1.0",
    "training.ema_decay: input should be 'off' or less than 1, not 1.5",
    "training.early_stopping: input should be 'off' or greater than or equal to 1, not 0",
    "training.output_bias: input should be 'training-mean' or 'default', not ''",
    "training.precision: input should be 'float32' or 'bf16', not 'fp16'. Did you mean 'bf16'?",
    "training.seed: input should be greater than or equal to 0, not -1",
    "training.epoch: unknown field. Did you mean 'epochs'?",
]


def changed(**changes) -> dict:
    """The good recipe with `section__field=value` in it."""
    sections = copy.deepcopy(GOOD)
    for key, value in changes.items():
        section, _, field = key.partition("__")
        sections[section][field] = value
    return sections


def refused(recipe, error: type[ZooError] = RecipeError) -> str:
    with pytest.raises(error) as caught:
        load_recipe(recipe)
    assert type(caught.value) is error
    return str(caught.value)
