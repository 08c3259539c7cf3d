"""A Spec -> an untrained model, or one that waits for its weights."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from zoo import families, specs
from zoo.errors import InputError, PluginError
from zoo.guards import blamed
from zoo.models.contract import check_model
from zoo.models.interface import Autoencoder


def build_model(family: str, spec: specs.Spec, seed: int | None = None) -> Autoencoder:
    """An untrained model of a family, in eval mode, its weights drawn from the seed."""
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(_checked_seed(seed))
        return _built(family, spec).eval()


def _checked_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"seed is a whole number from 0 to 2**63 - 1; got {str(seed)[:60]}.")
    return seed


def _built(family: str, spec: specs.Spec, *, waits: bool = False) -> Autoencoder:
    """A model as its family's class makes it. Raises PluginError if it breaks the contract."""
    cls, what = families.family_class(family), families.known_as(family)
    with blamed(what, "failed to build a model from its Spec"):
        model = cls(spec)
        if family not in families.BUILT_IN:
            check_model(model, spec, what, waits=waits)
    return model


def skeleton(family: str, spec: specs.Spec) -> Autoencoder:
    """A model with its parameters on the meta device and its buffers real.

    A class of a package's that looks at its weights as it is built gets real ones.
    """
    try:
        with _parameters_on_meta():
            return _built(family, spec, waits=True)
    except PluginError:
        return _built(family, spec)


@contextmanager
def _parameters_on_meta() -> Iterator[None]:
    """Parameters made by this thread hold no numbers, so their random start costs nothing."""
    thread = threading.get_ident()

    def to_meta(module: nn.Module, name: str, parameter: nn.Parameter | None):
        if parameter is None or parameter.is_meta or threading.get_ident() != thread:
            return None
        return nn.Parameter(parameter.to("meta"), requires_grad=parameter.requires_grad)

    hook = register_module_parameter_registration_hook(to_meta)  # pyright: ignore[reportArgumentType]  # its stub forgets the value
    try:
        yield
    finally:
        hook.remove()
