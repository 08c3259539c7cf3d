"""A card as HTML: its Markdown alone. Markup in it is text, and of a picture its caption is left."""

from __future__ import annotations

import html


def card_html(card: str) -> str:
    """HTML of a card's body, of which nothing runs and nothing is loaded from elsewhere."""
    from markdown_it import MarkdownIt

    body = card.split("\n---\n", 1)[1] if card.startswith("---\n") else card
    rules = MarkdownIt("commonmark", {"html": False}).enable("table")
    rules.add_render_rule("image", lambda _, tokens, at, *rest: html.escape(tokens[at].content))
    return rules.render(body)
