"""The license that a model card's front matter names."""

from __future__ import annotations

import re

LICENSE, DETAILS = "license", ("license_name", "license_link")
MAX_CHARACTERS = 500
_FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?\n)---", re.DOTALL)


def card_license(card: str | None) -> dict[str, str]:
    """The license fields of the front matter that are present.

    `license` is the Hub's id, such as `apache-2.0`, or several with commas; `license_name` and
    `license_link` accompany `other`. Nothing else in the front matter is parsed.
    """
    found = _FRONT_MATTER.match(card or "")
    text = found.group(1).replace("\r\n", "\n") if found else ""
    fields = {}
    for name in (LICENSE, *DETAILS):
        line = re.search(rf"^{name}:(.*\n(?:[ \t]*-[ \t].*\n)*)", text, re.MULTILINE)
        value = _plain_yaml(line.group(1)) if line else None
        if value:
            fields[name] = value.lower() if name == LICENSE else value
    return fields


def _plain_yaml(text: str) -> str | None:
    """A YAML string, or a list of strings joined by commas; None for anything else."""
    import yaml

    if len(text) > MAX_CHARACTERS or re.search(r"[&*!{]", text):
        return None
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return None
    parts = value if isinstance(value, list) else [value]
    return ", ".join(parts) if all(isinstance(part, str) for part in parts) else None
