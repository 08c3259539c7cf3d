"""`run_sweep`: a plan -> a sweep's folder, with its trials and its table."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from zoo.errors import ZooError
from zoo.io.text import number
from zoo.sweeps.embedded import OnEnd, run_here
from zoo.sweeps.folder import SweepFolder, opened, read_outcomes
from zoo.sweeps.outcome import Outcome
from zoo.sweeps.plan import Plan, Trial
from zoo.sweeps.reach import find_cluster, keep_to_loopback
from zoo.sweeps.table import Row, rows
from zoo.training.recipe import Recipe


def run_sweep(
    plan: Plan,
    out: Path,
    *,
    processes: int | None = None,
    ray: str | None = None,
    say: Callable[[str], None] = print,
) -> list[Row]:
    """Runs the trials that have not ended in the sweep's folder; those that failed, again.

    Gives the rows of the table, as `zoo.sweeps.table.rows` does.

    Args:
        plan: the sweep.
        out: its folder: new or empty, or that of this very sweep.
        processes: how many at a time on this machine; None is one for each processor.
        ray: address of a Ray cluster to run them on instead.
        say: called with a line for every trial that ends.

    Raises:
        SourceError, RecipeError: for a folder that is in use or of something else, and for data
            that do not fit.
        ZooError: where Ray is asked for and not installed, or no cluster answers; when interrupted.
        DataError, OfflineError: for data that are missing or damaged on this machine.
    """
    check_system()
    with opened(plan, out) as folder:
        left = folder.left()
        folder.write_table()
        if len(left) < len(plan.trials):
            say(f"{len(plan.trials) - len(left)} of {len(plan.trials)} trials have ended already.")

        def on_end(trial: Trial, outcome: Outcome) -> None:
            folder.end(trial, outcome)
            say(line_of(plan, trial, outcome))

        if left:
            try:
                _run(folder, left, processes, ray, on_end, say)
            except KeyboardInterrupt:
                raise ZooError("Interrupted. The same command goes on from here.") from None
        return rows(plan, read_outcomes(plan, out))


def check_system() -> None:
    """Raises ZooError on Windows."""
    if os.name == "nt":
        raise ZooError(
            "zoo sweep does not run on Windows: it starts and ends processes as POSIX systems do. Use "
            "Linux, macOS or WSL."
        )


def _run(
    folder: SweepFolder,
    left: Sequence[Trial],
    processes: int | None,
    ray: str | None,
    on_end: OnEnd,
    say: Callable[[str], None],
) -> None:
    if ray is None:
        check_data(left)
        if folder.plan.sweep.resources.device == "cuda":
            from zoo.runtime.devices import find_device

            find_device("cuda")  # before any trial
        if folder.plan.sweep.asha:
            say("[asha] is for --ray: here every trial runs to its end.")
        run_here(folder, left, processes, on_end)
        return
    address = find_cluster(ray)
    if address is None:
        say("No Ray cluster runs here: starting one on this machine alone, until the sweep ends.")
        keep_to_loopback()
    try:
        if folder.plan.sweep.asha:
            from zoo.sweeps.asha import run_with_asha as run_there
        else:
            from zoo.sweeps.cluster import run_on_cluster as run_there
        from zoo.sweeps.cluster import connected
    except ImportError as broken:
        raise ZooError(
            f"--ray needs Ray, which cannot be imported here ({broken}): "
            "pip install 'autoencoder-zoo[ray]'"
        ) from None
    with connected(address, folder.plan.sweep.resources, say):
        run_there(folder, left, on_end)


def check_data(trials: Sequence[Trial]) -> str:
    """Reads the data of some trials; what the first of them would do, in a sentence.

    Raises RecipeError for data that do not fit, DataError and OfflineError as a training does.
    """
    from zoo.training.run import plan

    kinds: dict[tuple[str, tuple[int, ...]], Recipe] = {}  # by their data
    for trial in trials:
        recipe = trial.recipe
        kinds.setdefault((recipe.data.model_dump_json(), recipe.spec.input_shape), recipe)
    first, *_ = [plan(recipe) for recipe in kinds.values()]
    return first


def line_of(plan: Plan, trial: Trial, outcome: Outcome) -> str:
    """How a trial ended, for a person."""
    settings = ", ".join(f"{key} = {value}" for key, value in trial.settings.items())
    which = f"trial {trial.number} ({settings}{', ' * bool(settings)}seed = {trial.seed})"
    if outcome.state == "failed":
        return f"{which} failed: {outcome.error}"
    if outcome.state == "stopped":
        return f"{which}: stopped after {outcome.epochs} epochs"
    metric = plan.sweep.metric
    value, error = outcome.metrics.get(metric), outcome.metrics.get(f"{metric}_se")
    return f"{which}: {metric} {number(value, error)}"
