"""Where a training begins, if not at weights drawn from the seed, and which of them it changes."""

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
    """Gives a model the weights of the recipe's `init`, and freezes what is not trained.

    Returns:
        What metrics.json says of it: the sha256 of the weights that it began with.

    Raises:
        RecipeError: for another family or Spec, or a family that does not say what decodes alone.
        The errors of `zoo.load`.
    """
    said = {}
    if settings.init != "off":
        source = store.load_source(find(settings.init))
        if type(source) is not type(model) or _function(source.spec) != _function(model.spec):
            raise RecipeError(
                f"training.init: {settings.init!r} has another Spec than [model]: "
                f"{_first_difference(source.spec, model.spec)}."
            )
        model.load_state_dict(source.state_dict())
        assert source.info is not None
        said["init_sha256"] = source.info.sha256
    if settings.trains == "decoder":
        if not model.decoding:
            raise RecipeError("training.trains: this family does not say what decodes alone.")
        if settings.init == "off":
            raise RecipeError("training.trains = 'decoder' needs an init whose codes are kept.")
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(model.decoding))
    return said


def encoding(model: Autoencoder) -> dict[str, Tensor]:
    """Copies of the tensors that `encode` may use."""
    state = model.state_dict()
    return {n: t.clone() for n, t in state.items() if not n.startswith(model.decoding)}


def check_kept(model: Autoencoder, before: dict[str, Tensor]) -> None:
    """Raises TrainingError if a tensor of the encoder is not what it was, bit for bit."""
    now = model.state_dict()
    changed = [n for n, t in before.items() if not torch.equal(now[n].to(t.device), t)]
    if changed:
        raise TrainingError(
            f"trains = 'decoder' changed {', '.join(changed[:5])}: codes are other ones now."
        )


def _function(spec: Spec) -> dict:
    """What a Spec says of the function: images of another size are no other one where any is taken."""
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
