"""`zoo sweep`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli import complete
from zoo.cli.output import as_json, print_json, print_table, say
from zoo.io.text import number, printable
from zoo.runtime import processes as launched

if TYPE_CHECKING:
    from zoo.sweeps.plan import Plan
    from zoo.sweeps.table import Row


class _Sweep(click.Group):
    """A group whose default is to run a FILE."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, args) if args[0] in self.commands else (None, run, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[OPTIONS] FILE")
        formatter.write_usage(ctx.command_path, "show [--json] FOLDER")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        run.format_options(ctx, formatter)


@click.group("sweep", cls=_Sweep, context_settings={"ignore_unknown_options": True})
def sweep() -> None:
    """Train a recipe with many settings by FILE, a sweep.toml; show the table of a FOLDER.

    \b
      recipe = "vae-digits-8"          # a name, or a TOML file beside this one
      metric = "neg_elbo"              # of the validation split
      seeds = [0, 1]
      [overrides]                      # the same for all
      "data.fit" = "train"
      [grid]                           # all combinations
      "model.latent_dim" = [2, 4, 8]
      [random]                         # or draws, in place of [grid]
      trials = 20
      [random.settings]
      learning_rate = {low = 1e-4, high = 1e-2, log = true}
      [asha]                           # with --ray: stops the worse ones early
      grace = 2

      [resources]                      # of each trial; these are the defaults
      device = "cpu"                   # cuda: a GPU for each
      threads = 1

    A trial gives the same bits on any like machine. Rerun the same command to resume: what has
    finished stays, what failed is tried again.

    `--ray auto` joins the cluster that runs on this machine; where there is none, it starts a Ray
    that listens on loopback alone and ends with the sweep. A cluster listens to the network: whoever
    reaches its ports can run programs as you, unless it expects a token (RAY_AUTH_MODE=token). This
    command is a part of it while it runs.
    """


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="The sweep's folder.  [default: sweeps/FILE]"
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="Trials at a time.  [default: processors / threads, or GPUs]",
)
@click.option(
    "--ray", metavar="ADDRESS", help="Run on a Ray cluster: HOST:PORT, or auto, see above."
)
@click.option("--dry-run", is_flag=True, help="Check everything and list the trials; run none.")
def run(
    file: Path, out: Path | None, processes: int | None, ray: str | None, dry_run: bool
) -> None:
    """Train a recipe with many settings."""
    if ray is not None and processes is not None:
        raise click.UsageError("--processes is for this machine; a cluster has its own.")
    from zoo.io.files import with_home
    from zoo.sweeps.plan import load_plan
    from zoo.sweeps.plots import draw_plots
    from zoo.sweeps.run import check_data, run_sweep
    from zoo.sweeps.table import rows

    if launched.are_many():
        raise click.UsageError("zoo sweep starts processes itself: start it without a launcher.")
    plan = load_plan(file)
    if dry_run:
        _print_trials(plan, rows(plan, [None] * len(plan.trials)), ())
        say(f"Would run {len(plan.trials)} trials, and compare {plan.sweep.metric}. The first:")
        say(check_data(plan.trials))
        return

    target = with_home(out) if out is not None else Path("sweeps") / file.name.removesuffix(".toml")

    def tell(line: str) -> None:
        click.echo(printable(line), err=True)

    table = run_sweep(plan, target, processes=processes, ray=ray, say=tell)
    _print(plan, table, target)
    for path in (target / "sweep.csv", *draw_plots(plan, table, target / "plots", tell)):
        say(f"{path}")
    if all(row["state"] == "failed" for row in table):
        raise click.ClickException("every trial failed; see above.")


@sweep.command()
@click.argument("folder", type=click.Path(path_type=Path), shell_complete=complete.folders)
@as_json
def show(folder: Path, json_: bool) -> None:
    """Show the table of a sweep's FOLDER, the best trial first."""
    from zoo.errors import SourceError
    from zoo.io.files import with_home
    from zoo.sweeps.folder import SWEEP, read_outcomes
    from zoo.sweeps.plan import load_plan
    from zoo.sweeps.table import best_first, rows

    path = with_home(folder)
    if not (path / SWEEP).exists():
        raise SourceError(f"There is no sweep in {str(folder)!r}: it has no {SWEEP}.")
    plan = load_plan(path / SWEEP)
    table = rows(plan, read_outcomes(plan, path))
    if json_:
        print_json(best_first(plan, table))
    else:
        _print(plan, table, path)


def _print(plan: Plan, table: list[Row], folder: Path) -> None:
    from zoo.sweeps.folder import model_of
    from zoo.sweeps.noise import judged, sentences
    from zoo.sweeps.table import best_first

    metric = plan.sweep.metric
    others = (name for name in ("reconstruction", "kl", "mse") if name != metric)
    numbers = [
        metric,
        *(name for name in others if any(row.get(name) is not None for row in table)),
    ]
    found = judged(plan, table)
    alike = found.alike if found and found.others else ()
    marked = [{**row, "noise": "~" if row["trial"] in alike else ""} for row in table]
    columns = ("state", "epochs", metric, *["noise"] * bool(alike), *numbers[1:])
    _print_trials(plan, best_first(plan, marked), columns)
    if found:
        for line in sentences(plan, found):
            say(line)
        say(f"Its model: {model_of(folder, found.best['trial'])}")
    for row in table:
        if row["error"]:
            say(f"trial {row['trial']} failed: {row['error']}")


def _print_trials(plan: Plan, table: list[Row], columns: Sequence[str]) -> None:
    shown = ("trial", *plan.sweep.varied, "seed", *columns)
    print_table(shown, [[_cell(row, name) for name in shown] for row in table])


def _cell(row: Row, name: str) -> str:
    from zoo.specs.metrics import METRICS

    value: Any = row[name]
    if name in METRICS:
        return number(value, row.get(f"{name}_se"))
    return "-" if value is None else str(value)
