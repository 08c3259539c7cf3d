"""`hf-dataset:org/name` -> its parquet files on the Hugging Face Hub, by part."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from zoo.data.parquet import read_parquet
from zoo.data.source import Source
from zoo.data.splits import by_name
from zoo.errors import DataError, OfflineError

log = logging.getLogger("zoo")

PREFIX, ON_HUB = "hf-dataset:", "hf://datasets/"
GRAMMAR = re.compile(
    r"(?P<repo>[\w.-]+(/[\w.-]+)?)(:(?P<config>[\w.+-]+))?(@(?P<revision>[\w./-]+))?", re.ASCII
)
"""`org/name`, then `:config` and `@revision` where they are not the default ones."""


def read_hf_dataset(name: str, column: str) -> dict[str, Source]:
    """The images of a dataset of the Hub, which are read when they are needed.

    Its splits are parts by their names, as the folders of a dataset are.
    Raises DataError for a dataset that is not there or not in parquet files, OfflineError.
    """
    found = GRAMMAR.fullmatch(name.removeprefix(PREFIX))
    if found is None:
        raise DataError(
            f"{name!r} names no dataset of the Hub: hf-dataset:org/name is right, or "
            "hf-dataset:org/name:config@revision."
        )
    files = _files(name, found["repo"], found["config"], found["revision"])
    others = [path for paths in files.values() for path in paths if not path.endswith(".parquet")]
    if others or not files:
        raise DataError(
            f"{name} is not of parquet files{f', as {others[0]!r}' if others else ''}. The Hub "
            f"converts most datasets: try hf-dataset:{found['repo']}@refs/convert/parquet."
        )
    parts, others = by_name(files)
    if others:
        log.warning(
            "%s: its split%s %s left out.",
            name,
            "" if len(others) == 1 else "s",
            f"{others[0]!r} is" if len(others) == 1 else f"{', '.join(map(repr, others))} are",
        )
    parts = parts or {"all": list(files)}
    return read_parquet(
        {part: [path for split in some for path in files[split]] for part, some in parts.items()},
        column,
    )


def _files(
    name: str, repo: str, config: str | None, revision: str | None
) -> Mapping[str, list[str]]:
    """Addresses of files by split, as the `datasets` library resolves them. It runs no code of theirs."""
    try:
        import datasets
    except ImportError:
        raise DataError(
            f"{name} is read by an extra: pip install 'autoencoder-zoo[datasets]'."
        ) from None
    try:
        builder = datasets.load_dataset_builder(f"hf://datasets/{repo}", config, revision=revision)
    except ConnectionError as failure:
        raise OfflineError(f"{name} cannot be reached ({_first_line(failure)}).") from None
    except Exception as failure:  # of datasets, of huggingface_hub and of the network
        raise DataError(f"{name} cannot be opened ({_first_line(failure)}).") from None
    found = {str(split): list(paths) for split, paths in (builder.config.data_files or {}).items()}
    strays = [path for paths in found.values() for path in paths if not path.startswith(ON_HUB)]
    if strays:
        raise DataError(f"{name} names {strays[0]!r}, which is not on the Hub: it was not read.")
    return found


def _first_line(failure: Exception) -> str:
    return (str(failure).splitlines() or [type(failure).__name__])[0].rstrip(".")
