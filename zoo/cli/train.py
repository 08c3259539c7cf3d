"""`zoo train`"""

from __future__ import annotations

import tomllib
from typing import Any

import click

from zoo.cli import complete
from zoo.cli.output import device_option, say
from zoo.runtime import processes
from zoo.training.tracking import TRACKERS


class _Train(click.Command):
    """A setting that is given as an option is told how settings are given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        from zoo.training.hints import ELSEWHERE, nearest
        from zoo.training.settings import TrainingSettings

        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as wrong:
            name = wrong.option_name.lstrip("-").partition("=")[0].replace("-", "_")
            first = name.partition(".")[0]
            fields = TrainingSettings.model_fields
            meant = name if "." in name or wrong.possibilities else nearest(name, fields)
            if meant in fields or first in (*fields, *ELSEWHERE, "model", "data"):
                meant = ELSEWHERE.get(name, meant)
                told = f"{wrong.message} Settings are KEY=VALUE: {meant}=..., after the recipe."
                raise click.UsageError(told, ctx) from None
            raise


@click.command(cls=_Train)
@click.argument("recipe", shell_complete=complete.recipes)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--out", type=click.Path(), help="The run's folder.  [default: runs/RECIPE]")
@click.option("--resume", is_flag=True, help="Continue a run that was stopped.")
@click.option(
    "--dry-run", is_flag=True, help="Check everything and print the recipe; train nothing."
)
@click.option("--track", type=click.Choice(TRACKERS), help="Show losses, speed and pictures there.")
@device_option
def train(
    recipe: str,
    overrides: tuple[str, ...],
    out: str | None,
    resume: bool,
    dry_run: bool,
    track: str | None,
    device: str,
) -> None:
    """Train a model by RECIPE: a name (`zoo list --recipes`) or a TOML file. Paths in it start at the
    working folder.

    Ctrl-C leaves the model so far and a checkpoint for --resume; so does SIGTERM, as schedulers send it.

    KEY=VALUE changes a setting: epochs=5, model.latent_dim=10, model.body.hidden='[512, 256]'.
    `zoo show recipe` explains them all. The weights depend on the number of threads too: set
    OMP_NUM_THREADS as the recipe says to get the published ones.
    """
    changes = dict(as_setting(text) for text in overrides)
    from zoo.cards.record import heading, lines_of
    from zoo.runtime.devices import find_device
    from zoo.training.recipe import load_recipe
    from zoo.training.run import plan, precision_warning
    from zoo.training.run import train as run_training

    if dry_run:
        resolved = load_recipe(recipe, changes)
        say(resolved.to_toml())
        say(plan(resolved))
        if said := precision_warning(resolved, find_device(device)):
            say(said)
        return
    run = run_training(
        recipe, out=out, overrides=changes, device=device, resume=resume, track=track
    )
    model = run.folder / "model"
    if run.interrupted:
        assert run.model.info is not None
        assert run.model.info.metrics is not None
        ended = run.model.info.metrics.training
        raise click.ClickException(
            f"interrupted after {ended.epochs} of {ended.max_epochs} epochs. "
            f"The model so far is {model}; --resume resumes it."
        )
    if not processes.is_first():
        return
    say(f"Trained: {model}")
    if run.metrics is not None:
        say(f"Measured on {heading(run.metrics)}:")
        for line in lines_of(run.metrics):
            say(line)
    else:
        say("Not measured: with overrides, choose on the validation split: add data.fit=train.")
    say(f"Load it with zoo.load({str(model) if model.is_absolute() else f'./{model}'!r}).")


def as_setting(text: str) -> tuple[str, Any]:
    """A key and its value, as TOML, from `KEY=VALUE`."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.UsageError(f"{text!r} is not KEY=VALUE, such as epochs=5.")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):  # not TOML, or a number or nesting without end: text
        return key.strip(), value.strip()
