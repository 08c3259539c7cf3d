"""`TrainingStep`, a module whose `forward` is the loss, and `AveragedWeights`."""

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
    """Computes the terms of a batch's loss; the unit that `torch.compile` compiles."""

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
        """Shapes of the loss's statistics, by name."""

    def _objective(self, settings: TrainingSettings) -> Objective:
        chosen = default_of(self.model) if settings.objective == "default" else settings.objective
        distance = None
        if isinstance(chosen, Pixels) and chosen.perceptual:
            extractor = find_extractor(chosen.extractor)
            if extractor.kind == "inception":
                raise RecipeError("training.objective: 'inception' provides no gradient.")
            distance = extractor.to(self.model.device).distance
        return objective_for(self.model, chosen, settings.gradient, distance)

    def at(self, epochs_done: float) -> None:
        """Sets the objective for the current epoch, given the number of finished epochs."""
        chosen = self.settings.objective
        if isinstance(chosen, IWAE) and chosen.warmup_epochs:
            now = chosen.after(epochs_done)
            if now != self.objective.settings:
                self.objective = build(now, self.settings.gradient)

    def forward(
        self, shown: Tensor, target: Tensor, noise: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The terms `(T,)` in nats and the statistics of a batch's loss at this noise."""
        with torch.autocast(shown.device.type, torch.bfloat16, enabled=self.bf16):
            loss = self.objective.loss(self.model, Batch(shown, target), noise)
        if not torch.compiler.is_compiling():
            self._record_names(loss)
        return torch.stack(list(loss.terms.values())), tuple(loss.statistics.values())

    def total(self, terms: Tensor, factors: dict[str, float]) -> Tensor:
        """The loss to minimize: the weighted sum of the terms, with warm-up factors."""
        named = dict(zip(self.term_names, terms.unbind(), strict=True))
        return weighted_sum(named, self.weights, factors)

    def learn(self, learned: Tensor) -> None:
        """Updates the model's buffers from a whole batch's statistics, concatenated in one vector."""
        sizes = [shape.numel() for shape in self.statistics.values()]
        named = zip(self.statistics.items(), learned.split(sizes), strict=True)
        self.model._learn({name: one.view(shape) for (name, shape), one in named})

    def _record_names(self, loss: Loss) -> None:
        """Checks the first loss and records the names of its terms."""
        if not self.term_names:
            _check_loss(self.model, loss)
            self.term_names, self.weights = tuple(loss.terms), dict(loss.weights)
            self.statistics = {name: one.shape for name, one in loss.statistics.items()}

    def compiled(self, shown: Tensor, target: Tensor, noise: Tensor | None) -> nn.Module:
        """The compiled module. An uncompiled copy first determines the names of the terms."""
        with torch.random.fork_rng():
            uncompiled = copy.deepcopy(self)
            uncompiled(shown, target, noise)
        self.term_names, self.weights = uncompiled.term_names, uncompiled.weights
        self.statistics = uncompiled.statistics
        graphs = shown.device.type == "cuda" and self.once  # else a part would overwrite another's
        return torch.compile(self, mode="reduce-overhead" if graphs else None)  # pyright: ignore[reportReturnType]  # a module stays one


def _check_loss(model: Autoencoder, loss: object) -> None:
    """Raises PluginError for an invalid loss."""
    what = families.title_of(model)
    if not isinstance(loss, Loss) or not (loss.per_example or loss.batch):
        raise PluginError(f"{what}: its loss is not a zoo.Loss with terms, but {str(loss)[:60]!r}.")
    for name, term in loss.per_example.items():
        if not isinstance(term, Tensor) or term.dim() != 1:
            raise PluginError(
                f"{what}: the term {name!r} of its loss is not a tensor with a value per example, "
                "(N,). Put scalars in Loss(batch={...})."
            )
    for name, term in loss.batch.items():
        if not isinstance(term, Tensor) or term.dim() != 0:
            raise PluginError(f"{what}: the term {name!r} of its loss is not a scalar tensor.")
    if not loss.per_example:
        log.warning("%s: its loss has no term per example, so it gives no scores.", what)
    if not loss.total.requires_grad:
        raise PluginError(f"{what}: its loss has no gradient.")


def warmup_factors(settings: TrainingSettings, epochs_done: float) -> dict[str, float]:
    """Factors of the weights of warmed-up terms, after that many epochs."""
    return {
        name: min(1.0, epochs_done / epochs) if epochs > 0 else 1.0
        for name, epochs in settings.term_warmup_epochs.items()
    }


class AveragedWeights:
    """An exponential moving average of a model's floating-point weights and buffers.

    The decay rises to the recipe's as (1 + n) / (10 + n) with steps n, so that the random initial
    weights are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.source = {k: v for k, v in model.state_dict().items() if v.is_floating_point()}
        self.average = {name: tensor.detach().clone() for name, tensor in self.source.items()}

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Updates the average after that many steps."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]  # as torch.optim.swa_utils
            list(self.average.values()), list(self.source.values()), 1 - decay
        )
