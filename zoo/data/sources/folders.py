"""Reading of a folder, file or pattern: image files, tar shards, parquet, NumPy."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from zoo.data.sources.arrays import read_array
from zoo.data.sources.base import Concatenated, Prefixed, Source
from zoo.data.sources.image_files import SUFFIXES, ImageFiles
from zoo.data.sources.parquet import read_parquet
from zoo.data.sources.shards import COMPRESSED, Shards, expanded
from zoo.data.splits import by_name
from zoo.data.values import Shape
from zoo.errors import DataError

KINDS = {"images": SUFFIXES, "tar shards": (".tar", *COMPRESSED), "parquet files": (".parquet",)}
LEFTOVERS = (
    "__macosx", "@eadir", "#recycle", "#snapshot", "$recycle.bin", "system volume information",
    "lost+found", "thumbs.db", "desktop.ini",
)  # fmt: skip
"""Names, in lower case, that systems leave in folders, besides those that start with a dot."""

LISTED = 5
"""Number of skipped file kinds that a message lists."""

log = logging.getLogger("zoo")


def read_folder(folder: Path, column: str) -> dict[str, Source]:
    """All images below a folder, ordered by path, excluding pictures of model folders.

    Subfolders, shards or parquet files whose names start with a part's name hold that part; without
    any, there is one part, "all". A warning lists what is skipped: images next to subfolders of parts,
    and files of other kinds. Hidden files and system leftovers are skipped silently.

    Raises DataError for a folder that cannot be read or has no images.
    """
    try:
        with os.scandir(folder) as entries:
            is_folder = {one.name: one.is_dir() for one in entries if _is_visible(one.name)}
    except OSError as failure:
        _refuse(failure)
    below = sorted(is_folder)
    parts, others = by_name(name for name in below if is_folder[name])
    if not parts:
        return _parts_below(folder, column)
    others += [n for n in below if not is_folder[n] and n.lower().endswith(SUFFIXES)]
    if others:
        log.warning(
            "%r holds parts in %s; next to them, %s skipped.",
            str(folder),
            ", ".join(name for names in parts.values() for name in names),
            f"{others[0]!r} is"
            if len(others) == 1
            else f"{others[0]!r} and {len(others) - 1:,} more are",
        )
    found: dict[str, Source] = {}
    for part, names in parts.items():
        some = [_parts_below(folder / name, column, within=name)["all"] for name in names]
        many = [Prefixed(name, one) for name, one in zip(names, some, strict=True)]
        found[part] = some[0] if len(some) == 1 else Concatenated(many)
    return found


def _parts_below(folder: Path, column: str, within: str = "") -> dict[str, Source]:
    """Images by part; or all as "all" if the folder is `within` a part."""
    every = sorted(_walk(folder), key=lambda name: name.split(os.sep))
    by_kind = {kind: [n for n in every if n.lower().endswith(KINDS[kind])] for kind in KINDS}
    kinds = [kind for kind, some in by_kind.items() if some]
    names = [name for some in by_kind.values() for name in some]
    taken = set(names)
    others = Counter(os.path.splitext(n)[1].lower() for n in every if n not in taken)
    if not kinds:
        if (folder / "config.json").exists():
            raise DataError(f"{str(folder)!r} is a model folder; expected images.")
        raise DataError(
            f"No images in {str(folder)!r} (looked for {', '.join(SUFFIXES)})."
            + (f" It holds {_listed(others)}." if others else "")
        )
    if len(kinds) > 1:
        listed = " and ".join(f"{kind} ({by_kind[kind][0]!r})" for kind in kinds)
        raise DataError(
            f"{str(folder)!r} holds {listed}: a dataset must be of one kind. Move one away, or give "
            "tar shards as a pattern such as train-{000..099}.tar."
        )
    if others:
        some = "file is" if others.total() == 1 else "files are"
        log.warning(
            "%r: %s %s skipped: %s.", str(folder), f"{others.total():,}", some, _listed(others)
        )
    paths = [] if kinds == ["images"] else [folder / name for name in names]
    parts = {"all": paths} if within or not paths else by_part(paths)
    if not within and "all" in parts:
        _warn_of_nested_parts(folder, names)
    if kinds == ["images"]:
        return {"all": ImageFiles(folder, names, within)}
    return read_parquet(parts, column) if kinds == ["parquet files"] else _shards(parts, column)


def image_files_below(folder: Path) -> list[str]:
    """Relative paths of all image files below a folder, in order. Raises DataError if there are none."""
    found = [name for name in _walk(folder) if name.lower().endswith(SUFFIXES)]
    if not found:
        raise DataError(f"No images in {str(folder)!r} (looked for {', '.join(SUFFIXES)}).")
    return sorted(found, key=lambda name: name.split(os.sep))


def _warn_of_nested_parts(folder: Path, names: Sequence[str]) -> None:
    """Warns about nested folders named after parts, which are merged."""
    holding = {os.path.dirname(name) for name in names}
    every = {place for one in holding for place in (one, *map(str, Path(one).parents))}
    parts, _ = by_name(sorted(every))
    if some := [found[0] for found in parts.values()]:
        log.warning(
            "%r: %s are merged, because parts must be direct subfolders of the given folder. To keep "
            "them apart, give the folder that holds them, or move them up.",
            str(folder),
            " and ".join(map(repr, some)),
        )


def read_file(path: Path, column: str, wanted: Shape | None = None) -> dict[str, Source]:
    """The examples of one file; `wanted` is the model's input shape. Raises DataError for other kinds of files."""
    name = path.name.lower()
    if name.endswith(KINDS["tar shards"]):
        return _shards({"all": [path]}, column)
    if name.endswith(KINDS["parquet files"]):
        return read_parquet({"all": [path]}, column)
    if name.endswith((".npy", ".npz")):
        return read_array(path, wanted)
    if name.endswith((".csv", ".tsv")):
        comma = "','" if name.endswith(".csv") else r"'\t'"
        raise DataError(
            f"{str(path)!r} is a text file, which is not supported. Convert its numeric columns to .npy: "
            f"np.save('table.npy', np.loadtxt({str(path)!r}, delimiter={comma}, skiprows=1)), or "
            "pandas' to_numpy('float64') and np.save."
        )
    raise DataError(
        f"{str(path)!r} is neither a folder of images nor a .npy, .npz, .tar or .parquet file."
    )


