"""Images from a column of parquet files, local or on the Hugging Face Hub; remote files are not stored."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.sources.base import Source
from zoo.data.sources.image_files import decode
from zoo.errors import DataError, did_you_mean
from zoo.io.files import open_regular
from zoo.specs.data import FOUND

if TYPE_CHECKING:
    from PIL.Image import Image

REMOTE = "hf://"
CACHED_BYTES = 128 * 2**20
"""Encoded images that a process caches; at least two row groups."""
MAX_GROUP_BYTES = 2**30
PIECE = 64
"""Rows to read at a time."""
FOOTER_THREADS = 16
"""Files on the Hub whose footers are read concurrently."""


class Parquet(Source):
    """Images of one column. Row groups are read whole, and the last few are cached."""

    def __init__(self, paths: Sequence[str], column: str) -> None:
        self.files = list(paths)
        with ThreadPool(FOOTER_THREADS if self.files[0].startswith(REMOTE) else 1) as pool:
            found = pool.map(lambda path: _columns_of(path, column), self.files)
        self.columns = [one for one, _ in found]
        self.groups = [
            (file, group) for file, (_, sizes) in enumerate(found) for group in range(len(sizes))
        ]
        rows, stored = (
            np.array([size for _, sizes in found for size in sizes], np.int64).reshape(-1, 2).T
        )
        self.starts = np.concatenate([[0], np.cumsum(rows)])
        self.shards = self.starts[:-1]
        self.together = max(1, CACHED_BYTES // 3 * len(self) // max(1, int(stored.sum())))
        self.whole = self.together
        self._forget()

    def __getstate__(self) -> dict:
        return {**self.__dict__, "process": 0, "opened": {}, "kept": OrderedDict(), "refused": {}}

    def __len__(self) -> int:
        return int(self.starts[-1])

    def key(self, number: int) -> str:
        file, row = self._place(number)
        return f"{Path(self.files[file]).stem}/{row}" if len(self.files) > 1 else str(row)

    def title(self, number: int) -> str:
        file, row = self._place(number)
        return f"row {row} of {self.files[file]!r}"

    def paths(self, first: int, count: int) -> list[str]:
        return self.files[self._place(first)[0] : self._place(first + count - 1)[0] + 1]

    def split_keys(self) -> Iterator[str]:
        """sha256 of each encoded image, which reads all of them. A row without one has its number as key."""
        for number in range(len(self)):
            stored = self._stored(number)
            yield str(number) if stored is None else hashlib.sha256(stored).hexdigest()

    def read(self, number: int) -> Image:
        if (stored := self._stored(number)) is None:
            group = int(np.searchsorted(self.starts, number, side="right")) - 1
            raise DataError(f"{self.title(number)} holds no image in {self._column(group)!r}.")
        return decode(io.BytesIO(stored), self.title(number))

    def _stored(self, number: int) -> bytes | None:
        group = int(np.searchsorted(self.starts, number, side="right")) - 1
        return self._group(group)[number - int(self.starts[group])].as_py()

    def _place(self, number: int) -> tuple[int, int]:
        """The file of an image and its row in it."""
        group = int(np.searchsorted(self.starts, number, side="right")) - 1
        file, of_file = self.groups[group]
        return file, number - int(self.starts[group - of_file])

    def _column(self, group: int) -> str:
        return self.columns[self.groups[group][0]]

    def _group(self, group: int) -> Any:
        """The encoded images of a row group, as a pyarrow chunked array."""
        if self.process != os.getpid():
            self._forget()
        if group in self.refused:
            raise DataError(self.refused[group])
        if group not in self.kept:
            kept = self.kept.values()
            while len(kept) > 1 and sum(one.nbytes for one in kept) > CACHED_BYTES:
                self.kept.popitem(last=False)
            if sum(one.nbytes for one in kept) > MAX_GROUP_BYTES // 2:
                self.kept.clear()  # with the next group it could exceed MAX_GROUP_BYTES
            try:
                self.kept[group] = self._read_group(group)
            except DataError as refusal:
                self.refused[group] = str(refusal)
                raise
        self.kept.move_to_end(group)
        return self.kept[group]

    def _read_group(self, group: int) -> Any:
        import pyarrow

        file, of_file = self.groups[group]
        column = self._column(group)
        try:
            if file not in self.opened:
                self.opened[file] = _opened(self.files[file])
            pieces = self.opened[file].iter_batches(
                PIECE, row_groups=[of_file], columns=[column], use_threads=False
            )
            kept, size = [], 0
            for piece in pieces:  # dictionary-encoded data may expand beyond the footer's size
                column = piece.column(0)
                is_struct = pyarrow.types.is_struct(column.type)
                kept.append(column.field("bytes") if is_struct else column)
                size += piece.nbytes
                if size > MAX_GROUP_BYTES:
                    raise DataError(_too_large(self.files[file], size))
            read = pyarrow.chunked_array(kept)  # chunked: a single array would be a copy
        except DataError:
            raise
        except Exception as failure:  # pyarrow, fsspec and the Hub raise arbitrary errors
            raise DataError(_unreadable(self.files[file], failure)) from None
        if len(read) != self.starts[group + 1] - self.starts[group]:
            raise DataError(f"{self.files[file]!r} is damaged: row group {of_file} is cut short.")
        return read

    def _forget(self) -> None:
        """Clears the cache: open files must not be shared with the parent process."""
        self.process = os.getpid()
        self.opened: dict[int, Any] = {}
        self.kept: OrderedDict[int, Any] = OrderedDict()
        self.refused: dict[int, str] = {}
        """Errors of unreadable row groups, cached because rereading them for each row takes minutes."""


def read_parquet(parts: Mapping[str, Sequence[Path | str]], column: str) -> dict[str, Source]:
    """The images of parquet files by part. Raises DataError."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise DataError(
            "Reading parquet files needs an extra: pip install 'autoencoder-zoo[datasets]'."
        ) from None
    return {part: Parquet([str(path) for path in some], column) for part, some in parts.items()}


