"""`Stepper`: one optimizer step per batch, computed in parts by all processes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.data import shifted, shown_in_training
from zoo.data.corruptions import corrupted_by_number
from zoo.errors import RecipeError, TrainingError
from zoo.models import Autoencoder, Batch
from zoo.runtime import processes
from zoo.specs.protocols import Protocol
from zoo.training.optimizer import build_optimizer, learning_rate
from zoo.training.parallel import Draws, Share, Summation
from zoo.training.recipe import Recipe
from zoo.training.step import TrainingStep, warmup_factors


class Stepper:
    """Optimizer steps of a training: loss, gradient of the whole batch, update."""

    def __init__(
        self, model: Autoencoder, recipe: Recipe, images: int, device: torch.device
    ) -> None:
        self.model, self.settings = model, recipe.training
        self.protocol: Protocol = recipe.data.protocol
        self.device = device
        self.core = TrainingStep(model, self.settings)
        why = self.core.objective.settings.coupling()
        if why and processes.are_many():
            raise TrainingError(
                f"The launcher started {processes.count()} processes, but {why}, so splitting it changes "
                "the loss: train this recipe in one process."
            )
        self.share = Share(self.settings, images)
        self.sum = Summation(model, self.settings.exact_shards != "off")
        self.module: nn.Module | None = None if self.settings.compile else self.core
        self.draws = Draws(self.settings, device, self._noise)
        self.optimizer = build_optimizer(model, self.settings)
        self.steps_per_epoch = -(-images // self.settings.batch_size)
        self.steps = self.settings.epochs * self.steps_per_epoch
        self.checks_buffers = self.sum.is_needed

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 0."""
        return learning_rate(self.settings, step, self.steps)

    def step(
        self, pixels: Tensor, numbers: Tensor, size: int, step: int, flags: list[float]
    ) -> Tensor:
        """One step on a batch of `size` examples.

        Args:
            pixels: this process's examples of it, `(n, *input_shape)`: uint8 images, or real values.
            numbers: of these examples in their split, `(n,)`, from which corruptions are drawn.
            size: size of the whole batch.
            step: number of finished steps.
            flags: numbers that are summed over all parts and processes.

        Returns:
            The batch's terms, in nats per example, followed by the summed flags: `(T + F,)`.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(step)
        epochs_done = step / self.steps_per_epoch
        factors = warmup_factors(self.settings, epochs_done)
        self.core.at(epochs_done)
        moves = self.draws.moves(size, (1 - step / self.steps) ** 2)
        drawn, noise = self.draws.batch(size, pixels.shape[1:], self.protocol)
        before = self._buffers() if self.checks_buffers else {}
        self.optimizer.zero_grad()
        if self.model.spec.domain.is_image:  # real values are moved when they are standardized
            pixels = pixels.to(self.device, non_blocking=True)
        parts = self.share.rows(size)
        counts = [rows.stop - rows.start for rows, _ in parts]
        levels, places = pixels.split(counts), numbers.split(counts)
        own_flags, metrics = torch.tensor(flags, device=self.device), None
        for (rows, weight), own, place in zip(parts, levels, places, strict=True):
            if moves is not None:
                own = shifted(own, moves[rows])
            shown = shown_in_training(own, self.protocol, drawn if drawn is None else drawn[rows])
            target = self.model.standardized(shown)
            seen = self._corrupted(shown, place, step) if self.settings.corruption else target
            batch = Batch(seen, target)
            computed = self._backward(
                batch, noise if noise is None else noise[rows], factors, weight
            )
            part = torch.cat([computed * weight, own_flags])
            if self.sum.is_exact:
                self.sum.end_part(part)
            else:
                metrics = part if metrics is None else metrics + part
        if metrics is not None and self.sum.is_needed:
            self.sum.end_part(metrics)
        if metrics is None or self.sum.is_needed:
            metrics = self.sum.end_batch()
        if self.settings.clip_norm != "off":
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        if self.checks_buffers:
            self._check_buffers(before)
        count, end = len(self.core.term_names), len(metrics) - len(flags)
        if self.core.statistics:
            self.core.learn(metrics[count:end])
        return torch.cat([metrics[:count], metrics[end:]])

    def _corrupted(self, shown: Tensor, numbers: Tensor, step: int) -> Tensor:
        """What the model encodes of examples, by their numbers."""
        corruption, seed = self.settings.corruption, self.settings.seed
        epoch = step // self.steps_per_epoch + 1
        seen = corrupted_by_number(shown, corruption, numbers.tolist(), seed, epoch)
        return self.model.standardized(seen)

    def _backward(
        self, batch: Batch, noise: Tensor | None, factors: dict[str, float], weight: float
    ) -> Tensor:
        """Accumulates a part's gradient; returns its terms and statistics `(T + S,)`, on the device."""
        if self.module is None:
            self.module = self.core.compiled(batch.input, batch.target, noise)
        terms, statistics = self.module(batch.input, batch.target, noise)
        self._check_warmups()
        (self.core.total(terms, factors) * weight).backward()
        return torch.cat([terms.detach(), *(one.detach().flatten() for one in statistics)])

    def _noise(self, size: int, generator: torch.Generator) -> Tensor | None:
        """The random numbers of a batch's loss, one row per example."""
        return self.core.objective.noise(self.model, self.model.latent_shape, size, generator)

    def _buffers(self) -> dict[str, Tensor]:
        return {name: buffer.clone() for name, buffer in self.model.named_buffers()}

    def _check_buffers(self, before: dict[str, Tensor]) -> None:
        """Raises TrainingError if the first step changed buffers, which are not synchronized."""
        now = self._buffers()
        changed = [name for name, old in before.items() if not torch.equal(now[name], old)]
        if changed:
            raise TrainingError(
                f"Training changes the buffers {', '.join(changed)} of this family, which are not "
                "synchronized: train it in one process, with exact_shards = 'off'."
            )
        self.checks_buffers = False

    def _check_warmups(self) -> None:
        names = self.core.term_names
        if unknown := set(self.settings.term_warmup_epochs) - set(names):
            raise RecipeError(
                f"training.term_warmup_epochs names {', '.join(sorted(unknown))}; "
                f"the terms of this loss are {', '.join(names)}."
            )
