"""What a family must keep, so that everything the zoo can do works for it.

Checked wherever a class of somebody else's is met (`check_class`) and wherever a model is built
from its Spec (`check_model`). `zoo.testing` checks what takes longer.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

import torch
from pydantic import BaseModel
from pydantic.dataclasses import is_pydantic_dataclass
from pydantic.errors import PydanticInvalidForJsonSchema
from torch import Tensor, nn

from zoo.errors import PluginError
from zoo.models.interface import Autoencoder
from zoo.models.variational import VariationalAutoencoder
from zoo.specs.base import Spec
from zoo.specs.metrics import MAX_UNIT, PICTURES, is_taken
from zoo.specs.validation import models_in

ClassT = type[Autoencoder]

METRIC = re.compile(r"[a-z][a-z0-9_]{0,39}")
PICTURE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MOST_OWN = 20
"""Metrics, and pictures, that a family may add."""

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


def check_class(cls: Any, what: str) -> Any:
    """The class, if it is a family's.

    Args:
        cls: what was found under a family's name.
        what: what to call it, such as `Plugin 'vq' of acme-vq 0.3`.

    Raises:
        PluginError: for anything that is no subclass of Autoencoder, has no Spec or a lax one, or
            leaves out part of the interface.
    """
    if not (isinstance(cls, type) and issubclass(cls, Autoencoder)):
        raise PluginError(f"{what} is {_named(cls)}, which is no subclass of zoo.Autoencoder.")
    spec = getattr(cls, "Spec", None)
    if not (isinstance(spec, type) and issubclass(spec, Spec)):
        raise PluginError(f"{what} has no Spec. Add `Spec = ...`, a subclass of zoo.Spec.")
    variational = issubclass(cls, VariationalAutoencoder)
    inner = ("_posterior", "_likelihood") if variational else ("_encode", "_decode", "_loss")
    lacking = _not_overridden(cls, VariationalAutoencoder if variational else Autoencoder, inner)
    if lacking:
        raise PluginError(f"{what}: {cls.__name__} does not implement {lacking}.")
    if lacking := _not_overridden(spec, Spec, ("latent_shape",)):
        raise PluginError(f"{what}: {spec.__name__} does not implement {lacking}.")
    for problem in (*_lax(spec), *_own_names(cls)):
        raise PluginError(f"{what}: {problem}.")
    return cls


def check_model(model: Autoencoder, spec: Spec, what: str, *, waits: bool = False) -> None:
    """Raises PluginError for a model that does not follow its Spec, or could not be saved.

    Args:
        model: as its class made it.
        spec: what it was made from.
        what: what to call its family.
        waits: whether its parameters are on the meta device on purpose.
    """
    name = type(model).__name__
    if getattr(model, "spec", None) != spec:
        raise PluginError(
            f"{what}: {name} has another Spec than the one that it was built from. Call "
            "super().__init__(spec) with that very Spec, first."
        )
    tensors = model.state_dict()
    on_purpose = {name for name, _ in model.named_parameters()} if waits else set()
    if left := [n for n, t in tensors.items() if getattr(t, "is_meta", 0) and n not in on_purpose]:
        raise PluginError(f"{what}: {', '.join(left[:5])}: left on the meta device.")
    for problem in _unsavable(tensors, list(model.named_parameters(remove_duplicate=False))):
        raise PluginError(f"{what}: {problem}.")
    count, said = sum(p.numel() for p in model.parameters()), spec.parameter_count()
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


def _named(found: Any) -> str:
    return getattr(found, "__name__", None) or repr(found)[:60]


def _not_overridden(cls: type, parent: type, names: tuple[str, ...]) -> str:
    same = [name for name in names if getattr(cls, name) is getattr(parent, name)]
    return " and ".join(same)


def _lax(spec: type[Spec]) -> list[str]:
    """What a Spec or a settings class within it lets pass, or cannot say."""
    if "family" in spec.model_fields:
        return [f"{spec.__name__} has a field 'family', which is the recipe's own word"]
    for cls in (spec, *models_in(spec)):
        for setting, wanted in STRICT.items():
            if cls.model_config.get(setting) != wanted:
                said = (
                    f"allows unknown fields ({setting}"
                    if setting == "extra"
                    else f"is lax ({setting}"
                )
                value = cls.model_config.get(setting)
                return [f"{cls.__name__} {said}={value!r}). Give it model_config = {HINT}"]
    if found := _unfit_type(spec):
        return [found]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of defaults that are no JSON: saving says so
            spec.model_json_schema(mode="serialization")
    except PydanticInvalidForJsonSchema as no_json:
        return [f"{spec.__name__} cannot be turned into JSON: {str(no_json).splitlines()[0]}"]
    return []


def _unfit_type(spec: type[BaseModel]) -> str:
    """What is wrong with the type of a field, that validation alone would let pass, or nothing."""
    waiting: list[tuple[str, Any]] = [
        (f"{cls.__name__}.{name}", field.annotation)
        for cls in (spec, *models_in(spec))
        for name, field in cls.model_fields.items()
    ]
    while waiting:
        name, annotation = waiting.pop()
        kind = get_origin(annotation) or annotation
        if kind in (list, set):
            return f"{name} is a {kind.__name__}, which can change; make it a tuple"
        if isinstance(annotation, type) and is_pydantic_dataclass(annotation):
            return f"{annotation.__name__} is a dataclass of Pydantic's, which is lax; make it a BaseModel"
        waiting += [(name, inner) for inner in get_args(annotation)]
    return ""


def _own_names(cls: ClassT) -> list[str]:
    """What is wrong with the names of a family's own metrics and pictures."""
    kinds = (
        ("metric", "own_metrics", METRIC, is_taken, MAX_UNIT),
        ("picture", "own_pictures", PICTURE, PICTURES.__contains__, 1_000),
    )
    for kind, attribute, pattern, is_another, longest in kinds:
        names = getattr(cls, attribute)
        if not isinstance(names, Mapping) or len(names) > MOST_OWN:
            return [f"{attribute} is no mapping of at most {MOST_OWN} names"]
        for name, text in names.items():
            if not isinstance(name, str) or not pattern.fullmatch(name) or is_another(name):
                return [f"{name!r} in {attribute} cannot be the name of a {kind} of its own"]
            if not isinstance(text, str) or not text.isprintable() or len(text) > longest:
                return [f"{attribute}[{name!r}] is no text in a line of at most {longest}"]
    return []


def _unsavable(tensors: Mapping[str, Any], named: list[tuple[str, nn.Parameter]]) -> list[str]:
    seen: dict[int, str] = {}
    for name, parameter in named:  # one parameter under two names, on meta too
        if id(parameter) in seen:
            return [_shared(f"{seen[id(parameter)]} and {name}")]
        seen[id(parameter)] = name
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or isinstance(tensor, nn.UninitializedParameter):
            return [f"{name} in its state dict is no tensor"]
        if tensor.is_complex() or (tensor.is_floating_point() and tensor.dtype != torch.float32):
            return [f"{name} is {str(tensor.dtype).removeprefix('torch.')}; weights are float32"]
        if not tensor.is_contiguous():
            return [f"{name} is not contiguous; make it so when it is built"]
    shared = sharing(tensors)
    return [_shared(shared)] if shared else []


def _shared(names: str) -> str:
    return f"{names} share memory; keep one tensor and use it twice"
