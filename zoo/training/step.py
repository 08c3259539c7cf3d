"""What trains: a module whose `forward` is the loss, and the average of its weights."""

from __future__ import annotations

import copy
import inspect

import torch
from torch import Tensor, nn

from zoo.errors import PluginError, RecipeError
from zoo.evaluation.extractors import find_extractor
from zoo.models import Autoencoder, Loss, VariationalAutoencoder
from zoo.registry import families
from zoo.specs.objectives import ELBO, Pixels
from zoo.training.settings import TrainingSettings


class TrainingStep(nn.Module):
    """Images as shown -> the terms of their loss. The only thing that `torch.compile` wraps."""

    def __init__(self, model: Autoencoder, settings: TrainingSettings) -> None:
        super().__init__()
        self.model = model
        self.bf16 = settings.precision == "bf16"
        variational = isinstance(model, VariationalAutoencoder)
        takes = inspect.signature(model._loss).parameters
        self.options: dict[str, object] = {"gradient": settings.gradient} if variational else {}
        if settings.objective != ELBO():
            if "objective" not in takes:
                raise RecipeError("training.objective: the loss of this family takes none.")
            self.options["objective"] = settings.objective
            if isinstance(settings.objective, Pixels) and settings.objective.perceptual:
                extractor = find_extractor(settings.objective.extractor)
                if extractor.kind == "inception":
                    raise RecipeError("training.objective: inception gives a loss no gradient.")
                self.options["extractor"] = extractor.to(model.device).distance
        self.takes_noise = "noise" in takes
        self.once = settings.accumulate == 1 and settings.exact_shards == "off"
        self.term_names: tuple[str, ...] = ()
        self.weights: dict[str, float] = {}
        self.statistics: dict[str, torch.Size] = {}
        """The shape of each of the loss's statistics, by name."""

    def forward(self, shown: Tensor, noise: Tensor | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The loss of `(N, C, H, W)` at noise for each: its terms `(T,)`, in nats per image, and its statistics."""
        given = self.options | ({"noise": noise} if self.takes_noise else {})
        with torch.autocast(shown.device.type, torch.bfloat16, enabled=self.bf16):
            loss = self.model._loss(shown, **given)
        if not torch.compiler.is_compiling():
            self._look_at(loss)
        return torch.stack(list(loss.terms.values())), tuple(loss.statistics.values())

    def total(self, terms: Tensor, factors: dict[str, float]) -> Tensor:
        """The loss to step on: the weighted sum of the terms, some weights times a warm-up's factor."""
        named = dict(zip(self.term_names, terms.unbind(), strict=True))
        return Loss(named, self.weights).scaled(factors)

    def learn(self, learned: Tensor) -> None:
        """Gives the model a whole batch's statistics, one after the other in one vector."""
        sizes = [shape.numel() for shape in self.statistics.values()]
        named = zip(self.statistics.items(), learned.split(sizes), strict=True)
        self.model._learn({name: one.view(shape) for (name, shape), one in named})

    def _look_at(self, loss: Loss) -> None:
        if not self.term_names:
            _check_loss(self.model, loss)
            self.term_names, self.weights = tuple(loss.terms), dict(loss.weights)
            self.statistics = {name: one.shape for name, one in loss.statistics.items()}

    def compiled(self, shown: Tensor, noise: Tensor | None) -> nn.Module:
        """Itself, compiled: what a compiled loss cannot be asked is asked of a copy, with one batch."""
        with torch.random.fork_rng():
            looked_at = copy.deepcopy(self)
            looked_at(shown, noise)
        self.term_names, self.weights = looked_at.term_names, looked_at.weights
        self.statistics = looked_at.statistics
        graphs = shown.device.type == "cuda" and self.once  # else a part would overwrite another's
        return torch.compile(self, mode="reduce-overhead" if graphs else None)  # pyright: ignore[reportReturnType]  # a module stays one


def _check_loss(model: Autoencoder, loss: object) -> None:
    """Raises PluginError for a first loss that cannot be stepped on."""
    what = families.title_of(model)
    if not isinstance(loss, Loss) or not loss.terms:
        raise PluginError(f"{what}: its loss is not a zoo.Loss with terms, but {str(loss)[:60]!r}.")
    for name, term in loss.terms.items():
        if not isinstance(term, Tensor) or term.dim() != 0:
            raise PluginError(f"{what}: the term {name!r} of its loss is not a scalar tensor.")
    if not loss.total.requires_grad:
        raise PluginError(f"{what}: its loss has no gradient.")


def warmup_factors(settings: TrainingSettings, epochs_done: float) -> dict[str, float]:
    """What each warming term's weight is multiplied by, after so many epochs."""
    return {
        name: min(1.0, epochs_done / epochs) if epochs > 0 else 1.0
        for name, epochs in settings.term_warmup_epochs.items()
    }


class AveragedWeights:
    """An exponential moving average of a model's floating weights and buffers.

    The decay rises toward the recipe's as (1 + n) / (10 + n) with the steps n, so that the first
    weights, which are noise, are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.source = {k: v for k, v in model.state_dict().items() if v.is_floating_point()}
        self.average = {name: tensor.detach().clone() for name, tensor in self.source.items()}

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Moves the average toward the weights after that many steps."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]  # what torch's own averages use
            list(self.average.values()), list(self.source.values()), 1 - decay
        )
