"""The training loop."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.data import AnyExamples, Fingerprint, difference
from zoo.errors import TrainingError
from zoo.models import Autoencoder
from zoo.models.objectives import Objective
from zoo.runtime import processes
from zoo.training.batch import Stepper
from zoo.training.checkpoint import RunProgress, State, restore_checkpoint, save_checkpoint
from zoo.training.folder import History
from zoo.training.interrupt import interruptible
from zoo.training.parallel import check_alike
from zoo.training.recipe import Recipe
from zoo.training.settings import TrainingSettings
from zoo.training.step import AveragedWeights

log = logging.getLogger("zoo")

STEPS_PER_READ, SECONDS_PER_READ = 50, 10.0
"""Steps, or seconds if steps are slow, between two reads of the losses, each of which synchronizes with the device."""


@dataclass(frozen=True)
class Update:
    """Progress of a training, as passed to callbacks."""

    epoch: int
    epochs: int
    step: int
    steps_per_epoch: int
    terms: dict[str, float]
    """Means over this epoch's examples so far, in nats per example."""
    validation: float | None = None
    """Validation loss at the end of an epoch, in nats per example, if it is measured."""
    ended: bool = False
    """Whether the epoch is over."""


def fit(
    model: Autoencoder,
    images: AnyExamples,
    recipe: Recipe,
    *,
    device: torch.device,
    checkpoint: Path,
    resume: bool,
    validate: Callable[[Autoencoder, Objective], float] | None,
    on_progress: Callable[[Update], None],
    on_epoch: Callable[[Autoencoder], None] | None = None,
    history: History | None = None,
    data: Mapping[str, Fingerprint] | None = None,
) -> tuple[RunProgress, bool]:
    """Trains a model in place; it ends with the weights to save (last, averaged or best).

    Args:
        model: a newly built model; moved to `device`.
        images: the training examples.
        recipe: the recipe; its data have been opened and checked.
        device: device to train on.
        checkpoint: path of the checkpoint, written at the start and then every few minutes.
        resume: resume from the checkpoint.
        validate: computes the validation loss of a model by an objective, after every epoch.
        on_progress: called with an Update every few steps.
        on_epoch: called after every epoch with the model in eval mode, with the weights to save.
        history: file of each epoch's losses.
        data: fingerprint of each split; must match the checkpoint's.

    Returns:
        The progress, and whether the training was interrupted.

    Raises:
        TrainingError: if a loss is not finite, or a run is resumed with other data.
        RecipeError: for a warm-up of an unknown term.
    """
    loop = _Loop(model, images, recipe, device, checkpoint, validate, on_progress, on_epoch)
    loop.history = history if processes.is_first() else None
    loop.begin(resume, data or {})
    with interruptible() as interrupted:
        stopped = loop.run(interrupted)
    check_alike(model)
    loop.put_final_weights()
    return loop.state.progress, stopped


