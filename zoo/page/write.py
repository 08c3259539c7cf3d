"""A model -> a folder with a page that runs it in the browser, from a disk or from any web server."""

from __future__ import annotations

import base64
import html
import json
import lzma
import math
import os
from importlib import resources
from pathlib import Path
from typing import Any

from zoo.cards.markdown import card_html
from zoo.data import AnyExamples
from zoo.errors import InputError
from zoo.io.files import check_holds_only, staged, with_home, write_atomically
from zoo.io.text import printable
from zoo.models import Autoencoder
from zoo.page.contents import contents, packed
from zoo.page.read import CONTENTS, END, FILES, START, sha256_in
from zoo.registry import published
from zoo.registry.families import title_of

STATIC, RUNTIME = (resources.files("zoo.page") / part for part in ("static", "runtime"))


def write_page(
    model: Autoencoder,
    images: AnyExamples | None,
    split: str,
    folder: str | Path,
    umap: bool = False,
) -> Path:
    """Writes the page of a model: `index.html` and what it needs, which asks no other server for anything.

    Args:
        model: any model.
        images: of the size that it takes; the first are on the page's map. None leaves it out.
        split: what they are called, such as `test`.
        folder: new, empty, or one with such a page, which is replaced.
        umap: the map is laid out by UMAP, which umap-learn has, not by principal components.

    Returns:
        The page, `index.html`.

    Raises:
        InputError: for a folder that holds something else, or without what this needs.
        ExportError: for a model that cannot be exported, with the operator that is in the way.
    """
    target = with_home(folder)
    _check_is_free(target, model)
    about = contents(model, images, split, umap)
    about |= {"source": _public(model), "sha256": _sha256(model)}
    files = still_files(model) | {CONTENTS: START + json.dumps(about) + END}
    with staged(target) as stage:
        for name, content in files.items():
            write_atomically(stage / name, content)
    return target / "index.html"


def _check_is_free(folder: Path, model: Autoencoder) -> None:
    """Raises InputError for a folder that holds something else than a page of this model."""
    check_holds_only(folder, FILES, "page")
    is_empty = not os.path.isdir(folder) or not os.listdir(folder)
    if not is_empty and (sha256_in(folder) or "") != _sha256(model):
        raise InputError(
            f"{str(folder)!r} holds the page of another model, or none that can be read. Name a new "
            "or empty folder."
        )


def still_files(model: Autoencoder) -> dict[str, str]:
    """All of a page that does not depend on images."""
    shape = " x ".join(map(str, model.spec.input_shape))
    return {
        "index.html": _index(
            title=_public(model) or title_of(model),
            summary=f"{title_of(model).capitalize()}: images of {shape} (channels, height, width), "
            f"codes of {math.prod(model.latent_shape)} numbers.",
            card=card_html(model.info) if model.info else "<p>There is no card.</p>",
        ),
        **common_files(),
    }


def common_files() -> dict[str, str]:
    """What is the same in every page."""
    return {"runtime.js": _runtime(), "licenses.txt": _licenses()}


def _public(model: Autoencoder) -> str | None:
    """A published name, or where on the Hub it is; None for another model."""
    origin = model.info.origin if model.info else ""
    return printable(origin) if origin.startswith("hf://") or published.known(origin) else None


def _sha256(model: Autoencoder) -> str | None:
    return model.info.sha256 if model.info else None


def _index(**texts: str) -> str:
    """index.html: the modules go into its import map, for a browser reads no module from a disk."""
    modules = {
        f"zoo/{file.name.removesuffix('.js')}": _as_url(file.read_bytes())
        for file in sorted(STATIC.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".js")
    }
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    filled = {
        "title": html.escape(texts["title"]),
        "summary": html.escape(texts["summary"]),
        "style": (STATIC / "style.css").read_text(encoding="utf-8"),
        "importmap": json.dumps({"imports": modules}),
        "card": texts["card"],
    }
    before, *parts = page.split("{{")  # at once, so that no text is taken for a place
    return before + "".join(
        filled[name] + after for name, _, after in (part.partition("}}") for part in parts)
    )


def _as_url(module: bytes) -> str:
    return f"data:text/javascript;base64,{base64.b64encode(module).decode()}"


def _runtime() -> str:
    held: dict[str, Any] = {
        "module": base64.b64encode((RUNTIME / "ort.wasm.bundle.min.mjs").read_bytes()).decode(),
        "wasm": packed(lzma.decompress((RUNTIME / "ort-wasm-simd-threaded.wasm.xz").read_bytes())),
    }
    return f"globalThis.zooRuntime = {json.dumps(held)};\n"


def _licenses() -> str:
    own = (RUNTIME / "LICENSE").read_text(encoding="utf-8")
    others = lzma.decompress((RUNTIME / "ThirdPartyNotices.txt.xz").read_bytes()).decode()
    return f"runtime.js holds onnxruntime-web 1.30.0.\n\n{own}\n{others}"
