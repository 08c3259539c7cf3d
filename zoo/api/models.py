"""The public functions on models: build, load, info, save; and the model of an argument, with its recipe."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import HubError, InputError, OfflineError, SpecError
from zoo.folder.config import read_info
from zoo.hub.find import ONLINE, TO_KNOW, TO_MEASURE, Access, find
from zoo.io.files import with_home
from zoo.registry import families, sources
from zoo.specs.base import Spec
from zoo.specs.info import ModelInfo
from zoo.specs.validation import listed

if TYPE_CHECKING:
    import torch

    from zoo.models import Autoencoder
    from zoo.specs.protocols import Protocol

log = logging.getLogger("zoo")

# torch is imported by the functions that need it: `zoo.info` of a model does not.


def build(
    family_or_spec: str | Spec, *, seed: int | None = None, **spec_fields: Any
) -> Autoencoder:
    """An untrained model, in train mode.

    Args:
        family_or_spec: the name of a family or preset and the Spec's fields, or a Spec.
        seed: for the weights; None draws them from torch's global generator.
        **spec_fields: the Spec's fields; `input_shape` and, of most families, `latent_dim` have
            no defaults.

    Raises:
        UnknownNameError: for an unknown family.
        SpecError: for invalid fields, listing every problem.
    """
    if isinstance(family_or_spec, Spec):
        if spec_fields:
            raise InputError("A Spec is complete: give fields only with a family's name.")
        return families.of(family_or_spec).build(family_or_spec, seed)
    family, fields = families.expanded(family_or_spec, spec_fields)
    spec, problems = family.parse(fields)
    if spec is None:
        raise SpecError(listed(f"This {family.spec_class.__name__}", problems), problems=problems)
    return family.build(spec, seed)


def load(
    source: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | str | None = None,
    revision: str | None = None,
    token: str | None = None,
    offline: bool = False,
) -> Autoencoder:
    """A trained model: verified weights, in eval mode.

    Args:
        source: a published name, a folder (`./folder` or a `Path`), or a repo on the Hugging Face
            Hub (`org/name`, `hf://org/name@revision`, or its address). Of a repo, only the config
            and the weights are fetched, into the Hub's cache.
        device: where to put it; `"auto"` uses a GPU if available.
        dtype: floating-point dtype of its weights, or its name, such as `"bfloat16"`; None is float32, as
            they are stored.
        revision: a branch, a tag or a commit of a Hub repo; None is `main`.
        token: for a private Hub repo; None is the token from `hf auth login` or `HF_TOKEN`.
        offline: whether to stay off the network; so does `HF_HUB_OFFLINE=1`.

    Raises:
        UnknownNameError, SourceError: for a source that does not exist or is ambiguous.
        WeightsError: for a folder that cannot be loaded; IntegrityError for bytes that are not
            the published ones, MismatchError for tensors that do not fit.
        OfflineError: if a file is not cached and the Hub cannot be reached.
        HubError: if the Hub refuses or fails.
        DeviceError: for an unavailable device.
    """
    from zoo.folder import store
    from zoo.runtime.devices import find_device, find_dtype

    where, floating = find_device(device), find_dtype(dtype)
    found = find(source, revision=revision, token=token, offline=offline)
    return store.load_source(found).to(device=where, dtype=floating)


def info(
    source: str | Path,
    *,
    revision: str | None = None,
    token: str | None = None,
    offline: bool = False,
) -> ModelInfo:
    """The metadata of a model, without reading or fetching its weights.

    Arguments and errors as `load`. Of a Hub repo, config, card, recipe and metrics are fetched.
    """
    found = find(source, TO_KNOW, revision=revision, token=token, offline=offline)
    return read_info(found.folder, found.origin, found.line, found.files)


def save(model: Autoencoder, folder: str | Path) -> None:
    """Writes a model's whole folder: config, weights, card and, if known, recipe, metrics and figures.

    Recipe, metrics and figures are kept only if the weights are unchanged. For a model from the Hub,
    files that are not cached are left out, with a warning: `zoo.pull` fetches all of them.
    Equal models give byte-identical folders. Other files in the folder are kept. A model wrapped in
    DataParallel, DistributedDataParallel or torch.compile is saved without the wrapper.

    Raises:
        InputError: if `folder` contains anything other than a model.
        WeightsError: for a model whose tensors do not match its Spec, such as after pruning or with
            an added head: it could not be loaded.
        ZooError: if the disk is full or read-only.
    """
    from zoo.folder import store
    from zoo.models.contract import unwrapped

    target = with_home(folder)
    store.check_target(target)
    store.save(unwrapped(model), target)


def model_of(
    model_or_source: Autoencoder | str | Path,
    device: str = "cpu",
    *,
    revision: str | None = None,
    access: Access = ONLINE,
) -> Autoencoder:
    """A model, unwrapped, on its own device; or that of a source, on `device`, with its recipe."""
    from torch.nn import Module

    from zoo.folder import store
    from zoo.models.contract import unwrapped
    from zoo.runtime.devices import find_device

    if isinstance(model_or_source, Module):
        return unwrapped(model_or_source)
    where = find_device(device)
    how = {"revision": revision, "token": access.token, "offline": access.offline}
    return store.load_source(find(model_or_source, TO_MEASURE, **how)).to(where)


def trained_on(model: Autoencoder, access: Access = ONLINE) -> tuple[str, Protocol]:
    """Dataset and protocol of a model's recipe.

    Raises InputError for a model without one, DataError for a recipe that names data which are
    not its to choose (`zoo.data.of_recipe`), OfflineError and HubError where the recipe is on the
    Hub and cannot be fetched.
    """
    from zoo.data.of_recipe import dataset_of
    from zoo.specs.data import data_settings

    known, recipe = model.info, _recipe(model, access)
    if known is None or recipe is None:
        raise InputError("This model has no recipe: say which dataset to measure it on.")
    return dataset_of(known, recipe), data_settings(recipe).protocol


def recipe_of(model: Autoencoder, access: Access = ONLINE) -> str | None:
    """The text of a model's recipe.toml, or None. That of one from the Hub is fetched, for a load left
    it out; where it cannot be fetched, a warning says so."""
    try:
        return _recipe(model, access)
    except (OfflineError, HubError) as failure:
        log.warning("The model's recipe is not known, so examples are not made to fit: %s", failure)
        return None


def _recipe(model: Autoencoder, access: Access) -> str | None:
    known = model.info
    if known is not None and known.recipe is None and sources.is_on_hub(known.origin):
        return info(known.origin, token=access.token, offline=access.offline).recipe
    return known.recipe if known else None
