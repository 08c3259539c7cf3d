"""Reconstructions of a published model measured again, where their definition has changed."""

from __future__ import annotations

from typing import Any, cast

from zoo.errors import InputError
from zoo.evaluation.evaluate import means_of, reconstruction_errors
from zoo.evaluation.examples import examples_for
from zoo.models import Autoencoder
from zoo.specs.data import data_settings
from zoo.specs.protocols import Protocol, identity
from zoo.specs.reconstruction import reconstruction_identity
from zoo.specs.record import Measured, Record


def reconstructions_again(model: Autoencoder) -> tuple[Record, list[str]]:
    """A model's record with `mse`, `psnr` and `ssim` of today, and a line for each that moved.

    Every other number stays.

    Raises:
        InputError: for a model without numbers, or where its images are not those that it was measured on.
        DataError, OfflineError: for data that are missing or damaged.
    """
    info = model.info
    if info is None or info.recipe is None or info.metrics is None or not info.metrics.measured:
        raise InputError("This model has no recipe or no numbers.")
    record = info.metrics
    entries = (*record.measured, *record.subset)
    images = examples_for(model, data_settings(info.recipe).dataset, "test")
    if {(one.split, one.dataset_sha256) for one in entries} != {("test", images.sha256)}:
        raise InputError(f"{info.origin} was measured on other images than these.")
    numbers = reconstruction_errors(model, images, max(one.n_examples for one in entries))
    moved = []

    def again(one: Measured) -> Measured:
        values: dict[str, Any] = means_of({k: v[: one.n_examples] for k, v in numbers.items()})
        for name in numbers:
            change = f"{one.value_of(name):.6g} -> {values[name]:.6g}"
            moved.append(
                f"{info.origin}, {one.protocol}, {one.n_examples:,} images: {name} {change}"
            )
        ids = {
            "protocol_id": identity(cast(Protocol, one.protocol)),
            "reconstruction_id": reconstruction_identity(model.spec.domain),
        }
        return one.model_copy(update=values | ids)

    measured, subset = (tuple(map(again, some)) for some in (record.measured, record.subset))
    return record.model_copy(update={"measured": measured, "subset": subset}), moved
