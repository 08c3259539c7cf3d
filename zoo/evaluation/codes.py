"""The files of an encoding: codes, keys, numbers, and until they are whole a journal."""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import InputError
from zoo.evaluation.moments import Moments
from zoo.io.files import GrowingFile, read_regular, remove, write_atomically

MAX_JOURNAL_BYTES = 2**30


@dataclass(frozen=True)
class Done:
    """How far an encoding is."""

    images: int
    key_bytes: int
    moments: Moments
    pixels_sha256: str
    """Of the first batch: other images under the same name are told by it."""


class CodeFiles:
    """The codes `<target>`, a `.npy`; `<stem>.keys.jsonl`; `<stem>.json`; `<target>.journal`.

    What is written is first on the disk, then in the journal. At the end codes and keys, which grew
    as `.partial`, take their names, the codes last, and the journal goes.

    Args:
        target: ends in `.npy`.
        about: what is encoded, as plain JSON: `images`, `latent_shape`, and all that the codes
            depend on.

    Raises ZooError where nothing can be written.
    """

    def __init__(self, target: Path, about: dict[str, Any]) -> None:
        self.codes = GrowingFile(target)
        self.keys = GrowingFile(target.with_suffix(".keys.jsonl"))
        self.numbers = target.with_suffix(".json")
        self.journal = target.with_name(f"{target.name}.journal")
        self.about = about
        self.header = _npy_header((about["images"], *about["latent_shape"]))
        self.code_bytes = 4 * math.prod(about["latent_shape"])

    def noted(self) -> Done | None:
        """How far an encoding in this place is that was stopped; None where none was begun.

        Raises InputError if it is another one.
        """
        if not self.journal.exists():
            return None
        try:
            journal = json.loads(read_regular(self.journal, MAX_JOURNAL_BYTES, InputError))
            about, images, key_bytes = journal["about"], journal["images"], journal["key_bytes"]
            sums = (np.array(journal[name], np.float64) for name in ("mean", "squares"))
            moments = Moments(journal["count"], *sums)
            done = Done(images, key_bytes, moments, journal["pixels_sha256"])
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{str(self.journal)!r} is damaged: delete it to begin again."
            ) from None
        for name, value in self.about.items():
            if about.get(name) != value:
                raise self.another(f"its {name} is {about.get(name)!r}, not {value!r}")
        whole = images == self.about["images"]
        sizes = (self.codes, self._code_end(images)), (self.keys, key_bytes)
        there = all(one.has(size) or (whole and one.path.is_file()) for one, size in sizes)
        return done if there else None

    def another(self, why: str) -> InputError:
        """The error of an encoding of something else that was begun in this place."""
        return InputError(
            f"{str(self.codes.partial)!r} holds codes of an encoding that was stopped, and {why}. "
            f"Let that one end first, or delete {str(self.journal)!r} to begin again."
        )

    def open(self, done: Done | None) -> None:
        """Opens codes and keys to go on."""
        self.codes.open(self._code_end(done.images) if done else 0)
        self.keys.open(done.key_bytes if done else 0)
        if done is None:
            self.codes.append(self.header)

    def append(self, codes: np.ndarray, keys: list[str]) -> int:
        """Writes codes `(n, *latent_shape)` float32 and their keys. Gives the keys' bytes."""
        self.codes.append(np.ascontiguousarray(codes, "<f4").data.cast("B"))
        # a key may hold anything; escaped to ASCII even bytes of a path that are no UTF-8 survive
        lines = json.dumps(keys, separators=("\n", ":"))[1:-1].encode() + b"\n"
        self.keys.append(lines)
        return len(lines)

    def note(self, done: Done) -> None:
        """Makes sure that the disk has all of it, then says so in the journal."""
        self.codes.sync()
        self.keys.sync()
        journal = {
            "about": self.about,
            "images": done.images,
            "key_bytes": done.key_bytes,
            "count": done.moments.count,
            "mean": done.moments.mean.tolist(),
            "squares": done.moments.squares.tolist(),
            "pixels_sha256": done.pixels_sha256,
        }
        write_atomically(self.journal, json.dumps(journal) + "\n")

    def finish(self, done: Done) -> None:
        """Gives all files their names, once all is noted. Stopped in between, it can be called again."""
        numbers = {
            **self.about,
            "mean": done.moments.mean.tolist(),
            "std": done.moments.std.tolist(),
            "overall_std": done.moments.overall_std,
        }
        self.keys.take_its_place()
        write_atomically(self.numbers, json.dumps(numbers, indent=2) + "\n")
        self.codes.take_its_place()
        remove(self.journal)

    def close(self) -> None:
        """Writes nothing any more."""
        self.codes.close()
        self.keys.close()

    def discard(self) -> None:
        """Deletes codes and keys that are not whole."""
        self.codes.discard()
        self.keys.discard()

    def _code_end(self, images: int) -> int:
        return len(self.header) + images * self.code_bytes


def _npy_header(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    about = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, about)
    return file.getvalue()
