"""The public functions that measure: evaluate, measure_reconstructions, verify."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.api.models import model_of, recipe_of, trained_on
from zoo.errors import IntegrityError
from zoo.folder.config import names_in
from zoo.hub.find import EVERYTHING, Access, find

if TYPE_CHECKING:
    from zoo.data.open import Dataset
    from zoo.evaluation.report import Report
    from zoo.models import Autoencoder
    from zoo.specs.metrics import Metrics
    from zoo.specs.protocols import Protocol
    from zoo.specs.reconstruction import ReconstructionProtocol, Reconstructions

# torch is imported by the functions that need it.

log = logging.getLogger("zoo")


def evaluate(
    model_or_source: Autoencoder | str | Path,
    dataset: Dataset | None = None,
    *,
    split: str | None = None,
    protocol: Protocol | None = None,
    nll_samples: int = 0,
    limit: int | None = None,
    seed: int = 0,
    factors: bool | str | Path = False,
    transform: Mapping[str, object] | None = None,
    column: str | None = None,
    max_damaged: int | None = None,
    device: str = "auto",
    revision: str | None = None,
    token: str | None = None,
    offline: bool = False,
) -> Metrics:
    """Measures a model on images, rows or series.

    Under `torchrun` or `accelerate launch` every process calls it, with the same arguments: they
    share the examples out, and all get the numbers that one process would.

    Args:
        model_or_source: a model, or what `load` takes.
        dataset: a name, a folder of images, a `.npy`/`.npz`, or a tensor or array of examples; None is the one
            that its recipe names.
        split: train, validation or test; None is test, and all of a dataset that has no parts and is
            not its recipe's own.
        protocol: binarized, dequantized, levels or gray, of rows and series real; None is the recipe's, else the likelihood's own.
        nll_samples: K of the importance-weighted bound on -log p(x); 0 leaves it out.
        limit: measure on the first N examples only.
        seed: of the posterior's draws.
        factors: True scores codes against the factors that the dataset knows, as `sprites` does: MIG,
            DCI, SAP and the FactorVAE score. A path does so against a CSV file: a line with the
            factors' names, then a line of whole numbers, which stand for classes, for each example
            of the split, in its order.
        transform: what makes images fit, as a recipe says it: `{"resize": 64, "crop": "center"}`; `{}`
            does nothing. None is the recipe's, which leaves other images than its own alone where they
            have the model's height and width.
        column: of parquet files where several hold examples; None is the recipe's for its own dataset.
        max_damaged: examples that may be left out because they cannot be read; None is the recipe's for
            its own dataset, and 0 for any other.
        device: where to compute; `"auto"` is a GPU where there is one.
        revision: as in `load`, for a source on the Hub.
        token: as in `load`, for the model and its recipe; a dataset of the Hub is read with the one of
            `hf auth login` or `HF_TOKEN`.
        offline: as in `load`, for everything that is needed: the model, its recipe, the examples.

    Raises:
        InputError: for examples of another shape, a protocol that does not fit, or codes that cannot
            be scored: a dataset that knows no factors, a factor that does not vary, a single latent.
        DataError, OfflineError: for data that are missing or damaged, or a file of factors that is.
    """
    from zoo.data.factors import factors_of
    from zoo.data.open import check_at_hand
    from zoo.evaluation.evaluate import evaluate_model
    from zoo.evaluation.examples import examples_for
    from zoo.runtime.devices import find_rank_device
    from zoo.specs.data import transform_of
    from zoo.specs.protocols import check_known

    if protocol is not None:
        check_known(protocol)
    where = find_rank_device(device)
    access = Access(token, offline)
    model = model_of(model_or_source, revision=revision, access=access)
    if dataset is None:
        dataset, recipe_protocol = trained_on(model, access)
        protocol = protocol or recipe_protocol
    check_at_hand(dataset, offline)
    images = examples_for(
        model,
        dataset,
        split,
        recipe_of(model, access),
        transform=None if transform is None else transform_of(transform),
        column=column,
        max_damaged=max_damaged,
    )
    return evaluate_model(
        model,
        images,
        protocol=protocol,
        nll_samples=nll_samples,
        limit=limit,
        seed=seed,
        factors=factors_of(dataset, images.split, factors),
        device=where,
    )


def measure_reconstructions(
    model_or_source: Autoencoder | str | Path,
    dataset: Dataset,
    protocol: str | ReconstructionProtocol = "native",
    *,
    split: str | None = None,
    limit: int | None = None,
    extractor: str | None = None,
    column: str | None = None,
    max_damaged: int = 0,
    device: str = "auto",
    revision: str | None = None,
    token: str | None = None,
    offline: bool = False,
) -> Reconstructions:
    """Scores `decode(encode(x))` against x: MSE, PSNR and SSIM of each image, averaged.

    Images are encoded one at a time, so that no number depends on batches or processes; under
    `torchrun` every process calls it, with the same arguments.

    Args:
        model_or_source: a model, or what `load` takes.
        dataset: as `evaluate` takes it; images may be of any sizes where the protocol makes them fit.
        protocol: `native`, `whole` or `center-256`, with settings that differ from those, such as
            `center-256:resampler=lanczos`. Two results compare where `ground` is the same.
        split: None is the test split; of images without parts, all of them.
        limit: the first N images only.
        extractor: `lpips-vgg`, `lpips-alex`, `lpips-squeeze` or `inception`, with `=FILE@SHA256` for
            weights that are not fetched; or what `load` takes, for distances between codes.
        column: as in `evaluate`; None finds it.
        max_damaged: images that may be left out because they cannot be read.
        device, revision, token, offline: as in `evaluate`, for an extractor too.

    Raises:
        InputError: for another protocol, a model of rows or series, and images of a size that the model does not take.
        IntegrityError, MismatchError, OfflineError: for an extractor's weights.
        DataError: for images that are missing, damaged, or smaller than a crop.
    """
    from torch.nn import Module

    from zoo.data.open import check_at_hand
    from zoo.evaluation.extractors import find_extractor
    from zoo.evaluation.prepared import prepared_images
    from zoo.evaluation.reconstruction import measure_reconstructions as measure
    from zoo.runtime.devices import find_rank_device
    from zoo.specs.data import FOUND
    from zoo.specs.reconstruction import parse_protocol

    access = Access(token, offline)
    known = parse_protocol(protocol) if isinstance(protocol, str) else protocol
    where = find_rank_device(device)
    model = model_of(model_or_source, revision=revision, access=access)
    name = "" if isinstance(model_or_source, Module) else str(model_or_source)
    check_at_hand(dataset, offline)
    images = prepared_images(
        dataset, known, split=split, column=column or FOUND, max_damaged=max_damaged
    )
    compared_by = find_extractor(extractor, access).to(where) if extractor else None
    found = measure(model, images, name=name, limit=limit, extractor=compared_by, device=where)
    return found.summary


def verify(
    source: str | Path,
    *,
    full: bool = False,
    dataset: str | Path | None = None,
    device: str = "auto",
    revision: str | None = None,
    token: str | None = None,
    offline: bool = False,
) -> Report:
    """Checks that a model is what it says: hashes, a strict load, and its numbers measured again.

    Args:
        source: what `load` takes.
        full: measure all examples again, not only the stored subset of 500.
        dataset: where the data of its measurements are; None is where its recipe says, which may
            not choose data from anywhere on this machine.
        device: where to compute; `"auto"` is a GPU where there is one.
        revision, token: as in `load`. Of a Hub repo every file is checked.
        offline: as in `load`, for the data too: numbers whose data are not here are not measured.

    Raises:
        ZooError: where the model cannot even be found. What is found and wrong is in the report.
    """
    from zoo.detection.detector import check_detector, has_detector
    from zoo.evaluation.report import Check, Report
    from zoo.evaluation.verify import verify_source

    try:
        found = find(source, EVERYTHING, revision=revision, token=token, offline=offline)
    except IntegrityError as wrong:
        return Report(str(source), (Check("hashes", "failed", str(wrong)),))
    names_in(found.folder)  # raises where there is no such folder
    report = verify_source(found, full=full, device=device, dataset=dataset, offline=offline)
    extra = (check_detector(found),) if has_detector(found) else ()
    return Report(report.origin, (*report.checks, *extra))
