"""What tells a split's images from others, for whoever resumes: nothing is read a second time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from zoo.data.images import Images
from zoo.data.stream import StreamedImages

Fingerprint = dict[str, int | str]
"""Plain JSON: `images`, how many; `pixels`, their sha256, where they are in memory; `files` where they
are streamed: a sha256 of which images of which files, by the files' names, sizes and times of change."""


def fingerprint(images: Images | StreamedImages) -> Fingerprint:
    """The fingerprint of a split. A Python object that is streamed has a count alone."""
    if isinstance(images, Images):
        return {"images": len(images), "pixels": images.sha256}
    told: Fingerprint = {"images": len(images)}
    if stamps := b"".join(map(_stamp, images.source.stored_in())):
        told["files"] = hashlib.sha256(images.numbers.tobytes() + stamps).hexdigest()
    return told


def difference(before: Mapping[str, object], now: Fingerprint) -> str:
    """What tells two fingerprints apart, as a clause; empty where nothing does."""
    told = {
        "images": f"{before.get('images')} images then and {now.get('images')} now",
        "pixels": "other pixels now than then",
        "files": "files that were replaced or changed since (by their names, sizes and times of "
        "change, which cp -p and rsync -a keep)",
    }
    shared = [name for name in told if name in before and name in now]
    return next((told[name] for name in shared if before[name] != now[name]), "")


def _stamp(path: str) -> bytes:
    """A file's name, size and time of change. An address names its revision itself."""
    name = os.fsencode(os.path.basename(path))
    if "://" in path:
        return os.fsencode(path)
    try:
        status = os.stat(path)
    except OSError:  # whoever reads it says what is wrong
        return name + b"\0\0"
    return name + f"\0{status.st_size}\0{status.st_mtime_ns}\0".encode()
