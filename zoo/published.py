"""Published models: name -> index line, folder, recipe. No torch here.

`registry/` and `recipes/` are data. They ship inside the wheel as `zoo/_registry` and
`zoo/_recipes`; a checkout reads them where they stand.
"""

from __future__ import annotations

import fnmatch
import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import UnknownNameError, did_you_mean

DISTRIBUTION = "autoencoder-zoo"


@dataclass(frozen=True)
class IndexLine:
    """What the registry's index, the root of trust for names, says of one model."""

    name: str
    family: str
    licence: str
    bytes: int
    """Size of model.safetensors."""
    config_sha256: str
    weights_sha256: str
    hub: str | None = None
    """`org/repo@commit` on the Hub, or None."""


def list_models(pattern: str = "*") -> list[str]:
    """Names of every published model, sorted. Reads the index and opens no folder."""
    return sorted(fnmatch.filter(index(), pattern))


def list_recipes() -> list[str]:
    """Names of every recipe that ships with the zoo, sorted."""
    return sorted(path.stem for path in _root("recipes").glob("*.toml"))


def line(name: str) -> IndexLine:
    """The index line of a published model. Raises UnknownNameError if there is none."""
    lines = index()
    if name not in lines:
        near = did_you_mean(name, lines)
        raise UnknownNameError(
            f"No model named {name!r}.{near} `zoo list` shows all {len(lines)}. "
            f"(A folder is written ./{name}.)"
        )
    return lines[name]


def folder(name: str) -> Path:
    """Where the folder of a published model is, or would be if it shipped with the zoo."""
    return _root("registry") / line(name).name


def recipe_path(name: str) -> Path:
    """The file of a recipe that ships with the zoo."""
    return _root("recipes") / f"{name}.toml"


@functools.cache
def index() -> dict[str, IndexLine]:
    """Every index line, by name."""
    path = _root("registry") / "index.toml"
    lines = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: IndexLine(name=name, **fields) for name, fields in lines.items()}


def registry_root() -> Path:
    """The folder that holds the index and a folder for each model that ships."""
    return _root("registry")


def _root(kind: str) -> Path:
    """The checkout's folder if this is our checkout, else the one packed into the wheel.

    An editable install leaves a packed copy behind that grows stale: it is never preferred.
    """
    package = Path(__file__).resolve().parent
    return package.parent / kind if _is_our_checkout(package.parent) else package / f"_{kind}"


@functools.cache
def _is_our_checkout(folder: Path) -> bool:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False
    return project.get("project", {}).get("name") == DISTRIBUTION
