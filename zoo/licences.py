"""The licence that a model card's front matter names."""

from __future__ import annotations

import re

LICENCE, DETAILS = "license", ("license_name", "license_link")


def card_licence(card: str | None) -> dict[str, str]:
    """The fields of the front matter that are about the licence, as far as there are any.

    `license` is the Hub's id, such as `apache-2.0`; `license_name` and `license_link` stand beside
    `other`.
    """
    import yaml

    found = re.match(r"\ufeff?---[ \t]*\r?\n(.*?\n)---", card or "", re.DOTALL)
    try:
        fields = yaml.safe_load(found.group(1)) if found else None
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    if not isinstance(fields, dict):
        return {}
    if isinstance(fields.get(LICENCE), list) and fields[LICENCE]:
        fields[LICENCE] = fields[LICENCE][0]
    said = {name: fields[name] for name in (LICENCE, *DETAILS) if isinstance(fields.get(name), str)}
    if LICENCE in said:
        said[LICENCE] = said[LICENCE].lower()
    return said
