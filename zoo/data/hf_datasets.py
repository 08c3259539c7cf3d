"""`hf-dataset:org/name` -> its parquet files on the Hugging Face Hub, by part."""

from __future__ import annotations

import re
from collections.abc import Mapping

from zoo.data.images import PARTS
from zoo.data.parquet import read_parquet
from zoo.data.source import Source
from zoo.errors import DataError, OfflineError

PREFIX, ON_HUB = "hf-dataset:", "hf://datasets/"
GRAMMAR = re.compile(
    r"(?P<repo>[\w.-]+(/[\w.-]+)?)(:(?P<config>[\w.+-]+))?(@(?P<revision>[\w./-]+))?", re.ASCII
)
"""`org/name`, then `:config` and `@revision` where they are not the default ones."""


def read_hf_dataset(name: str, column: str) -> dict[str, Source]:
    """The images of a dataset of the Hub, which are read when they are needed.

    Its splits named train, validation and test are parts; without test, all it has is in "all".
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
    if "train" in files and "test" in files:
        return read_parquet({part: files[part] for part in PARTS if part in files}, column)
    return read_parquet({"all": [path for paths in files.values() for path in paths]}, column)


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