def _opened(path: str) -> Any:
    """An open pyarrow `ParquetFile`."""
    from pyarrow.parquet import ParquetFile

    if path.startswith(REMOTE):
        from huggingface_hub import HfFileSystem

        return ParquetFile(HfFileSystem().open(path, "rb", cache_type="none"))
    with open_regular(Path(path), DataError):
        return ParquetFile(path)


def _columns_of(path: str, column: str) -> tuple[str, list[tuple[int, int]]]:
    """The image column of a file, and rows and bytes of each row group."""
    try:
        file = _opened(path)
        schema, footer = file.schema_arrow, file.metadata
    except DataError:
        raise
    except Exception as failure:  # as in _read_group
        raise DataError(_unreadable(path, failure)) from None
    column = _image_column(schema, column, path)
    sizes = []
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        chunks = [group.column(i) for i in range(group.num_columns)]
        of_images = [c for c in chunks if c.path_in_schema.split(".")[0] == column]
        sizes.append((group.num_rows, sum(chunk.total_uncompressed_size for chunk in of_images)))
        if sizes[-1][1] > MAX_GROUP_BYTES:
            raise DataError(_too_large(path, sizes[-1][1]))
    file.close()
    return column, sizes


def _image_column(schema: Any, wanted: str, path: str) -> str:
    """The name of the image column: the wanted one, or the only one that can hold images."""
    import pyarrow

    names = [field.name for field in schema if _can_hold_images(pyarrow.types, field.type)]
    if wanted != FOUND:
        if wanted in names:
            return wanted
        why = f"is {schema.field(wanted).type}" if wanted in schema.names else "does not exist"
        near = did_you_mean(wanted, names)
        raise DataError(f"The column {wanted!r} of {path!r} {why}.{near} {_listed(names)}")
    try:  # only a hint: other content is ignored
        metadata = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = metadata.get("info", {}).get("features", {})
        images = [name for name in names if features.get(name, {}).get("_type") == "Image"]
    except (ValueError, AttributeError):
        images = []
    structs = [name for name in names if pyarrow.types.is_struct(schema.field(name).type)]
    best = images or structs or names
    if len(best) == 1:
        return best[0]
    if not best:
        columns = [f"{field.name} ({str(field.type)[:40]})" for field in schema][:8]
        raise DataError(
            f"No column of {path!r} holds images, as binary (encoded PNG, JPEG, ...) or as a struct with "
            f"such bytes: it has {', '.join(columns)}."
        )
    raise DataError(f"{path!r} has several image columns. {_listed(best)}")


def _can_hold_images(types: Any, kind: Any) -> bool:
    if types.is_struct(kind):
        names = [kind.field(i).name for i in range(kind.num_fields)]
        kind = kind.field("bytes").type if "bytes" in names else kind
    return types.is_binary(kind) or types.is_large_binary(kind)


def _listed(names: list[str]) -> str:
    return f"Columns that can hold images: {', '.join(names) or 'none'}; data.column chooses one."


def _too_large(path: str, size: int) -> str:
    return (
        f"{path!r} has row groups of {size:,} or more bytes of images, and each is read at once: "
        "rewrite it with smaller ones, of a few hundred rows."
    )


def _unreadable(path: str, failure: Exception) -> str:
    if isinstance(failure, DataError):
        return str(failure)
    why = (str(failure).splitlines() or [type(failure).__name__])[0]
    return f"{path!r} cannot be read as parquet ({why})."
