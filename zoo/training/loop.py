"""The training loop: images and a recipe -> weights."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.data import shown_in_training
from zoo.errors import RecipeError, TrainingError
from zoo.models import Autoencoder
from zoo.training.checkpoint import RunProgress, State, restore_checkpoint, save_checkpoint
from zoo.training.interrupt import interruptible
from zoo.training.recipe import Recipe
from zoo.training.step import (
    AveragedWeights,
    TrainingStep,
    build_optimiser,
    learning_rate,
    warmup_factors,
)

CHECKPOINT_SECONDS = 120.0
STEPS_PER_READ = 50
"""Steps between two looks at the losses: each look waits for the device."""


@dataclass(frozen=True)
class Update:
    """What the loop tells whoever shows its progress."""

    epoch: int
    epochs: int
    step: int
    steps_per_epoch: int
    terms: dict[str, float]
    """Means over this epoch's images so far, in nats per image."""
    validation: float | None = None
    """Loss on the validation split at an epoch's end, in nats per image, where it is measured."""
    ended: bool = False
    """Whether the epoch is over."""


def fit(
    model: Autoencoder,
    pixels: Tensor,
    recipe: Recipe,
    *,
    device: torch.device,
    checkpoint: Path,
    resume: bool,
    validate: Callable[[Autoencoder], float] | None,
    on_progress: Callable[[Update], None],
) -> tuple[RunProgress, bool]:
    """Trains a model in place; at the end it has the weights to be saved (average or best).

    Args:
        model: as built; moved to `device`.
        pixels: all training images, `(N, C, H, W)` uint8.
        recipe: the recipe; its data have been read and checked.
        device: where it computes.
        checkpoint: file that is written every few minutes, and read if `resume`.
        resume: continue from the checkpoint.
        validate: the loss of a model on the validation split, measured after every epoch.
        on_progress: called with an Update every few steps.

    Returns:
        Where it got to, and whether it was interrupted.

    Raises:
        TrainingError: when a loss is not finite.
        RecipeError: for a warm-up of a term that the loss does not have.
    """
    loop = _Loop(model, pixels, recipe, device, checkpoint, validate, on_progress)
    if resume:
        restore_checkpoint(checkpoint, loop.state)
    with interruptible() as interrupted:
        loop.run(interrupted)
    loop.put_final_weights()
    return loop.state.progress, interrupted.is_set()


