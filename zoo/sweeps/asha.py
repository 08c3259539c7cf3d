"""Trials that Ray Tune runs, and stops early by its own ASHA scheduler.

Ray is imported here: whoever imports this module has checked that it is installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from zoo.sweeps.cluster import LIVES, Done, begin_job, end_job, keep, needs
from zoo.sweeps.embedded import OnEnd
from zoo.sweeps.folder import SweepFolder
from zoo.sweeps.job import Job
from zoo.sweeps.outcome import Outcome, failed
from zoo.sweeps.plan import Trial

Work = tuple[Job, dict[str, bytes]]
"""A trial and the files that an earlier try of it left."""
WORST = 1e30
"""Validation loss of a trial that has none, in nats per image."""
QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is the sweep's
    "RAY_AIR_NEW_OUTPUT": "0",
}


def run_with_asha(folder: SweepFolder, trials: Sequence[Trial], on_end: OnEnd) -> None:
    """Runs trials, as many at a time as the cluster has room for; the worse ones are stopped early.

    After each epoch the validation loss is compared with those of other trials after as many. Which
    are stopped depends on who was first; the bits of those that finish do not.
    """
    asha = folder.plan.sweep.asha
    assert asha is not None
    resources = folder.plan.sweep.resources
    takes = needs(resources)
    most = max(trial.recipe.training.epochs for trial in trials)
    scheduler = ASHAScheduler(
        time_attr="epoch",
        grace_period=asha.grace,
        reduction_factor=asha.reduction,
        max_t=max(most, asha.grace)
        + 1,  # at its last epoch a trial ends, and is measured, by itself
    )
    for trial in trials:
        folder.begin(trial)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    shelf = ray.remote(num_cpus=0)(Shelf).options(scheduling_strategy=here).remote()
    os.environ.update(QUIET)
    jobs = [(Job.of(trial, resources), folder.take_files(trial)) for trial in trials]
    with tempfile.TemporaryDirectory() as scratch:
        tune.Tuner(
            tune.with_resources(
                tune.with_parameters(Trainable, jobs=jobs, shelf=shelf),
                {"cpu": takes["num_cpus"], "gpu": takes["num_gpus"]},
            ),
            param_space={"place": tune.grid_search(list(range(len(trials))))},
            tune_config=tune.TuneConfig(
                metric="validation_loss", mode="min", scheduler=scheduler, reuse_actors=False
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=scratch,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=LIVES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                callbacks=[_Ends(folder, trials, on_end, shelf)],
            ),
        ).fit()


class Shelf:
    """An actor beside the sweep: what trials give back outlives the nodes on which they ran."""

    def __init__(self) -> None:
        self.done: dict[int, Done] = {}

    def put(self, place: int, done: Done) -> None:
        """Keeps what a trial gave back."""
        self.done[place] = done

    def take(self, place: int) -> Done | None:
        """Gives it away, once; None for a trial that was stopped before its end."""
        return self.done.pop(place, None)


class Trainable(tune.Trainable):
    """A trial as Tune sees it: each step is an epoch of a process of its own."""

    def setup(  # pyright: ignore[reportIncompatibleMethodOverride]  # how with_parameters calls it
        self, config: dict[str, Any], jobs: Sequence[Work], shelf: Any
    ) -> None:
        self.place, self.shelf = config["place"], shelf
        self.job, files = jobs[self.place]
        self.epochs = self.job.sections["training"]["epochs"]
        self.last = {"epoch": 0, "validation_loss": WORST}
        self.scratch = tempfile.TemporaryDirectory()
        self.process = begin_job(self.job, files, Path(self.scratch.name), subprocess.PIPE)

    def step(self) -> dict[str, Any]:
        """The next epoch; the last one when the model is measured."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            self.last = (
                told if told["validation_loss"] is not None else {**told, "validation_loss": WORST}
            )
            if self.last["epoch"] < self.epochs:
                return dict(self.last)
        done = end_job(self.job, self.process, Path(self.scratch.name))
        ray.get(self.shelf.put.remote(self.place, done))
        return {**self.last, "done": True}

    def cleanup(self) -> None:
        """Ends a trial that was stopped."""
        self.process.kill()
        self.process.wait()
        self.scratch.cleanup()


class _Ends(tune.Callback):
    """Tells the sweep of every trial that ends, as it does."""

    def __init__(self, folder: SweepFolder, trials: Sequence[Trial], on_end: OnEnd, shelf) -> None:
        self.folder, self.trials, self.on_end, self.shelf = folder, trials, on_end, shelf

    def on_trial_complete(self, iteration: int, trials: list, trial, **info) -> None:
        place = trial.config["place"]
        done: Any = ray.get(self.shelf.take.remote(place))
        if done is not None:
            keep(self.folder, self.trials[place], done, self.on_end)
            return
        result = trial.last_result
        stopped = Outcome(
            state="stopped", epochs=result["epoch"], validation_loss=result["validation_loss"]
        )
        self.on_end(self.trials[place], stopped)

    def on_trial_error(self, iteration: int, trials: list, trial, **info) -> None:
        sentence = f"Ray gave it up after {LIVES} tries."
        self.on_end(self.trials[trial.config["place"]], failed(sentence))