class _Loop:
    def __init__(
        self, model, images, recipe, device, checkpoint, validate, on_progress, on_epoch
    ) -> None:
        self.settings: TrainingSettings = recipe.training
        self.checkpoint, self.validate = checkpoint, validate
        self.on_progress, self.on_epoch = on_progress, on_epoch
        self.device = device
        self.images: AnyExamples = images.to(device) if model.spec.domain.is_image else images
        self.model = _channels_last(model.to(device)).train()
        self.stepper = Stepper(model, recipe, len(images), device)
        self.steps_per_epoch = self.stepper.steps_per_epoch
        decay = self.settings.ema_decay
        average = AveragedWeights(model, decay) if decay != "off" else None
        generator, optimizer = self.stepper.draws.generator, self.stepper.optimizer
        self.state = State(model, optimizer, average, {}, generator, device, RunProgress())
        self.last_save = time.monotonic()
        self.last_finite: dict[str, float] = {}
        self.history: History | None = None

    def begin(self, resume: bool, data: Mapping[str, Fingerprint]) -> None:
        """Restores the checkpoint, or writes the first one."""
        if resume:
            self._restore(data)
        else:
            self.state.progress.data = dict(data)
            save_checkpoint(self.checkpoint, self.state)
        if self.history is not None:
            self.history.begin(self.state.progress.history)

    def _restore(self, data: Mapping[str, Fingerprint]) -> None:
        """Restores the checkpoint, which may be of another number of processes."""
        restore_checkpoint(self.checkpoint, self.state)
        for split, before in self.state.progress.data.items():
            if change := difference(before, data[split]):
                raise TrainingError(
                    f"The {split} {self.images.domain.nouns} of {self.images.dataset} have changed since this run was "
                    f"started: {change}. Restore them to resume, or start a new run with another --out."
                )
        before, now = self.state.progress.processes, processes.count()
        if before != now and self.settings.exact_shards == "off":
            log.warning(
                "Resuming a %d-process run on %d: results will not be bitwise identical. "
                "exact_shards would keep them so.",
                before,
                now,
            )

    def run(self, interrupted: threading.Event) -> bool:
        """Trains until the last epoch or early stopping; returns whether it was interrupted."""
        progress = self.state.progress
        progress.processes = processes.count()
        while progress.epoch < self.settings.epochs and not self._stopped_early():
            if not self._epoch(interrupted):
                save_checkpoint(self.checkpoint, self.state)
                return True
            self._end_epoch()
        return False

    def _epoch(self, interrupted: threading.Event) -> bool:
        """The rest of one epoch; False if it was interrupted before its end."""
        progress = self.state.progress
        reads_freely = self.device.type == "cpu"  # elsewhere reading synchronizes with the device
        by_time = (
            reads_freely or not processes.are_many()
        )  # all processes must read at the same step
        with closing(self._batches()) as batches:  # ends its workers here
            while progress.step_in_epoch < self.steps_per_epoch:
                first, window, is_full = progress.steps, [], False
                due = time.monotonic() + SECONDS_PER_READ
                while progress.step_in_epoch < self.steps_per_epoch and not is_full:
                    window.append(self._step(*next(batches), self._flags(interrupted)))
                    is_full = (
                        len(window) == STEPS_PER_READ
                        or (by_time and time.monotonic() > due)
                        or (reads_freely and any(self._agreed(window, interrupted)))
                    )
                self._read(first, window)
                stop, save = self._agreed(window, interrupted)
                if stop:
                    return False
                if save:
                    save_checkpoint(self.checkpoint, self.state)
                    self.last_save = time.monotonic()
        return True

    def _flags(self, interrupted: threading.Event) -> list[float]:
        """This process's requests to stop and to write a checkpoint, each 0 or 1."""
        due = time.monotonic() - self.last_save > 60 * self.settings.checkpoint_minutes
        return [float(interrupted.is_set()), float(due and processes.is_first())]

    def _agreed(self, window: list[tuple[int, Tensor]], interrupted: threading.Event) -> list[bool]:
        """Whether any process requested to stop, and to write a checkpoint, at the last step."""
        is_single = not processes.are_many()
        flags = self._flags(interrupted) if is_single else window[-1][1][-2:].tolist()
        return [flag > 0 for flag in flags]

    def _batches(self) -> Generator[tuple[Tensor, Tensor], None, None]:
        """This process's examples of each remaining batch of the epoch, `(n, *input_shape)`, and their numbers."""
        seed, progress = self.settings.seed, self.state.progress
        order = self.images.order(seed, progress.epoch)
        left = order.split(self.settings.batch_size)[progress.step_in_epoch :]
        share = self.stepper.share
        mine = [torch.cat([batch[rows] for rows, _ in share.rows(len(batch))]) for batch in left]
        with closing(self.images.read(mine, seed * 1_000_003 + progress.epoch)) as batches:
            yield from zip(batches, mine, strict=True)

    def _step(self, pixels: Tensor, numbers: Tensor, flags: list[float]) -> tuple[int, Tensor]:
        """One step; returns the batch size, and its terms and summed flags, on the device."""
        progress, batch_size = self.state.progress, self.settings.batch_size
        size = min(batch_size, len(self.images) - progress.step_in_epoch * batch_size)
        metrics = self.stepper.step(pixels, numbers, size, progress.steps, flags)
        progress.steps += 1
        progress.step_in_epoch += 1
        if self.state.average:
            self.state.average.update(progress.steps)
        return size, metrics

    def _read(self, first: int, window: list[tuple[int, Tensor]]) -> None:
        """Checks that the losses of the last steps are finite, and accumulates them."""
        progress, names = self.state.progress, self.stepper.core.term_names
        rows = torch.stack([metrics for _, metrics in window]).cpu().double()  # (window, T + 2)
        values = rows[:, : len(names)]
        for offset, row in enumerate(values.tolist()):
            for name, value in zip(names, row, strict=True):
                if not math.isfinite(value):
                    self._not_finite(first + offset, name, value)
            self.last_finite = dict(zip(names, row, strict=True))
        progress.terms, progress.sums = list(names), progress.sums or [0.0] * len(names)
        # one by one: sums must not depend on windows
        for (count, _), row in zip(window, values.tolist(), strict=True):
            progress.sums = [a + count * b for a, b in zip(progress.sums, row, strict=True)]
            progress.images += count
        self.on_progress(self._report())

    def _not_finite(self, step: int, name: str, value: float) -> None:
        rate = self.stepper.rate(step)
        last = ", ".join(f"{k} {v:.4g}" for k, v in self.last_finite.items()) or "none"
        raise TrainingError(
            f"The loss is not finite: at step {step + 1} (learning rate {rate:.3g}) the term "
            f"{name!r} is {value}. Last finite terms: {last} nats. Try a lower learning_rate, longer "
            "warmup_steps, a clip_norm, or a log_variance_bound."
        )

    def _means(self) -> dict[str, float]:
        progress = self.state.progress
        sums = zip(progress.terms, progress.sums, strict=True)
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
            "terms": self._means(),
        }
        if validation is not None:  # JSON has no NaN
            record["validation_loss"] = validation if math.isfinite(validation) else None
        self.on_progress(self._report(validation, ended=True))
        if self.on_epoch is not None:
            with self._as_saved():
                self.on_epoch(self.model)
        progress.history.append(record)
        if self.history is not None:
            self.history.append(record)
        progress.epoch += 1
        progress.step_in_epoch, progress.images, progress.sums = 0, 0, []

    def _validate(self, validate: Callable[[Autoencoder, Objective], float]) -> float:
        """The validation loss of the weights to save; with early stopping, keeps the best ones."""
        progress = self.state.progress
        with self._as_saved():
            loss = validate(self.model, self.stepper.core.objective)
            best = math.inf if progress.best_loss is None else progress.best_loss
            is_best = math.isfinite(loss) and loss < best
            if not math.isfinite(loss) and processes.is_first():
                log.warning("The validation loss after epoch %d is %s.", progress.epoch + 1, loss)
            if self.settings.early_stopping != "off" and is_best:
                progress.best_loss, progress.best_epoch = loss, progress.epoch + 1
                weights = self.model.state_dict().items()
                self.state.best = {name: tensor.detach().clone() for name, tensor in weights}
        return loss

    def _stopped_early(self) -> bool:
        progress, patience = self.state.progress, self.settings.early_stopping
        return patience != "off" and progress.epoch - progress.best_epoch >= patience

    @contextmanager
    def _as_saved(self) -> Iterator[None]:
        """Temporarily puts the model in eval mode, with the weights to save."""
        with self._final_weights(), torch.random.fork_rng(devices=[]):
            self.model.eval()
            yield
            self.model.train()

    @contextmanager
    def _final_weights(self) -> Iterator[None]:
        """Temporarily loads the averaged weights, if any."""
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
        """Loads the weights to save: those of the best epoch, or the average."""
        if self.state.best:
            _copy_into(self.model, self.state.best)
        elif self.state.average:
            _copy_into(self.model, self.state.average.average)
        self.model.to(memory_format=torch.contiguous_format).eval()


def _channels_last(model: Autoencoder) -> Autoencoder:
    """The model with its 4-D tensors in channels-last layout, for fast convolutions."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.to(memory_format=torch.channels_last)
    return model


@torch.no_grad()
def _copy_into(model: Autoencoder, weights: dict[str, Tensor]) -> None:
    state = model.state_dict()
    for name, tensor in weights.items():
        state[name].copy_(tensor)
