"""All published models measured on their own test sets, beside their published numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zoo.data import load_images
from zoo.devices import find_device
from zoo.errors import DataError, OfflineError, ZooError
from zoo.evaluation import evaluate_model
from zoo.models import Autoencoder


def measure_models(
    names: list[str],
    nll_samples: int,
    limit: int | None,
    device: str,
    tell: Callable[[str], None],
    load: Callable[[str], Autoencoder],
) -> list[dict[str, Any]]:
    """One entry for each model and each protocol it was published under.

    An entry has `model`, `family`, `parameters`, and `measured` and `published`, or `missing`
    where its data are not here, or `error` where it cannot be loaded or measured.
    """
    where = find_device(device)
    results = []
    for name in names:
        try:
            model = load(name)
        except ZooError as broken:
            results.append({"model": name, "error": str(broken)})
            continue
        assert model.info is not None
        record = model.info.metrics or {}
        about = {"model": name, "family": model.info.family, "parameters": model.info.parameters}
        for published in record.get("measured", []):
            entry = dict(about, published=published)
            tell(f"measuring {name} on {published['dataset']}, {published['protocol']} ...")
            try:
                measured = evaluate_model(
                    model,
                    load_images(published["dataset"], published["split"]),
                    protocol=published["protocol"],
                    nll_samples=nll_samples,
                    limit=limit,
                    seed=published["seed"],
                    device=where,
                )
                entry["measured"] = measured.model_dump(mode="json")
            except (DataError, OfflineError) as absent:
                entry["missing"] = str(absent)
            except ZooError as broken:
                entry["error"] = str(broken)
            results.append(entry)
    return results
