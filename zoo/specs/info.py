"""What is known of a model without reading its weights, as plain data. No torch here."""

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
    """A name as PEP 508 has them."""
    version: str = Field(max_length=100, pattern=r"^[0-9A-Za-z.+!_-]+$")


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model without reading its weights."""

    spec: Spec
    family: str
    count: Callable[[], int] = field(repr=False, compare=False)
    """Gives the number of parameters: for a published model its index's, else counted, which imports torch."""
    sha256: str
    """Of model.safetensors, in hex."""
    license: str | None
    """Its id on the Hub, such as `apache-2.0`."""
    metrics: Record | None
    """What metrics.json says: `metrics.measured[0].neg_elbo`."""
    recipe: str | None
    """The text of recipe.toml, as it was run."""
    data: str | None
    """Name of the dataset it was trained on."""
    origin: str
    """A published name, the folder it came from, or `hf://org/name@commit`."""
    folder: Path | None
    """Where its files are; None if it was never saved."""
    license_details: Mapping[str, str] = field(default_factory=dict)
    """`license_name` and `license_link`, where the card has them."""
    provider: Provider | None = None
    """The package whose code made it, and its version; None if a program registered the family."""

    @property
    def parameters(self) -> int:
        """Number of parameters of the model."""
        return self.count()
