"""All published models measured on their own test sets, beside their published numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from zoo.data.factors import factors_behind
from zoo.data.of_recipe import dataset_of
from zoo.errors import DataError, OfflineError, ZooError
from zoo.evaluation.evaluate import evaluate_each
from zoo.evaluation.examples import examples_for
from zoo.evaluation.figures import draw_beside
from zoo.models import Autoencoder
from zoo.runtime.devices import find_rank_device
from zoo.specs.metrics import Metrics
from zoo.specs.record import Measured, Record


@dataclass(frozen=True)
class Entry:
    """A model under one protocol: what was measured now, or why nothing was."""

    model: str
    family: str = ""
    parameters: int = 0
    weights_sha256: str = ""
    published: Measured | None = None
    measured: Metrics | None = None
    missing: str = ""
    """Its data are not here."""
    error: str = ""
    """It cannot be loaded or measured."""
    per_image: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    """The measured numbers of each image, `(N,)` by name."""
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """PNGs by name, as `draw_beside` gives them."""

    def as_json(self) -> dict[str, Any]:
        """Plain data, without what does not apply."""
        numbers = {"published": self.published, "measured": self.measured}
        dumped = {name: one.model_dump(mode="json") for name, one in numbers.items() if one}
        fields = ("model", "family", "parameters", "weights_sha256", "missing", "error")
        return {name: value for name in fields if (value := getattr(self, name))} | dumped


def measure_models(
    names: list[str],
    nll_samples: int,
    limit: int | None,
    device: str,
    on_progress: Callable[[str], None],
    load: Callable[[str], Autoencoder],
    draw: bool = False,
) -> list[Entry]:
    """One entry for each model and each protocol that it was published under.

    Args:
        names: of the models.
        nll_samples: K of the importance-weighted bound; 0 leaves it out.
        limit: measure on the first so many images only.
        device: where it computes.
        on_progress: called with a line before each measurement.
        load: gives a model by its name.
        draw: whether entries have pictures.
    """
    where = find_rank_device(device)
    results = []
    for name in names:
        try:
            model = load(name)
        except ZooError as broken:
            results.append(Entry(name, error=str(broken)))
            continue
        assert model.info is not None
        about = Entry(name, model.info.family, model.info.parameters, model.info.sha256)
        for published in (model.info.metrics or Record()).measured:
            entry = replace(about, published=published)
            on_progress(f"measuring {name} on {published.dataset}, {published.protocol} ...")
            try:
                dataset = dataset_of(model.info, model.info.recipe or "", published.dataset)
                images = examples_for(model, dataset, published.split)
                measured, per_image = evaluate_each(
                    model,
                    images,
                    protocol=published.protocol,  # pyright: ignore[reportArgumentType]  # checked there
                    nll_samples=nll_samples,
                    limit=limit,
                    seed=published.seed,
                    factors=None if limit else factors_behind(published),
                    device=where,
                )
                pictures = draw_beside(model, images) if draw else {}
                results.append(
                    replace(entry, measured=measured, per_image=per_image, pictures=pictures)
                )
            except (DataError, OfflineError) as absent:
                results.append(replace(entry, missing=str(absent)))
            except ZooError as broken:
                results.append(replace(entry, error=str(broken)))
    return results
