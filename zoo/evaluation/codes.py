"""The files of an encoding: codes, keys, numbers, and until they are whole a journal."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.moments import Moments
from zoo.errors import InputError, WeightsError, ZooError
from zoo.io.files import GrowingFile, read_regular, remove, write_atomically

MAX_JOURNAL_BYTES = 2**30
MEASURED = ("fingerprint", "mean", "std", "overall_std")
ENDS = ("", ".partial", ".journal")


@dataclass(frozen=True)
class Done:
    """How far an encoding is."""

    images: int
    key_bytes: int
    moments: Moments
    fingerprint: str
    """Of these images: others under the same names are told by it."""


class CodeFiles:
    """The codes `<target>`, a `.npy`; `<stem>.keys.jsonl`; `<stem>.json`; `<target>.journal`.

    What is written is first on the disk, then in the journal. At the end codes and keys, which grew
    as `.partial`, take their names, the codes last, and the journal goes.

    Args:
        target: ends in `.npy`.
        about: what is encoded, as plain JSON: `n_examples`, `latent_shape`, and all that the codes
            depend on.

    Raises ZooError where nothing can be written.
    """

    def __init__(self, target: Path, about: dict[str, Any]) -> None:
        self.codes = GrowingFile(target)
        self.keys = GrowingFile(target.with_suffix(".keys.jsonl"))
        self.numbers = target.with_suffix(".json")
        self.journal = target.with_name(f"{target.name}.journal")
        self.about = about
        self.count = about["n_examples"]
        self.header = _npy_header((about["n_examples"], *about["latent_shape"]))
        self.code_bytes = 4 * math.prod(about["latent_shape"])

    def ended(self, overwrite: bool = False) -> str | None:
        """The fingerprint of what is encoded here already; None where that may be written.

        Raises InputError for files that no encoding wrote; and for codes of something else, unless
        those are to be overwritten.
        """
        there = [p for p in (self.numbers, self.keys.path, self.codes.path) if os.path.lexists(p)]
        numbers = self._numbers_here()
        if there and numbers is None and not (overwrite and there == [self.codes.path]):
            raise InputError(
                f"{str(there[0])!r} is there already, and no encoding wrote it: it would be "
                f"replaced. Choose another name than {str(self.codes.path)!r} for the codes."
            )
        if numbers is None or overwrite:
            return None
        for name, value in self.about.items():
            if numbers[name] != value:
                raise self.other(f"its {name} is {numbers[name]!r}, not {value!r}")
        whole = len(there) == 3 and self.codes.path.stat().st_size == self._code_end(self.count)
        return numbers["fingerprint"] if whole else None

    def noted(self, overwrite: bool = False) -> Done | None:
        """How far an encoding in this place is that was stopped; None where none was begun.

        Raises InputError if it is another one, unless that is to be overwritten.
        """
        try:
            journal = json.loads(read_regular(self.journal, MAX_JOURNAL_BYTES))
            about, images, key_bytes = journal["about"], journal["images"], journal["key_bytes"]
            sums = (np.array(journal[name], np.float64) for name in ("mean", "squares"))
            moments = Moments(journal["count"], *sums)
            done = Done(images, key_bytes, moments, journal["fingerprint"])
            others = [name for name, value in self.about.items() if about[name] != value]
        except (ValueError, KeyError, TypeError, WeightsError):
            if overwrite or not self.journal.exists():
                return None
            raise InputError(
                f"{str(self.journal)!r} is damaged: begin again with --overwrite."
            ) from None
        if others and not overwrite:
            name = others[0]
            raise self.stopped(f"its {name} is {about[name]!r}, not {self.about[name]!r}")
        sizes = (self.codes, self._code_end(images)), (self.keys, key_bytes)
        whole = images == self.count
        there = all(one.has(size) or (whole and one.path.is_file()) for one, size in sizes)
        return done if there and not others else None

    def is_begun(self) -> bool:
        """Whether an encoding in this place was stopped."""
        return self.journal.exists()

    def other(self, why: str) -> InputError:
        """The error of codes of something else."""
        return InputError(
            f"{str(self.codes.path)!r} holds codes of something else: {why}. Choose another name, "
            "or replace them with --overwrite."
        )

    def stopped(self, why: str) -> InputError:
        """The error of an encoding of something else that was begun in this place."""
        return InputError(
            f"{str(self.codes.partial)!r} holds codes of an encoding that was stopped, and {why}. "
            "Let that one end first, or begin again with --overwrite."
        )

    def _numbers_here(self) -> dict[str, Any] | None:
        """What an encoding that ended here says of itself; None where none did."""
        try:
            numbers = json.loads(read_regular(self.numbers, MAX_JOURNAL_BYTES))
        except (ValueError, WeightsError):
            return None
        wanted = {*self.about, *MEASURED}
        return numbers if isinstance(numbers, dict) and wanted <= numbers.keys() else None

    def open(self, done: Done | None) -> None:
        """Opens codes and keys to go on."""
        if done is None:
            remove(self.journal)  # it may be another encoding's, which is overwritten
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
            "fingerprint": done.fingerprint,
        }
        write_atomically(self.journal, json.dumps(journal) + "\n")

    def finish(self, done: Done) -> None:
        """Gives all files their names, once all is noted. Stopped in between, it can be called again.

        Raises ZooError where another program has changed what was written.
        """
        for file, size in (self.codes, self._code_end(done.images)), (self.keys, done.key_bytes):
            if file.partial.exists() and file.partial.stat().st_size != size:
                raise ZooError(
                    f"{str(file.partial)!r} has {file.partial.stat().st_size:,} bytes and should "
                    f"have {size:,}: another program wrote there. Delete it, and run this again."
                )
        moments = done.moments
        of_codes = (moments.mean.tolist(), moments.std.tolist(), moments.overall_std)
        measured = (done.fingerprint, *of_codes)
        numbers = {**self.about, **dict(zip(MEASURED, measured, strict=True))}
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


def places(target: Path) -> list[Path]:
    """All files that an encoding writes, the temporary ones too."""
    named = (target, target.with_suffix(".keys.jsonl"), target.with_suffix(".json"))
    return [path.with_name(path.name + end) for path in named for end in ENDS]


def check_apart(outputs: Iterable[Path], inputs: Iterable[str]) -> None:
    """Raises InputError where a file that is read would be replaced by one that is written."""
    written = {_identity(path): path for path in outputs}
    written.pop(None, None)
    for path in inputs if written else ():
        if output := written.get(_identity(path)):
            raise InputError(
                f"{str(output)!r} would replace a file that is read. Choose another name."
            )


def _identity(path: str | Path) -> tuple[int, int] | None:
    """Of the file that is there, under whatever name."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _npy_header(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    about = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, about)
    return file.getvalue()
