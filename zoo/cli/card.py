"""`zoo card`"""

from __future__ import annotations

import click

from zoo.cli.output import say


@click.command()
@click.argument("model")
def card(model: str) -> None:
    """Print the card of a MODEL: what it is, its numbers, what it is for."""
    from zoo import sources
    from zoo.card import render_card
    from zoo.folder import read_info

    found = sources.find(model)
    say(render_card(read_info(found.folder, found.origin, found.licence)).rstrip())
