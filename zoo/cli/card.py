"""`zoo card`"""

from __future__ import annotations

import click

from zoo.cli import complete
from zoo.cli.output import say


@click.command()
@click.argument("model", shell_complete=complete.models)
def card(model: str) -> None:
    """Print the card of a MODEL: what it is, its numbers, what it is for."""
    from zoo.cards.card import render_card
    from zoo.folder.config import read_info
    from zoo.hub.find import TO_SHOW, find

    found = find(model, TO_SHOW)
    info = read_info(found.folder, found.origin, found.line, found.files)
    say(render_card(info, found.hub.repo if found.hub and not found.line else None).rstrip())
