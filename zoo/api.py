"""The public functions on models: build, load, info, save, evaluate, verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import families, sources
from zoo.errors import InputError, SourceError
from zoo.files import with_home
from zoo.folder import ModelInfo, read_info
from zoo.specs import Spec

if TYPE_CHECKING:
    import torch

    from zoo.data.load import Dataset
    from zoo.evaluation import Metrics
    from zoo.evaluation.verify import Report
    from zoo.models import Autoencoder
    from zoo.protocols import Protocol

# torch is imported by the functions that need it: `zoo.info` of a model does not.


def build(
    family_or_spec: str | Spec, *, seed: int | None = None, **spec_fields: Any
) -> Autoencoder:
    """An untrained model.

    Args:
        family_or_spec: a family's name and the Spec's fields, or a Spec.
        seed: of the weights; None draws them from torch's global generator.
        **spec_fields: the Spec's fields; all but `image_shape` and `latent_dim` have defaults.

    Raises:
        UnknownNameError: for a family that there is not.
        SpecError: for fields with mistakes, all of them listed.
    """
    from zoo import store

    if isinstance(family_or_spec, Spec):
        if spec_fields:
            raise InputError("A Spec is complete: give fields with a family's name, not beside it.")
        return store.build(families.of_spec(family_or_spec), family_or_spec, seed)
    spec = families.spec_class(family_or_spec).parse(spec_fields)
    return store.build(family_or_spec, spec, seed)


def load(
    source: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    revision: str | None = None,
    token: str | None = None,
    offline: bool = False,
) -> Autoencoder:
    """A trained model: verified weights, in eval mode.

    Args:
        source: a published name, or a folder (`./folder` or a `Path`).
        device: where to put it; `"auto"` is a GPU where there is one.
        dtype: floating dtype of its weights; None is float32, as they are stored.
        revision: of a Hub repo.
        token: for a private Hub repo.
        offline: whether to stay off the network.

    Raises:
        UnknownNameError, SourceError: for a source that is not there or not clear.
        WeightsError: for a folder that cannot be loaded; IntegrityError for bytes that are not
            the published ones, MismatchError for tensors that do not fit.
        DeviceError: for a device that is not here.
    """
    import torch

    from zoo import store
    from zoo.devices import find_device

    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise InputError(f"dtype is a floating torch dtype, such as torch.bfloat16; got {dtype!r}.")
    where = find_device(device)
    found = sources.find(source, revision=revision, offline=offline)
    model = store.load_source(found)
    return model.to(device=where, dtype=dtype)


def info(
    source: str | Path,
    *,
    revision: str | None = None,
    token: str | None = None,
    offline: bool = False,
) -> ModelInfo:
    """What is known of a model, its weights unread. Arguments and errors as `load`."""
    found = sources.find(source, revision=revision, offline=offline)
    return read_info(found.folder, found.origin, found.licence)


def save(model: Autoencoder, folder: str | Path) -> None:
    """Writes a model's whole folder: config, weights, card, and what is known of the model.

    Recipe, metrics and figures are kept if the weights are those that they were made with.
    Equal models give byte-equal folders. Other files in the folder stay.

    Raises:
        InputError: where something else than a model's folder is there.
        ZooError: where the disk is full or read-only.
    """
    from zoo import store
    from zoo.card import render_card

    target = with_home(folder)
    store.check_target(target)
    known = model.info if model.info and store.has_weights_of(model, model.info) else None
    model.info = store.save_folder(
        model,
        target,
        recipe=known.recipe if known else None,
        metrics=known.metrics if known else None,
        figures=store.read_figures(known.folder) if known else {},
        licence=known.licence if known else None,
        card=render_card,
    )


def evaluate(
    model_or_source: Autoencoder | str | Path,
    dataset: Dataset | None = None,
    *,
    split: str = "test",
    protocol: Protocol | None = None,
    nll_samples: int = 0,
    limit: int | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Metrics:
    """Measures a model on images.

    Args:
        model_or_source: a model, or what `load` takes.
        dataset: a name, a folder of images, a `.npy`/`.npz`, or a uint8 tensor; None is the one
            that its recipe names.
        split: train, validation or test.
        protocol: binarised, dequantised or grey; None is the recipe's, else the likelihood's own.
        nll_samples: K of the importance-weighted bound on -log p(x); 0 leaves it out.
        limit: measure on the first so many images only.
        seed: of the posterior's draws.
        device: where to compute; `"auto"` is a GPU where there is one.

    Raises:
        InputError: for images of another shape, or a protocol that does not fit.
        DataError, OfflineError: for images that are missing or damaged.
    """
    from zoo.data import load_images
    from zoo.devices import find_device
    from zoo.evaluation import evaluate_model
    from zoo.models import Autoencoder

    where = find_device(device)
    model = model_or_source if isinstance(model_or_source, Autoencoder) else load(model_or_source)
    if dataset is None:
        dataset, recipe_protocol = trained_on(model)
        protocol = protocol or recipe_protocol
    return evaluate_model(
        model,
        load_images(dataset, split),
        protocol=protocol,
        nll_samples=nll_samples,
        limit=limit,
        seed=seed,
        device=where,
    )


def trained_on(model: Autoencoder) -> tuple[str, Protocol]:
    """Dataset and protocol of a model's recipe. Raises InputError for a model without one."""
    from zoo.training.recipe import recipe_from_text

    if model.info is None or model.info.recipe is None:
        raise InputError("This model has no recipe: say which dataset to measure it on.")
    data = recipe_from_text(model.info.recipe).data
    return data.dataset, data.protocol


def verify(source: str | Path, *, full: bool = False, device: str = "cpu") -> Report:
    """Checks that a model is what it says: hashes, a strict load, and its numbers measured again.

    Args:
        source: what `load` takes.
        full: measure all images again, not only the stored subset of 500.
        device: where to compute.

    Raises:
        ZooError: where the model cannot even be found. What is found and wrong is in the report.
    """
    from zoo.evaluation.verify import verify_source

    found = sources.find(source)
    if not found.folder.is_dir():
        raise SourceError(f"There is no folder {str(found.folder)!r}.")
    return verify_source(found, full=full, device=device)