class _Loop:
    def __init__(self, model, pixels, recipe, device, checkpoint, validate, on_progress) -> None:
        from accelerate import Accelerator

        self.settings = recipe.training
        self.protocol = recipe.data.protocol
        self.checkpoint, self.validate, self.on_progress = checkpoint, validate, on_progress
        self.device = device
        self.pixels = pixels.to(device)
        self.model = model.to(device=device, memory_format=torch.channels_last).train()
        try:
            self.accelerator = Accelerator(device_placement=False, mixed_precision="no")
        except ValueError as settled:  # its state is one for the whole program
            raise TrainingError(
                "This program has made an Accelerator with mixed precision already, and a recipe "
                "says its own: call zoo.train before that, or in a process of its own."
            ) from settled
        if self.accelerator.num_processes > 1:
            raise TrainingError("The zoo trains in one process. Start it without a launcher.")
        self.core = TrainingStep(model, self.settings)
        optimiser = build_optimiser(model, self.settings)
        self.step_module, self.optimiser = self.accelerator.prepare(self.core, optimiser)
        decay = self.settings.ema_decay
        average = AveragedWeights(model, decay) if decay != "off" else None
        self.state = State(model, optimiser, average, {}, device, RunProgress())
        self.steps_per_epoch = math.ceil(len(pixels) / self.settings.batch_size)
        self.last_save = time.monotonic()
        self.last_finite: dict[str, float] = {}

    def run(self, interrupted: threading.Event) -> None:
        """Epochs until the last, until there is no better one, or until interrupted."""
        progress = self.state.progress
        while progress.epoch < self.settings.epochs and not self._stopped_early():
            if not self._epoch(interrupted):
                save_checkpoint(self.checkpoint, self.state)
                return
            self._end_epoch()

    def _epoch(self, interrupted: threading.Event) -> bool:
        """The rest of one epoch; False if it was interrupted before its end."""
        progress = self.state.progress
        order = self._order(progress.epoch)
        while progress.step_in_epoch < self.steps_per_epoch:
            first, window = progress.steps, []
            while len(window) < STEPS_PER_READ and progress.step_in_epoch < self.steps_per_epoch:
                start = progress.step_in_epoch * self.settings.batch_size
                window.append(self._step(order[start : start + self.settings.batch_size]))
                if interrupted.is_set():
                    break
            self._read(first, window)
            if interrupted.is_set():
                return False
            if time.monotonic() - self.last_save > CHECKPOINT_SECONDS:
                save_checkpoint(self.checkpoint, self.state)
                self.last_save = time.monotonic()
        return True

    def _step(self, indices: Tensor) -> tuple[int, Tensor]:
        """One step of the optimiser; the number of images and the terms `(T,)`, still on the device."""
        progress, settings = self.state.progress, self.settings
        steps = settings.epochs * self.steps_per_epoch
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(settings, progress.steps, steps)
        shown = shown_in_training(self.pixels.index_select(0, indices), self.protocol)
        factors = warmup_factors(settings, progress.steps / self.steps_per_epoch)
        total, terms = self.step_module(shown, factors)
        self.optimiser.zero_grad()
        self.accelerator.backward(total)
        if settings.clip_norm != "off":
            self.accelerator.clip_grad_norm_(self.model.parameters(), settings.clip_norm)
        self.optimiser.step()
        progress.steps += 1
        progress.step_in_epoch += 1
        if self.state.average:
            self.state.average.update(progress.steps)
        return len(indices), terms

    def _read(self, first: int, window: list[tuple[int, Tensor]]) -> None:
        """Adds up the losses of the last steps, after a look that they are finite."""
        progress, names = self.state.progress, self.core.term_names
        unknown = set(self.settings.term_warmup_epochs) - set(names)
        if unknown:
            raise RecipeError(
                f"training.term_warmup_epochs names {', '.join(sorted(unknown))}; "
                f"the terms of this loss are {', '.join(names)}."
            )
        values = torch.stack([terms for _, terms in window]).double().cpu()  # (window, T)
        for offset, row in enumerate(values.tolist()):
            for name, value in zip(names, row, strict=True):
                if not math.isfinite(value):
                    self._not_finite(first + offset, name, value)
            self.last_finite = dict(zip(names, row, strict=True))
        counts = torch.tensor([count for count, _ in window], dtype=torch.float64)
        sums = (counts @ values).tolist()
        progress.sums = [
            a + b for a, b in zip(progress.sums or [0.0] * len(sums), sums, strict=True)
        ]
        progress.images += int(counts.sum())
        self.on_progress(self._report())

    def _not_finite(self, step: int, name: str, value: float) -> None:
        rate = learning_rate(self.settings, step, self.settings.epochs * self.steps_per_epoch)
        last = ", ".join(f"{k} {v:.4g}" for k, v in self.last_finite.items()) or "none"
        raise TrainingError(
            f"The loss is not finite: at step {step + 1} (learning rate {rate:.3g}) the term "
            f"{name!r} is {value}. Last finite terms: {last} nats. Try a lower learning_rate, a "
            "clip_norm, or a log_variance_bound."
        )

    def _means(self) -> dict[str, float]:
        progress = self.state.progress
        sums = zip(self.core.term_names, progress.sums, strict=True)
        return {name: total / max(1, progress.images) for name, total in sums}

    def _report(self, validation: float | None = None, ended: bool = False) -> Update:
        progress = self.state.progress
        return Update(
            epoch=progress.epoch + 1,
            epochs=self.settings.epochs,
            step=progress.step_in_epoch,
            steps_per_epoch=self.steps_per_epoch,
            terms=self._means(),
            validation=validation,
            ended=ended,
        )

    def _end_epoch(self) -> None:
        progress = self.state.progress
        validation = None if self.validate is None else self._validate(self.validate)
        record: dict[str, Any] = {
            "epoch": progress.epoch + 1,
            "steps": progress.steps,
            **self._means(),
        }
        if validation is not None:
            record["validation"] = validation
        self.on_progress(self._report(validation, ended=True))
        progress.history.append(record)
        progress.epoch += 1
        progress.step_in_epoch, progress.images, progress.sums = 0, 0, []

    def _validate(self, validate: Callable[[Autoencoder], float]) -> float:
        """The validation loss of the weights that would be saved now; the best ones are kept."""
        progress = self.state.progress
        with self._final_weights(), torch.random.fork_rng(devices=[]):
            self.model.eval()
            loss = validate(self.model)
            self.model.train()
            is_best = progress.best_loss is None or loss < progress.best_loss
            if self.settings.early_stopping != "off" and is_best:
                progress.best_loss, progress.best_epoch = loss, progress.epoch + 1
                weights = self.model.state_dict().items()
                self.state.best = {name: tensor.detach().clone() for name, tensor in weights}
        return loss

    def _stopped_early(self) -> bool:
        progress, patience = self.state.progress, self.settings.early_stopping
        return patience != "off" and progress.epoch - progress.best_epoch >= patience

    @contextmanager
    def _final_weights(self) -> Iterator[None]:
        """The model with its averaged weights, where there are any, for as long as it lasts."""
        if self.state.average is None:
            yield
            return
        trained = {name: t.detach().clone() for name, t in self.model.state_dict().items()}
        _copy_into(self.model, self.state.average.average)
        try:
            yield
        finally:
            _copy_into(self.model, trained)

    def put_final_weights(self) -> None:
        """Gives the model the weights that are to be saved: the best epoch's, or the average."""
        if self.state.best:
            _copy_into(self.model, self.state.best)
        elif self.state.average:
            _copy_into(self.model, self.state.average.average)
        self.model.to(memory_format=torch.contiguous_format).eval()

    def _order(self, epoch: int) -> Tensor:
        """All image numbers `(N,)` in this epoch's order, which depends on seed and epoch alone."""
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + epoch)
        return torch.randperm(len(self.pixels), generator=generator).to(self.device)


@torch.no_grad()
def _copy_into(model: Autoencoder, weights: dict[str, Tensor]) -> None:
    state = model.state_dict()
    for name, tensor in weights.items():
        state[name].copy_(tensor)
