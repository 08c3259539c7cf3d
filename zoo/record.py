"""`metrics.json`: its shape, and its numbers in words, the same wherever they are shown. No torch."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from zoo.text import number
from zoo.validation import Strict
from zoo.version import __version__

MAX_UNIT = 60
"""Characters of the unit of a family's own number."""


class OwnNumber(Strict):
    """A number that a family adds to the zoo's own."""

    value: float
    unit: str = Field(max_length=MAX_UNIT, pattern=r"^[^\x00-\x1f\x7f]*$")


OwnNumbers = dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], OwnNumber]


class Numbers(BaseModel):
    """One entry of `metrics.json`: measured on what, and any numbers."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, float | None]  # pyright: ignore[reportIncompatibleVariableOverride]  # how pydantic types the rest

    dataset: str
    split: str
    protocol: str
    n_images: int
    seed: int
    dataset_sha256: str = ""
    nll: float | None = None
    nll_samples: int | None = None
    nll_n_images: int | None = None
    own: OwnNumbers = {}

    @field_validator("own")
    @classmethod
    def _own_has_names_of_its_own(cls, own: OwnNumbers) -> OwnNumbers:
        if taken := sorted(filter(is_taken, own)):
            raise ValueError(f"{taken[0]} is a number of the zoo's")
        return own

    @model_validator(mode="after")
    def _nll_says_of_what(self):
        if self.nll is not None and None in (self.nll_samples, self.nll_n_images):
            raise ValueError("an nll needs nll_samples and nll_n_images")
        return self


class Ending(BaseModel):
    """How a training ended, in `metrics.json`."""

    model_config = ConfigDict(strict=True, extra="allow")

    recipe: str | None = None
    changed: dict[str, Any] = {}


class Record(BaseModel):
    """`metrics.json`, as far as the zoo reads it; more may stand there."""

    model_config = ConfigDict(strict=True, extra="allow")

    measured: tuple[Numbers, ...] = ()
    subset: tuple[Numbers, ...] = ()
    beside: dict[str, Numbers] = {}
    training: Ending = Ending()
    versions: dict[str, Any] = Field(default={}, alias="with")


SUBSET = 500
"""Images that `zoo verify` measures again by default."""


def record_of(
    measured: Sequence[BaseModel],
    *,
    subset: Sequence[BaseModel] = (),
    beside: Mapping[str, BaseModel] | None = None,
    training: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of metrics.json.

    Args:
        measured: the model's numbers, one `zoo.Metrics` for a split and protocol.
        subset: the same on the first images only, for a quick `zoo verify`.
        beside: numbers of other models measured for comparison, by what they are.
        training: how the training ended.
    """
    import torch

    return {
        "format": "autoencoder-zoo-metrics/1",
        "measured": [one.model_dump(mode="json") for one in measured],
        "subset": [one.model_dump(mode="json") for one in subset],
        "beside": {what: one.model_dump(mode="json") for what, one in (beside or {}).items()},
        "training": dict(training or {}),
        "with": {
            "autoencoder-zoo": __version__,
            "torch": torch.__version__.partition("+")[0],
            "python": platform.python_version(),
            "machine": platform.machine(),
            "threads": torch.get_num_threads(),
            "precision": "float32",
        },
    }


UNITS = {
    "neg_elbo": "nats",
    "nll": "nats",
    "bce_plus_kl": "nats",
    "reconstruction": "nats",
    "kl": "nats",
    "bits_per_dim": "bits",
    "active_units": "",
    "mse": "per pixel",
    "psnr": "dB",
    "ssim": "",
}


class Row(NamedTuple):
    """One number that was measured."""

    name: str
    value: float
    text: str
    """The value in as many digits as its standard error allows, and that error."""
    unit: str


def rows(metrics: Mapping[str, Any]) -> list[Row]:
    """Everything that was measured, the family's own numbers last."""
    found = []
    for name, unit in UNITS.items():
        value, error = metrics.get(name), metrics.get(f"{name}_se")
        if value is None:
            continue
        text = number(value, error)
        text += f" ± {number(error, error)}" if error else ""
        if name == "nll":
            unit = f"nats (K = {metrics['nll_samples']}, first {metrics['nll_n_images']:,} images)"
        found.append(Row(name, value, text, unit))
    for name, own in (metrics.get("own") or {}).items():
        found.append(Row(name, own["value"], number(own["value"]), own["unit"]))
    return found


def is_taken(name: str) -> bool:
    """Whether a name stands for something else in an entry of `metrics.json`."""
    return name in UNITS or name in Numbers.model_fields or name.endswith("_se")


def value_of(metrics: Mapping[str, Any], name: str) -> float | None:
    """A number by its name, the zoo's or the family's own, or None."""
    own = (metrics.get("own") or {}).get(name)
    return own["value"] if own else metrics.get(name) if name in UNITS else None


def heading(metrics: Mapping[str, Any]) -> str:
    """On what it was measured."""
    return (
        f"{metrics['dataset']}, {metrics['split']} split, {metrics['n_images']:,} images, "
        f"{metrics['protocol']} protocol, seed {metrics['seed']}"
    )


def summary(record: Mapping[str, Any] | None) -> list[str]:
    """Lines that say everything that was measured."""
    if not record or not record.get("measured"):
        return ["No measured numbers."]
    lines = []
    for metrics in record["measured"]:
        lines.append(f"Measured on {heading(metrics)}:")
        lines += lines_of(metrics)
    return lines


def lines_of(metrics: Mapping[str, Any]) -> list[str]:
    """Every number on a line of its own."""
    return [f"  {row.name:<15} {row.text} {row.unit}".rstrip() for row in rows(metrics)]
