"""`track`: logs scalars and, after each epoch, pictures to a tracker of Accelerate."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError, TrainingError, did_you_mean
from zoo.io.files import write_atomically
from zoo.plugins.guards import cause
from zoo.registry import families
from zoo.runtime import processes

if TYPE_CHECKING:
    import numpy as np

    from zoo.data import AnyExamples
    from zoo.models import Autoencoder
    from zoo.training.loop import Update
    from zoo.training.recipe import Recipe

# torch is imported locally: the command line lists the trackers without it.

TRACKERS = ("tensorboard", "wandb", "trackio")
PROJECT, FOLDER, IDENTITY = "autoencoder-zoo", "tracking", "wandb.txt"
SHOWN = 16
"""Number of reconstructions and of samples logged per epoch."""


def check_tracker(name: str | None) -> None:
    """Raises InputError for an unknown tracker, TrainingError for one that is not installed."""
    if name is None:
        return
    if name not in TRACKERS:
        known = ", ".join(TRACKERS)
        raise InputError(f"No tracker {name!r}.{did_you_mean(name, TRACKERS)} Trackers: {known}.")
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:  # a mere folder of that name, as wandb leaves one
        raise TrainingError(f"--track {name} needs {name}: pip install 'autoencoder-zoo[{name}]'")


@contextmanager
def tracked(
    name: str | None, recipe: Recipe, folder: Path, images: int, held_out: AnyExamples, resume: bool
) -> Iterator[Tracking | None]:
    """The logger of a training in the first process; None elsewhere and without a tracker.

    Args:
        name: one of `TRACKERS`, or None.
        recipe: the recipe, logged as the run's config.
        folder: the run's folder, whose name becomes the run's name.
        images: number of training examples.
        held_out: held-out examples, the first of which are logged as pictures.
        resume: resume the tracker's run.

    Raises TrainingError, in every process, if the tracker cannot start.
    """
    if name is None:
        yield None
        return
    started: list[Tracking] = []

    def start() -> None:
        pixels = held_out.first(SHOWN)
        started.append(Tracking(_started(name, recipe, folder, resume), recipe, images, pixels))

    processes.from_first(start)
    try:
        yield started[0] if started else None
    finally:
        for tracking in started:
            with contextlib.redirect_stdout(sys.stderr):
                tracking.tracker.finish()


def _started(name: str, recipe: Recipe, folder: Path, resume: bool) -> Any:
    """Accelerate's tracker, started. TensorBoard writes to the run's folder, others to their own."""
    from accelerate import tracking

    processes.state()  # required by Accelerate's trackers
    called = {"name": folder.name, "config": recipe.sections()}
    known = folder / FOLDER / IDENTITY
    tracker: Any
    if name == "tensorboard":
        tracker = tracking.TensorBoardTracker(FOLDER, folder)
    elif name == "trackio":
        called |= {"resume": "allow" if resume else "never", "embed": False}
        tracker = tracking.TrackioTracker(PROJECT, **called)
    else:
        if resume and known.exists():
            called |= {"resume": "allow", "id": known.read_text()}
        tracker = tracking.WandBTracker(PROJECT, **called)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            tracker.start()
    except Exception as refused:
        raise TrainingError(f"--track {name}: failed to start ({cause(refused)}).") from refused
    if name == "tensorboard":
        tracker.log({"recipe": f"```toml\n{recipe.to_toml()}```"}, step=0)
    elif name == "wandb":
        write_atomically(known, tracker.tracker.id)
    return tracker


class Tracking:
    """Callbacks of the training loop that log to a tracker."""

    def __init__(self, tracker: Any, recipe: Recipe, images: int, pixels: Any) -> None:
        self.tracker, self.settings = tracker, recipe.training
        self.images, self.pixels = images, pixels
        self.step = 0
        self.since: tuple[float, int] | None = None
        """Start of the timing interval and the examples seen by then; None before the first update."""

    def on_update(self, update: Update) -> None:
        """Logs the epoch's mean loss terms, the learning rate and the throughput.

        Losses are in nats per example. Throughput is in examples per second of training, excluding
        the first steps and everything between epochs.
        """
        from zoo.training.optimizer import learning_rate

        per_epoch = update.steps_per_epoch
        self.step = (update.epoch - 1) * per_epoch + update.step
        in_epoch = min(update.step * self.settings.batch_size, self.images)
        now = time.monotonic(), (update.epoch - 1) * self.images + in_epoch
        values = {} if update.validation is None else {"loss/validation": update.validation}
        if not update.ended:
            values = {f"loss/{term}": value for term, value in update.terms.items()}
            values["learning_rate"] = learning_rate(
                self.settings, self.step - 1, update.epochs * per_epoch
            )
            if self.since is not None:
                seconds, done = (a - b for a, b in zip(now, self.since, strict=True))
                values["images_per_second"] = done / max(seconds, 1e-9)
        if values:
            self.tracker.log(values, step=self.step)
        self.since = time.monotonic(), now[1]

    def on_epoch(self, model: Autoencoder) -> None:
        """Logs pictures of a model in eval mode. Leaves torch's global generators unchanged."""
        from zoo.evaluation.figures import draw_reconstructions, draw_samples
        from zoo.models import VariationalAutoencoder
        from zoo.runtime.devices import fork_rng

        with fork_rng(model.device), families.guarded(model, "failed to be drawn"):
            pictures = {"reconstructions": draw_reconstructions(model, self.pixels)}
            if isinstance(model, VariationalAutoencoder):
                pictures["samples"] = draw_samples(model, SHOWN)
        self._show({name: _levels(picture) for name, picture in pictures.items()})
        assert self.since is not None
        self.since = time.monotonic(), self.since[1]

    def _show(self, pictures: dict[str, np.ndarray]) -> None:
        if self.tracker.name == "trackio":  # Accelerate shows it no images
            import trackio  # pyright: ignore[reportMissingImports]  # an extra, which holds pillow back

            shown = {name: trackio.Image(levels) for name, levels in pictures.items()}
            self.tracker.log(shown, step=self.step)
            return
        layout = {"dataformats": "NHWC"} if self.tracker.name == "tensorboard" else {}
        stacked = {name: levels[None] for name, levels in pictures.items()}
        self.tracker.log_images(stacked, step=self.step, **layout)


def _levels(picture: bytes) -> np.ndarray:
    """A PNG's values, `(H, W, 3)` uint8."""
    import numpy as np
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
