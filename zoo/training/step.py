"""What trains: a module whose `forward` is the loss, and the average of its weights."""

from __future__ import annotations

import copy
import logging

import torch
from torch import Tensor, nn

from zoo.errors import PluginError, RecipeError
from zoo.evaluation.extractors import find_extractor
from zoo.models import Autoencoder, Batch, Loss
from zoo.models.loss import weighted_sum
from zoo.models.objectives import Objective, build, default_of, objective_for
from zoo.registry import families
from zoo.specs.objectives import IWAE, Pixels
from zoo.training.settings import TrainingSettings

log = logging.getLogger("zoo")


class TrainingStep(nn.Module):
    """A batch as shown -> the terms of its loss. The only thing that `torch.compile` wraps."""

    def __init__(self, model: Autoencoder, settings: TrainingSettings) -> None:
        super().__init__()
        self.model = model
        self.bf16 = settings.precision == "bf16"
        self.settings = settings
        self.objective = self._objective(settings)
        self.once = settings.accumulate == 1 and settings.exact_shards == "off"
        self.term_names: tuple[str, ...] = ()
        self.weights: dict[str, float] = {}
        self.statistics: dict[str, torch.Size] = {}
        """The shape of each of the loss's statistics, by name."""

    def _objective(self, settings: TrainingSettings) -> Objective:
        chosen = default_of(self.model) if settings.objective == "default" else settings.objective
        distance = None
        if isinstance(chosen, Pixels) and chosen.perceptual:
            extractor = find_extractor(chosen.extractor)
            if extractor.kind == "inception":
                raise RecipeError("training.objective: inception gives a loss no gradient.")
            distance = extractor.to(self.model.device).distance
        return objective_for(self.model, chosen, settings.gradient, distance)

    def at(self, epochs_done: float) -> None:
        """Makes the objective the one that is trained after that many epochs."""
        chosen = self.settings.objective
        if isinstance(chosen, IWAE) and chosen.warmup_epochs:
            now = chosen.after(epochs_done)
            if now != self.objective.settings:
                self.objective = build(now, self.settings.gradient)

    def forward(
        self, shown: Tensor, target: Tensor, noise: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The loss of a `Batch` at noise for each: its terms `(T,)`, in nats, and its statistics."""
        with torch.autocast(shown.device.type, torch.bfloat16, enabled=self.bf16):
            loss = self.objective.loss(self.model, Batch(shown, target), noise)
        if not torch.compiler.is_compiling():
            self._inspect(loss)
        return torch.stack(list(loss.terms.values())), tuple(loss.statistics.values())

    def total(self, terms: Tensor, factors: dict[str, float]) -> Tensor:
        """The loss to step on: the weighted sum of the terms, some weights times a warm-up's factor."""
        named = dict(zip(self.term_names, terms.unbind(), strict=True))
        return weighted_sum(named, self.weights, factors)

    def learn(self, learned: Tensor) -> None:
        """Gives the model a whole batch's statistics, one after the other in one vector."""
        sizes = [shape.numel() for shape in self.statistics.values()]
        named = zip(self.statistics.items(), learned.split(sizes), strict=True)
        self.model._learn({name: one.view(shape) for (name, shape), one in named})

    def _inspect(self, loss: Loss) -> None:
        """Notes the names of the terms of the first loss, which must be one that can be stepped on."""
        if not self.term_names:
            _check_loss(self.model, loss)
            self.term_names, self.weights = tuple(loss.terms), dict(loss.weights)
            self.statistics = {name: one.shape for name, one in loss.statistics.items()}

    def compiled(self, shown: Tensor, target: Tensor, noise: Tensor | None) -> nn.Module:
        """Itself, compiled. A copy's first loss, which is not compiled, gives the names of its terms."""
        with torch.random.fork_rng():
            uncompiled = copy.deepcopy(self)
            uncompiled(shown, target, noise)
        self.term_names, self.weights = uncompiled.term_names, uncompiled.weights
        self.statistics = uncompiled.statistics
        graphs = shown.device.type == "cuda" and self.once  # else a part would overwrite another's
        return torch.compile(self, mode="reduce-overhead" if graphs else None)  # pyright: ignore[reportReturnType]  # a module stays one


def _check_loss(model: Autoencoder, loss: object) -> None:
    """Raises PluginError for a first loss that cannot be stepped on."""
    what = families.title_of(model)
    if not isinstance(loss, Loss) or not (loss.per_example or loss.batch):
        raise PluginError(f"{what}: its loss is not a zoo.Loss with terms, but {str(loss)[:60]!r}.")
    for name, term in loss.per_example.items():
        if not isinstance(term, Tensor) or term.dim() != 1:
            raise PluginError(
                f"{what}: the term {name!r} of its loss is not a tensor with a value for each example, "
                "(N,). A scalar goes into Loss(batch={...})."
            )
    for name, term in loss.batch.items():
        if not isinstance(term, Tensor) or term.dim() != 0:
            raise PluginError(f"{what}: the term {name!r} of its loss is not a scalar tensor.")
    if not loss.per_example:
        log.warning("%s: its loss has no term per example, so it gives no scores.", what)
    if not loss.total.requires_grad:
        raise PluginError(f"{what}: its loss has no gradient.")


def warmup_factors(settings: TrainingSettings, epochs_done: float) -> dict[str, float]:
    """What each warming term's weight is multiplied by, after that many epochs."""
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
