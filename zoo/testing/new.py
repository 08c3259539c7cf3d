"""`zoo plugins new`: a small, complete package with a family of its own, to begin from.

The package is `template/`, as it stands there, under another name, with one of its two models.
"""

from __future__ import annotations

import re
from pathlib import Path

from zoo.errors import InputError
from zoo.io.files import write_atomically
from zoo.plugins import entry_points as plugins
from zoo.registry import families

TEMPLATE = Path(__file__).with_name("template")
VARIATIONAL = "variational_model.py"
"""What model.py is in a package whose family is a VAE."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_.][A-Za-z0-9]+)*")


def write_package(name: str, target: Path, variational: bool = False) -> list[Path]:
    """Writes the package's files below a new folder, and returns them.

    Args:
        name: of the distribution, such as `acme-vq`; its last word is the family's name.
        target: a folder that does not exist yet.
        variational: whether its family is a VAE; else it is a plain autoencoder.

    Raises:
        InputError: for a name that is no package's or is taken, or a folder that is there.
    """
    if not _NAME.fullmatch(name) or len(name) > 60:
        raise InputError(
            f"A package is named like acme-vq, in letters, digits and '-'; got {name!r}."
        )
    module = re.sub(r"[-.]", "_", name).lower()
    family = family_for(name)
    if family in families.list_families():
        raise InputError(f"A family {family!r} is already here. Choose another name.")
    if target.exists():
        raise InputError(f"{str(target)!r} is already there. Name another package, or --to FOLDER.")
    title = "".join(word.capitalize() for word in family.split("-"))
    words = {
        "acme-thing": plugins.canonical(name),
        "acme_thing": module,
        "ThingSpec": f"{title}Spec",
        "Thing": title,
        "thing": family,
    }
    files = sorted(p for p in TEMPLATE.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    written = []
    for path in files:
        if path.name == ("model.py" if variational else VARIATIONAL):
            continue
        relative = path.relative_to(TEMPLATE).as_posix().replace(VARIATIONAL, "model.py")
        relative = relative.replace("test_thing", f"test_{family.replace('-', '_')}")
        place = target / _renamed(relative, words)
        write_atomically(place, _renamed(path.read_text(encoding="utf-8"), words))
        written.append(place)
    return written


def family_for(name: str) -> str:
    """The family's name in a package of that name: its last word, or all of it."""
    whole = plugins.canonical(name)
    last = whole.rpartition("-")[2]
    return last if plugins.NAME.fullmatch(last) and last not in families.BUILT_IN else whole


def _renamed(text: str, words: dict[str, str]) -> str:
    """The text with each of the template's words replaced, where it stands as a word."""
    pattern = re.compile(
        r"(?<![A-Za-z0-9_])(" + "|".join(map(re.escape, words)) + r")(?![A-Za-z0-9_])"
    )
    return pattern.sub(lambda found: words[found.group()], text)
