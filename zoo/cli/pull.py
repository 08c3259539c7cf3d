"""`zoo pull`"""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli import complete
from zoo.cli.output import say


@click.command()
@click.argument("model", shell_complete=complete.models)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    help="Folder to write copies to: new, empty, or a model's.  [default: the Hub's cache]",
)
@click.option("--revision", help="A branch, a tag or a commit.  [default: main]")
@click.option("--offline", is_flag=True, help="Stay off the network.")
def pull(model: str, to: Path | None, revision: str | None, offline: bool) -> None:
    """Fetch a MODEL's whole folder: weights, card, recipe, numbers, pictures.

    A token for a private repo is read from `hf auth login` or HF_TOKEN.
    """
    import zoo

    say(f"{zoo.pull(model, to=to, revision=revision, offline=offline)}")
