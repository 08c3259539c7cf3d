"""A card as HTML: Markdown only. HTML in it is escaped, and pictures are replaced by their alt text."""

from __future__ import annotations

import html
import re
from dataclasses import replace

from zoo.cards.card import body_of, render_card
from zoo.specs.info import ModelInfo


def card_html(info: ModelInfo) -> str:
    """HTML of a card's body without its pictures; nothing in it runs or is loaded from elsewhere."""
    from markdown_it import MarkdownIt

    card = re.sub("^<!--.*-->$", "", render_card(replace(info, folder=None)), flags=re.MULTILINE)
    rules = MarkdownIt("commonmark", {"html": False}).enable("table")
    rules.add_render_rule("image", lambda _, tokens, at, *rest: html.escape(tokens[at].content))
    return rules.render(body_of(card))
