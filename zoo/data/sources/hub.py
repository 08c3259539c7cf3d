"""Reading of `hf-dataset:org/name`: parquet files on the Hugging Face Hub."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path

from zoo.data.sources.base import Source
from zoo.data.sources.parquet import read_parquet
from zoo.data.splits import by_name
from zoo.errors import DataError, OfflineError
from zoo.hub.failures import UNREACHABLE

log = logging.getLogger("zoo")

PREFIX, ON_HUB = "hf-dataset:", "hf://datasets/"
GRAMMAR = re.compile(
    r"(?P<repo>[\w.-]+(/[\w.-]+)?)(:(?P<config>[\w.+-]+))?(@(?P<revision>[\w./-]+))?", re.ASCII
)
"""`org/name`, optionally followed by `:config` and `@revision`."""
MAX_YAML_BYTES, MAX_JSON_BYTES = 2 * 2**20, 32 * 2**20
CARD = "README.md"
PARSED = {
    CARD: MAX_YAML_BYTES,
    ".huggingface.yaml": MAX_YAML_BYTES,
    "dataset_infos.json": MAX_JSON_BYTES,
}
"""Files of a repo that the `datasets` library parses, with the maximum size of each in bytes."""
MAX_DEPTH = 50
"""Maximum nesting of lists and mappings in YAML."""


def read_hf_dataset(name: str, column: str) -> dict[str, Source]:
    """The images of a dataset on the Hub, read on demand.

    Its splits are matched to parts by name, like the subfolders of a local dataset.
    Raises DataError if it does not exist or is not in parquet files, OfflineError if it is unreachable.
    """
    found = GRAMMAR.fullmatch(name.removeprefix(PREFIX))
    if found is None:
        raise DataError(
            f"{name!r} is not a valid Hub dataset: use hf-dataset:org/name or "
            "hf-dataset:org/name:config@revision."
        )
    files = _files(name, found["repo"], found["config"], found["revision"])
    others = [path for paths in files.values() for path in paths if not path.endswith(".parquet")]
    if others or not files:
        raise DataError(
            f"{name} is not in parquet files{f' (it has {others[0]!r})' if others else ''}. The Hub "
            f"converts most datasets: try hf-dataset:{found['repo']}@refs/convert/parquet."
        )
    parts, others = by_name(files)
    if others:
        log.warning(
            "%s: its split%s %s skipped.",
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
    """Addresses of files by split, as resolved by the `datasets` library, which runs no code of the repo."""
    try:
        import datasets
    except ImportError:
        raise DataError(
            f"Reading {name} needs an extra: pip install 'autoencoder-zoo[datasets]'."
        ) from None
    try:
        revision = _checked_revision(name, repo, revision)
        builder = datasets.load_dataset_builder(f"hf://datasets/{repo}", config, revision=revision)
    except DataError:
        raise
    except UNREACHABLE as failure:
        raise OfflineError(f"{name} cannot be reached ({_first_line(failure)}).") from None
    except Exception as failure:  # any error of datasets, huggingface_hub or the network
        raise DataError(f"{name} cannot be opened ({_first_line(failure)}).") from None
    found = {str(split): list(paths) for split, paths in (builder.config.data_files or {}).items()}
    strays = [path for paths in found.values() for path in paths if not path.startswith(ON_HUB)]
    if strays:
        raise DataError(f"{name} names {strays[0]!r}, which is not on the Hub: it was not read.")
    return found


def _checked_revision(name: str, repo: str, revision: str | None) -> str | None:
    """The commit of a revision, after checking that the files the library parses are harmless.

    For a missing repo or revision it is returned as given: the library reports it. Raises DataError for
    YAML that could grow without bound, and any error of the Hub client.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    api = HfApi()
    try:
        commit = api.dataset_info(repo, revision=revision).sha
        existing = api.get_paths_info(repo, list(PARSED), revision=commit, repo_type="dataset")
    except (RepositoryNotFoundError, RevisionNotFoundError):
        return revision
    for file in existing:
        size, most = getattr(file, "size", 0), PARSED[file.path]
        if size > most:
            raise DataError(
                f"{name} was not read: its {file.path} is {size:,} bytes; the limit is {most:,}."
            )
        if most == MAX_YAML_BYTES and size:
            path = api.hf_hub_download(repo, file.path, revision=commit, repo_type="dataset")
            text = Path(path).read_bytes().decode("utf-8", "replace")
            if why := _yaml_problem(file.path, text):
                raise DataError(f"{name} was not read: the YAML of its {file.path} {why}.")
    return commit


def _yaml_problem(file: str, text: str) -> str:
    """What could take unbounded time or memory in the YAML of one of the PARSED files, or "".

    Uses the library's own pattern and parser, because others may accept different YAML.
    """
    import yaml
    from huggingface_hub.repocard import REGEX_YAML_BLOCK

    if re.search(r"[\r\n]{99}", text):  # quadratic in older versions of the pattern
        return "has 99 consecutive empty lines"
    if file == CARD:
        front = REGEX_YAML_BLOCK.search(text)
        text = front[2] if front else ""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                return "has an alias, which can multiply large content: write it out"
            starts = isinstance(event, yaml.CollectionStartEvent)
            depth += starts - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                return f"is nested more than {MAX_DEPTH} deep"
    except (yaml.YAMLError, ValueError):
        return ""  # the library reports it
    return ""


def _first_line(failure: Exception) -> str:
    return (str(failure).splitlines() or [type(failure).__name__])[0].rstrip(".")
