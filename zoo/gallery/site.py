"""Registries -> a static site: a page for each model and each dataset, and one of all."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from markupsafe import Markup

from zoo.cards import FIGURES
from zoo.cards.markdown import card_html
from zoo.errors import InputError, ZooError
from zoo.folder import layout
from zoo.folder.config import read_info
from zoo.gallery.pages import (
    GENERATOR,
    Shown,
    dataset_page,
    dataset_path,
    index_page,
    model_page,
)
from zoo.io.files import check_holds_only, read_regular, staged, with_home, write_atomically
from zoo.registry import published

OURS = ("index.html", "site.css", "models", "datasets", "figures")
MOST_BYTES = 50_000_000
"""Of an index.html."""
MOST_PIXELS = 20_000_000
"""Of a picture: more are left out."""


def write_gallery(folder: str | Path) -> tuple[Path, list[str]]:
    """Writes a site of all published models at hand, the zoo's and installed packages'.

    Args:
        folder: new, empty, or one with such a site, which is replaced.

    Returns:
        Its `index.html`, and a sentence for each model that is not in it.

    Raises:
        InputError: for a folder that holds something else.
    """
    target = with_home(folder)
    _check_is_free(target)
    files: dict[str, bytes] = {}
    models, left_out = [], []
    for name in published.list_models():
        try:
            models.append(_shown(name, files))
        except ZooError as wrong:
            left_out.append(f"{name} is left out: {wrong}")
    datasets = sorted({one.dataset for model in models for one in model.measured if one.dataset})
    files["index.html"] = index_page(models, datasets).encode()
    files |= {model.path: model_page(model).encode() for model in models}
    files |= {dataset_path(name): dataset_page(name, models).encode() for name in datasets}
    files["site.css"] = _style()
    with staged(target) as stage:
        for name, content in files.items():
            write_atomically(stage / name, content)
    return target / "index.html", left_out


def _check_is_free(folder: Path) -> None:
    """Raises InputError for a folder that holds something else than a gallery."""
    check_holds_only(folder, OURS, "gallery")
    if not os.path.isdir(folder) or not os.listdir(folder):
        return
    try:
        is_ours = GENERATOR.encode() in read_regular(folder / "index.html", MOST_BYTES)[:1000]
    except ZooError:
        is_ours = False
    if not is_ours:
        raise InputError(
            f"{str(folder)!r} is not empty, and its index.html is not a gallery's. Name a new or "
            "empty folder."
        )


def _shown(name: str, files: dict[str, bytes]) -> Shown:
    """A model, whose pictures are added to the site's files."""
    line = published.line(name)
    info = read_info(line.folder, name, line)
    figures = {}
    for picture in _pictures(line.folder):
        path = f"figures/{name}/{picture.name}"
        if data := _drawn_again(picture):
            figures[picture.stem], files[path] = path, data
    return Shown(name, info, figures, Markup(card_html(info)))  # its Markdown alone


def _pictures(folder: Path) -> Iterable[Path]:
    order = ("samples", "reconstructions", "traversals")
    found = [folder / name for name in layout.files_of(folder) if name.startswith(FIGURES)]
    return sorted(
        found, key=lambda path: order.index(path.stem) if path.stem in order else len(order)
    )


def _drawn_again(picture: Path) -> bytes | None:
    """A picture's pixels as a new PNG, without whatever else its file holds; None if it is none."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(read_regular(picture, layout.MAX_FIGURE_BYTES))) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            plain = image.convert("RGB" if image.mode not in ("L", "RGB") else image.mode)
    except (OSError, ValueError, ZooError, Image.DecompressionBombError):
        return None
    buffer = io.BytesIO()
    plain.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _style() -> bytes:
    shared = resources.files("zoo.bench").joinpath("page.css").read_bytes()
    return shared + resources.files("zoo.gallery").joinpath("site.css").read_bytes()
