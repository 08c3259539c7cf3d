"""`zoo card`"""

from __future__ import annotations

import click

from zoo.cli.output import say


@click.command()
@click.argument("model")
def card(model: str) -> None:
    """Print the card of a MODEL: what it is, its numbers, what it is for."""
    from zoo import hub
    from zoo.card import render_card
    from zoo.folder import read_info

    found = hub.find(model, hub.TO_SHOW)
    info = read_info(found.folder, found.origin, found.licence, found.files)
    say(render_card(info, found.hub.repo if found.hub and not found.line else None).rstrip())
