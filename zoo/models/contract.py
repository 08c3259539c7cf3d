"""The contract of a family: requirements on its class and on its models.

`check_class` runs when a plugin's class is loaded, `check_model` when a model is built; `zoo.testing`
runs the slower checks.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from zoo.errors import InputError, PluginError
from zoo.models.interface import Autoencoder
from zoo.models.primitives import Primitives
from zoo.models.standardization import FLOAT64
from zoo.models.variational import VariationalAutoencoder
from zoo.specs.base import Spec
from zoo.specs.metrics import MAX_UNIT, PICTURES, is_reserved

METRIC = re.compile(r"[a-z][a-z0-9_]{0,39}")
PICTURE = re.compile(r"[a-z][a-z0-9-]*")
HINT = "ConfigDict(frozen=True, strict=True, extra='forbid', allow_inf_nan=False)"


def unwrapped(model: object) -> Autoencoder:
    """The model inside DataParallel, DistributedDataParallel or a torch.compile wrapper; or itself.

    Raises InputError for anything else.
    """
    inner = model
    while isinstance(inner, nn.Module):
        parts = inner._modules
        wrapped = parts.get("_orig_mod") or (
            parts.get("module")
            if isinstance(inner, DataParallel | DistributedDataParallel)
            else None
        )
        if wrapped is None:
            break
        inner = wrapped
    if not isinstance(inner, Autoencoder):
        raise InputError(f"Expected a model, as returned by zoo.load, not {type(model).__name__}.")
    return inner


def check_class(cls: Any, what: str) -> type[Autoencoder]:
    """The class, if it satisfies the contract.

    Args:
        cls: the object registered under a family's name.
        what: its name in messages, such as `Plugin 'vq' of acme-vq 0.3`.

    Raises:
        PluginError: if it is not a subclass of Autoencoder, has no Spec or one that allows unknown
            fields, or does not implement a required method.
    """
    if not (isinstance(cls, type) and issubclass(cls, Autoencoder)):
        found = getattr(cls, "__name__", None) or repr(cls)[:60]
        raise PluginError(f"{what} is {found}, which is not a subclass of zoo.Autoencoder.")
    spec = getattr(cls, "Spec", None)
    if not (isinstance(spec, type) and issubclass(spec, Spec)):
        raise PluginError(f"{what} has no Spec. Add `Spec = ...`, a subclass of zoo.Spec.")
    problem = (
        _lacking(cls)
        or _not_overridden(spec, Spec, ("latent_shape",))
        or _lax(spec)
        or _own_names(cls)
    )
    if problem:
        raise PluginError(f"{what}: {problem}.")
    return cls


def check_model(model: Autoencoder, spec: Spec, what: str) -> None:
    """Raises PluginError for a model that does not match its Spec or cannot be saved.

    Args:
        model: a newly built model.
        spec: the Spec that it was built from.
        what: name of its family in messages.
    """
    name = type(model).__name__
    problem = ""
    if getattr(model, "spec", None) != spec:
        problem = (
            f"{name}.spec is not the Spec that it was built from. First call "
            "super().__init__(spec) with the unchanged Spec"
        )
    elif not sum(p.numel() for p in model.parameters()):
        problem = f"{name} has no parameters"
    if problem := problem or _unsavable(model):
        raise PluginError(f"{what}: {problem}.")


def _unsavable(model: Autoencoder) -> str:
    """Why a model cannot be saved and loaded again; empty if it can."""
    tensors = model.state_dict()
    for name, tensor in tensors.items():
        wanted = torch.float64 if name in FLOAT64 else torch.float32
        if tensor.is_complex() or (tensor.is_floating_point() and tensor.dtype != wanted):
            return f"{name} is {str(tensor.dtype).removeprefix('torch.')}; weights are float32"
        if not tensor.is_contiguous():
            return f"{name} is not contiguous; call .contiguous() when it is created"
    shared = sharing(tensors)
    return f"{shared} share memory; keep one tensor and use it twice" if shared else ""


def sharing(tensors: Mapping[str, Tensor]) -> str:
    """The names of two tensors that share memory; empty if none do."""
    spans = sorted(
        (tensor.data_ptr(), tensor.data_ptr() + tensor.numel() * tensor.element_size(), name)
        for name, tensor in tensors.items()
        if tensor.numel() and not tensor.is_meta
    )
    for (_, end, one), (start, _, other) in itertools.pairwise(spans):
        if start < end:
            return " and ".join(sorted((one, other)))
    return ""


def _lacking(cls: type[Autoencoder]) -> str:
    """Required methods that a class does not implement; empty if it implements all."""
    if issubclass(cls, VariationalAutoencoder):
        return _not_overridden(cls, Primitives, ("_posterior", "_likelihood"))
    has_likelihood = cls._likelihood is not Primitives._likelihood
    return _not_overridden(
        cls, Primitives, ("_encode",) if has_likelihood else ("_encode", "_decode")
    )


def _not_overridden(cls: type, parent: type, names: tuple[str, ...]) -> str:
    lacking = [name for name in names if getattr(cls, name) is getattr(parent, name)]
    return f"{cls.__name__} does not implement {' and '.join(lacking)}" if lacking else ""


def _lax(spec: type[Spec]) -> str:
    """Which Spec, or nested settings class, allows unknown fields; empty if none does."""
    if "family" in spec.model_fields:
        return f"{spec.__name__} has a field 'family', which is reserved for recipes"
    schema = spec.model_json_schema()
    for name, inner in {spec.__name__: schema, **schema.get("$defs", {})}.items():
        if "properties" in inner and inner.get("additionalProperties") is not False:
            return f"{name} allows unknown fields. Give it model_config = {HINT}"
    return ""


def _own_names(cls: type[Autoencoder]) -> str:
    """What is wrong with the names of a family's own metrics and pictures; empty if nothing is."""
    for attribute, pattern, is_known, longest in (
        ("own_metrics", METRIC, is_reserved, MAX_UNIT),
        ("own_pictures", PICTURE, PICTURES.__contains__, 1_000),
    ):
        for name, text in getattr(cls, attribute).items():
            if not pattern.fullmatch(name) or is_known(name):
                return f"{name!r} in {attribute} is malformed or reserved"
            if not isinstance(text, str) or not text.isprintable() or len(text) > longest:
                return f"{attribute}[{name!r}] is not one line of at most {longest} characters"
    return ""
