"""All published models measured on their own test sets, beside their published numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from zoo.data.factors import factors_behind
from zoo.devices import find_device
from zoo.errors import DataError, OfflineError, ZooError
from zoo.evaluation.evaluate import evaluate_model, images_for
from zoo.models import Autoencoder
from zoo.specs.metrics import Measured, Metrics, Record


@dataclass(frozen=True)
class Entry:
    """A model under one protocol: what was measured now, or why nothing was."""

    model: str
    family: str = ""
    parameters: int = 0
    published: Measured | None = None
    measured: Metrics | None = None
    missing: str = ""
    """Its data are not here."""
    error: str = ""
    """It cannot be loaded or measured."""

    def as_json(self) -> dict[str, Any]:
        """Plain data, without what does not apply."""
        numbers = {"published": self.published, "measured": self.measured}
        dumped = {name: one.model_dump(mode="json") for name, one in numbers.items() if one}
        fields = ("model", "family", "parameters", "missing", "error")
        return {name: value for name in fields if (value := getattr(self, name))} | dumped


def measure_models(
    names: list[str],
    nll_samples: int,
    limit: int | None,
    device: str,
    on_progress: Callable[[str], None],
    load: Callable[[str], Autoencoder],
) -> list[Entry]:
    """One entry for each model and each protocol that it was published under."""
    where = find_device(device)
    results = []
    for name in names:
        try:
            model = load(name)
        except ZooError as broken:
            results.append(Entry(name, error=str(broken)))
            continue
        assert model.info is not None
        about = Entry(name, model.info.family, model.info.parameters)
        for published in (model.info.metrics or Record()).measured:
            entry = replace(about, published=published)
            on_progress(f"measuring {name} on {published.dataset}, {published.protocol} ...")
            try:
                measured = evaluate_model(
                    model,
                    images_for(model, published.dataset, published.split),
                    protocol=published.protocol,  # pyright: ignore[reportArgumentType]  # checked there
                    nll_samples=nll_samples,
                    limit=limit,
                    seed=published.seed,
                    factors=None if limit else factors_behind(published),
                    device=where,
                )
                results.append(replace(entry, measured=measured))
            except (DataError, OfflineError) as absent:
                results.append(replace(entry, missing=str(absent)))
            except ZooError as broken:
                results.append(replace(entry, error=str(broken)))
    return results
