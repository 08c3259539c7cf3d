"""`zoo gallery`"""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.output import say


@click.command()
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), default=Path("gallery"), show_default=True,
    help="Folder.",
)  # fmt: skip
def gallery(out: Path) -> None:
    """Write a static site of all models here: cards, pictures, comparable numbers, a search.

    It needs no server and no script from elsewhere: open its index.html.
    """
    from zoo.gallery.site import write_gallery

    written, left_out = write_gallery(out)
    for sentence in left_out:
        say(sentence)
    say(f"{written}")
