"""A page's folder -> its files, and what its script is given. Nothing of it is trusted."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

from zoo.errors import WeightsError, ZooError
from zoo.io.files import read_regular

CONTENTS = "model.js"
START, END = "globalThis.zooPage = ", ";\n"
"""What stands around the JSON in it."""
FILES = ("index.html", CONTENTS, "runtime.js", "licenses.txt")
MOST_BYTES = 500_000_000
"""Of a file of a page, and of what it unpacks to."""


def is_page(folder: Path) -> bool:
    """Whether a folder looks like a page, and not like a model."""
    return (folder / CONTENTS).is_file() and not (folder / "config.json").exists()


def read_page(folder: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of a page, and what its script is given. Raises WeightsError where they are not whole."""
    try:
        files = {name: read_regular(folder / name, MOST_BYTES) for name in FILES}
        return files, _held(files[CONTENTS])
    except (ZooError, ValueError, RecursionError, AttributeError) as wrong:
        raise WeightsError(str(wrong)) from None


def sha256_in(folder: Path) -> object:
    """Which weights the page in a folder is of; None where it holds no page that can be read."""
    try:
        return _held(read_regular(folder / CONTENTS, MOST_BYTES))["sha256"]
    except (ZooError, ValueError, RecursionError, AttributeError):
        return None


def _held(script: bytes) -> dict[str, Any]:
    text = script.decode()
    if not (text.startswith(START) and text.endswith(END)):
        raise ValueError(f"{CONTENTS} holds something else than data")
    held = json.loads(text[len(START) : -len(END)])
    if not held.keys() >= {"source", "sha256", "networks", "images"}:
        raise ValueError(f"{CONTENTS} lacks what a page has")
    return held


def unpacked(text: str) -> bytes:
    """The bytes behind base64 and gzip. Raises WeightsError for too many, and for damage."""
    unzip = zlib.decompressobj(wbits=31)
    try:
        data = unzip.decompress(base64.b64decode(text, validate=True), MOST_BYTES)
    except (zlib.error, ValueError) as damage:
        raise WeightsError(f"A network of it does not unpack: {damage}.") from None
    if not unzip.eof:
        raise WeightsError("A network of it ends too early, or unpacks to more than one has.")
    return data
