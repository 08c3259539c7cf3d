"""Hints for unknown fields: settings of another section, or other libraries' names. No torch here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from pydantic import BaseModel

from zoo.specs.validation import UNKNOWN, models_in

ELSEWHERE = {
    "accumulate_grad_batches": "accumulate",
    "amp": "precision",
    "batch": "batch_size",
    "bs": "batch_size",
    "clip": "clip_norm",
    "early_stopping_patience": "early_stopping",
    "ema": "ema_decay",
    "fp16": "precision",
    "grad_clip": "clip_norm",
    "gradient_accumulation_steps": "accumulate",
    "gradient_clip_val": "clip_norm",
    "hidden_dims": "hidden",
    "image_shape": "input_shape",
    "img_size": "input_shape",
    "in_channels": "input_shape",
    "input_dim": "input_shape",
    "input_size": "input_shape",
    "kl_weight": "beta",
    "kld_weight": "beta",
    "latent": "latent_dim",
    "latent_size": "latent_dim",
    "lr": "learning_rate",
    "lr_scheduler": "decay",
    "lr_scheduler_type": "decay",
    "manual_seed": "seed",
    "max_grad_norm": "clip_norm",
    "mixed_precision": "precision",
    "num_train_epochs": "epochs",
    "optimiser": "optimizer",
    "patience": "early_stopping",
    "per_device_train_batch_size": "batch_size",
    "random_seed": "seed",
    "scheduler": "decay",
    "torch_compile": "compile",
    "train_batch_size": "batch_size",
    "warmup": "warmup_steps",
    "wd": "weight_decay",
    "z_dim": "latent_dim",
}
"""Names in other libraries -> settings."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The setting for another library's name, or the closest known name, or the name itself."""
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    return next(iter(difflib.get_close_matches(name.lower(), set(known), n=1, cutoff=0.75)), name)


def hinted(problems: list[str], sections: Mapping[str, type[BaseModel] | None]) -> list[str]:
    """The problems, with unknown fields followed by the closest field of any section."""
    known = [path for section, cls in sections.items() if cls for path in _paths(cls, section)]
    return [_hinted(line, known) for line in problems]


def _hinted(line: str, known: list[str]) -> str:
    path, unknown, _ = line.partition(f": {UNKNOWN}")
    table, _, name = path.rpartition(".")
    meant = nearest(name, (one.rpartition(".")[2] for one in known))
    found = [one for one in known if one.rpartition(".")[2] == meant]
    if not unknown or not found or ("Did you mean" in line and meant != ELSEWHERE.get(name, name)):
        return line  # a close match in the same table takes precedence
    best = min(found, key=lambda one: (one.rpartition(".")[0] != table, one.count(".")))
    if best == path:
        return f"{path}: {UNKNOWN} of this kind of {table}; another kind has it."
    return f"{path}: {UNKNOWN}. Did you mean {best.removeprefix(f'{table}.')!r}?"


def _paths(cls: type[BaseModel], start: str) -> Iterator[str]:
    """Dotted names of the settings, including nested tables."""
    for name, field in cls.model_fields.items():
        yield f"{start}.{name}"
        for inner in models_in(field):
            yield from (f"{start}.{name}.{own}" for own in inner.model_fields if own != "kind")
