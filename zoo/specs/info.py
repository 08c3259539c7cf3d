"""`ModelInfo`: a model's metadata, available without reading its weights. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from zoo.specs.base import Spec
from zoo.specs.record import Record
from zoo.specs.validation import Strict


class Provider(Strict):
    """The package that provides a family."""

    distribution: str = Field(max_length=100, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    """Name of the distribution, as in PEP 508."""
    version: str = Field(max_length=100, pattern=r"^[0-9A-Za-z.+!_-]+$")


@dataclass(frozen=True)
class ModelInfo:
    """A model's metadata, available without reading its weights."""

    spec: Spec
    family: str
    count: Callable[[], int] = field(repr=False, compare=False)
    """Returns the number of parameters: from the index for a published model, else counted, which imports torch."""
    sha256: str
    """SHA-256 of model.safetensors, in hex."""
    license: str | None
    """License id of the Hub, such as `apache-2.0`."""
    metrics: Record | None
    """Contents of metrics.json: `metrics.measured[0].neg_elbo`."""
    recipe: str | None
    """Text of recipe.toml, as it was trained."""
    data: str | None
    """Name of the training dataset."""
    origin: str
    """A published name, the folder it came from, or `hf://org/name@commit`."""
    folder: Path | None
    """Folder of its files; None if it was never saved."""
    license_details: Mapping[str, str] = field(default_factory=dict)
    """`license_name` and `license_link`, if the card has them."""
    provider: Provider | None = None
    """The package that provides its family; None if a program registered the family."""

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return self.count()
