"""The contract of a family: what a class and its models must satisfy for the zoo to work with them.

`check_class` is called where a plugin's class is loaded, `check_model` where a model of it is built;
`zoo.testing` checks what takes longer.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

import torch
from pydantic.dataclasses import is_pydantic_dataclass
from torch import Tensor, nn

from zoo.errors import PluginError
from zoo.models.interface import Autoencoder
from zoo.models.variational import VariationalAutoencoder
from zoo.specs.base import Spec
from zoo.specs.metrics import MAX_UNIT, PICTURES, is_taken
from zoo.specs.validation import models_in

METRIC = re.compile(r"[a-z][a-z0-9_]{0,39}")
PICTURE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
STRICT = {"frozen": True, "strict": True, "extra": "forbid"}
HINT = "ConfigDict(frozen=True, strict=True, extra='forbid', allow_inf_nan=False)"


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Keeps torch's default dtype and random generator as they are, whatever an import does."""
    dtype, state = torch.get_default_dtype(), torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_rng_state(state)


def check_class(cls: Any, what: str) -> type[Autoencoder]:
    """The class, if it is a family's.

    Args:
        cls: what was found under a family's name.
        what: what to call it, such as `Plugin 'vq' of acme-vq 0.3`.

    Raises:
        PluginError: if it is not a subclass of Autoencoder, has no Spec or one that lets unknown
            fields pass, or leaves out part of the interface.
    """
    if not (isinstance(cls, type) and issubclass(cls, Autoencoder)):
        found = getattr(cls, "__name__", None) or repr(cls)[:60]
        raise PluginError(f"{what} is {found}, which is not a subclass of zoo.Autoencoder.")
    spec = getattr(cls, "Spec", None)
    if not (isinstance(spec, type) and issubclass(spec, Spec)):
        raise PluginError(f"{what} has no Spec. Add `Spec = ...`, a subclass of zoo.Spec.")
    variational = issubclass(cls, VariationalAutoencoder)
    inner = ("_posterior", "_likelihood") if variational else ("_encode", "_decode", "_loss")
    parent = VariationalAutoencoder if variational else Autoencoder
    problem = (
        _not_overridden(cls, parent, inner)
        or _not_overridden(spec, Spec, ("latent_shape",))
        or _lax(spec)
        or _own_names(cls)
    )
    if problem:
        raise PluginError(f"{what}: {problem}.")
    return cls


def check_model(model: Autoencoder, spec: Spec, what: str, *, waits: bool = False) -> None:
    """Raises PluginError for a model that does not follow its Spec, or cannot be saved.

    Args:
        model: as its class made it.
        spec: what it was made from.
        what: what to call its family.
        waits: whether its parameters are on the meta device until its weights are loaded.
    """
    name = type(model).__name__
    if getattr(model, "spec", None) != spec:
        raise PluginError(
            f"{what}: {name} has another Spec than the one that it was built from. Call "
            "super().__init__(spec) with that very Spec, first."
        )
    parameters, tensors = dict(model.named_parameters()), model.state_dict()
    allowed = parameters if waits else ()
    if left := [n for n, t in tensors.items() if getattr(t, "is_meta", 0) and n not in allowed]:
        raise PluginError(f"{what}: {', '.join(left[:5])}: left on the meta device.")
    if problem := _unsavable(tensors, model.named_parameters(remove_duplicate=False)):
        raise PluginError(f"{what}: {problem}.")
    count, said = sum(p.numel() for p in parameters.values()), spec.parameter_count()
    if said is not None and count != said:
        raise PluginError(
            f"{what}: {name} has {count:,} parameters; its Spec says {said:,}. One of them ignores "
            "the Spec."
        )
    if not count:
        raise PluginError(f"{what}: {name} has no parameters.")


def sharing(tensors: Mapping[str, Tensor]) -> str:
    """The names of two tensors that share memory, or nothing."""
    spans = sorted(
        (tensor.data_ptr(), tensor.data_ptr() + tensor.numel() * tensor.element_size(), name)
        for name, tensor in tensors.items()
        if tensor.numel() and not tensor.is_meta
    )
    for (_, end, one), (start, _, other) in itertools.pairwise(spans):
        if start < end:
            return " and ".join(sorted((one, other)))
    return ""


def _not_overridden(cls: type, parent: type, names: tuple[str, ...]) -> str:
    lacking = [name for name in names if getattr(cls, name) is getattr(parent, name)]
    return f"{cls.__name__} does not implement {' and '.join(lacking)}" if lacking else ""


def _lax(spec: type[Spec]) -> str:
    """What a Spec, or a settings class within it, lets pass that it must not; or nothing."""
    if "family" in spec.model_fields:
        return f"{spec.__name__} has a field 'family', which is reserved: recipes have it"
    for cls in (spec, *models_in(spec)):
        for setting, wanted in STRICT.items():
            if (value := cls.model_config.get(setting)) != wanted:
                said = "allows unknown fields" if setting == "extra" else "is lax"
                return f"{cls.__name__} {said} ({setting}={value!r}). Give it model_config = {HINT}"
        for name, field in cls.model_fields.items():
            for kind in _types_in(field.annotation):
                if kind in (list, set):
                    change = "which can change; make it a tuple"
                    return f"{cls.__name__}.{name} is a {kind.__name__}, {change}"
                if isinstance(kind, type) and is_pydantic_dataclass(kind):
                    return f"{kind.__name__} is a Pydantic dataclass, which is lax; make it a BaseModel"
    return ""


def _types_in(annotation: Any) -> Iterator[Any]:
    yield get_origin(annotation) or annotation
    for inner in get_args(annotation):
        yield from _types_in(inner)


def _own_names(cls: type[Autoencoder]) -> str:
    """What is wrong with the names of a family's own metrics and pictures, or nothing."""
    kinds = (
        ("metric", "own_metrics", METRIC, is_taken, MAX_UNIT),
        ("picture", "own_pictures", PICTURE, PICTURES.__contains__, 1_000),
    )
    for kind, attribute, pattern, is_another, longest in kinds:
        names = getattr(cls, attribute)
        if not isinstance(names, Mapping):
            return f"{attribute} is not a mapping of names to texts"
        for name, text in names.items():
            if not isinstance(name, str) or not pattern.fullmatch(name) or is_another(name):
                return f"{name!r} in {attribute} cannot be the name of a {kind} of its own"
            if not isinstance(text, str) or not text.isprintable() or len(text) > longest:
                return f"{attribute}[{name!r}] is not one line of at most {longest} characters"
    return ""


def _unsavable(tensors: Mapping[str, Any], named: Iterator[tuple[str, nn.Parameter]]) -> str:
    """Why a state dict cannot be saved and loaded back, or nothing."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or isinstance(tensor, nn.UninitializedParameter):
            return f"{name} in its state dict is not a tensor"
        if tensor.is_complex() or (tensor.is_floating_point() and tensor.dtype != torch.float32):
            return f"{name} is {str(tensor.dtype).removeprefix('torch.')}; weights are float32"
        if not tensor.is_contiguous():
            return f"{name} is not contiguous; make it so when it is built"
    shared = sharing(tensors)
    seen: dict[int, str] = {}
    for name, parameter in named:  # one parameter under two names, on the meta device too
        if id(parameter) in seen:
            shared = f"{seen[id(parameter)]} and {name}"
        seen[id(parameter)] = name
    return f"{shared} share memory; keep one tensor and use it twice" if shared else ""
