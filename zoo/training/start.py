"""Initialization from a trained model, and training of the decoder only."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import RecipeError, TrainingError
from zoo.folder import store
from zoo.hub.find import find
from zoo.models import Autoencoder
from zoo.specs.base import Spec
from zoo.training.settings import TrainingSettings


def begin(model: Autoencoder, settings: TrainingSettings) -> dict[str, str]:
    """Loads the weights of the recipe's `init` into a model, and freezes parameters that are not trained.

    Returns:
        Fields for metrics.json: the sha256 of the initial weights, with `init`.

    Raises:
        RecipeError: for another family or Spec, or a family without `decoding`.
        The errors of `zoo.load`.
    """
    record = {}
    if settings.init != "off":
        source = store.load_source(find(settings.init))
        if type(source) is not type(model) or _function(source.spec) != _function(model.spec):
            raise RecipeError(
                f"training.init: {settings.init!r} has another Spec than [model]: "
                f"{_first_difference(source.spec, model.spec)}."
            )
        model.load_state_dict(source.state_dict())
        assert source.info is not None
        record["init_sha256"] = source.info.sha256
    if settings.trains == "decoder":
        if not model.decoding:
            raise RecipeError(
                "training.trains: this family does not declare its decoder parameters (`decoding`)."
            )
        if settings.init == "off":
            raise RecipeError("training.trains = 'decoder' requires training.init.")
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(model.decoding))
    return record


def encoding(model: Autoencoder) -> dict[str, Tensor]:
    """Copies of the tensors that `encode` may use."""
    state = model.state_dict()
    return {n: t.clone() for n, t in state.items() if not n.startswith(model.decoding)}


def check_kept(model: Autoencoder, before: dict[str, Tensor]) -> None:
    """Raises TrainingError unless the encoder's tensors are bitwise identical to `before`."""
    now = model.state_dict()
    changed = [n for n, t in before.items() if not torch.equal(now[n].to(t.device), t)]
    if changed:
        raise TrainingError(
            f"trains = 'decoder' changed {', '.join(changed[:5])}, so codes have changed."
        )


def _function(spec: Spec) -> dict:
    """The Spec's fields, without the image size if the model takes any size."""
    fields = spec.model_dump()
    if spec.stride:
        fields["input_shape"] = fields["input_shape"][0]
    return fields


def _first_difference(one: Spec, other: Spec) -> str:
    if type(one) is not type(other):
        return f"it is a {type(one).__name__}, not a {type(other).__name__}"
    ours, theirs = _function(one), _function(other)
    name = next(name for name in ours if ours[name] != theirs.get(name))
    return f"its {name} is {ours[name]}, not {theirs[name]}"