def is_pattern(name: str) -> bool:
    """Whether a name is a pattern of tar shards, such as `photos/train-{000..099}.tar`."""
    return name.lower().endswith(KINDS["tar shards"])


def read_pattern(pattern: str, column: str) -> dict[str, Source]:
    """The images of the tar shards that match a pattern."""
    return _shards(by_part(expanded(pattern)), column)


def _shards(parts: Mapping[str, Sequence[Path]], column: str) -> dict[str, Source]:
    return {part: Shards(some, column) for part, some in parts.items()}


def by_part(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Files by the part that their names start with; or all, as "all", if none does.

    Raises DataError if only some names start with a part.
    """
    parts, others = by_name(map(str, paths))
    if others:
        raise DataError(
            f"{others[0]!r} does not start with train, validation or test, although other files here do: "
            "rename or remove it."
        )
    return {part: [Path(name) for name in some] for part, some in parts.items()} or {
        "all": list(paths)
    }


def _listed(kinds: Counter[str]) -> str:
    """Counts by extension, such as `12 .heic, 1 .txt`."""
    some = [f"{count:,} {kind or 'without extension'}" for kind, count in kinds.most_common(LISTED)]
    return ", ".join(some) + (" and others" if len(kinds) > LISTED else "")


def _walk(folder: Path) -> Iterator[str]:
    """Relative paths of all files below a folder; links to folders are followed, each once."""
    seen, of_models = set(), set()
    for place, below, files in os.walk(folder, followlinks=True, onerror=_refuse):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:
            below.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        below[:] = sorted(
            name for name in below if _is_visible(name)
        )  # makes the choice of a link deterministic
        if "model.safetensors" in files:
            of_models |= {os.path.join(place, name) for name in below}
        if place not in of_models:
            for name in filter(_is_visible, files):
                yield os.path.relpath(os.path.join(place, name), folder)


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in LEFTOVERS


def _refuse(failure: OSError) -> NoReturn:
    raise DataError(f"Cannot read the folder {failure.filename!r}: {failure.strerror}.") from None
