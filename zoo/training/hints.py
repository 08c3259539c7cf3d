"""Where a setting is that was looked for elsewhere, or by the name that other libraries give it. No torch here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from zoo.specs.validation import UNKNOWN, models_of

ELSEWHERE = {
    "batch": "batch_size",
    "bs": "batch_size",
    "clip": "clip_norm",
    "ema": "ema_decay",
    "grad_clip": "clip_norm",
    "latent": "latent_dim",
    "latent_size": "latent_dim",
    "lr": "learning_rate",
    "lr_scheduler": "decay",
    "max_grad_norm": "clip_norm",
    "optimizer": "optimiser",
    "patience": "early_stopping",
    "scheduler": "decay",
    "warmup": "warmup_steps",
    "wd": "weight_decay",
    "z_dim": "latent_dim",
}
"""What other libraries call a setting."""


def hinted(problems: list[str], sections: Mapping[str, type[BaseModel] | None]) -> list[str]:
    """The problems; those of an unknown field name the one that was meant, in whichever section it is."""
    known = [path for section, cls in sections.items() if cls for path in _paths(cls, section)]
    return [_hinted(line, known) for line in problems]


def _hinted(line: str, known: list[str]) -> str:
    path, unknown, _ = line.partition(f": {UNKNOWN}")
    table, _, name = path.rpartition(".")
    meant = ELSEWHERE.get(name, name)
    found = [one for one in known if one.rpartition(".")[2] == meant]
    if not unknown or not found:
        return line
    best = min(found, key=lambda one: (one.rpartition(".")[0] != table, one.count(".")))
    return f"{path}: {UNKNOWN}. Did you mean {best.removeprefix(f'{table}.')!r}?"


def _paths(cls: type[BaseModel], start: str) -> Iterator[str]:
    """Names of the settings, dotted, and of those in their tables."""
    for name, field in cls.model_fields.items():
        yield f"{start}.{name}"
        for inner in models_of(field.annotation):
            yield from (f"{start}.{name}.{own}" for own in inner.model_fields if own != "kind")
