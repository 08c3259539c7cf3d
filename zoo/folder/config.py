"""The metadata in a model's folder, read without its weights. No torch."""

from __future__ import annotations

import functools
import json
import os
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from zoo.cards.licenses import DETAILS, LICENSE, card_license
from zoo.errors import (
    SourceError,
    SpecError,
    UnknownNameError,
    UnsafeFormatError,
    WeightsError,
    ZooError,
)
from zoo.families.diffusers import format as foreign
from zoo.folder.layout import (
    CARD,
    CONFIG,
    MAX_CONFIG_BYTES,
    MAX_TEXT_BYTES,
    METRICS,
    NO_PICKLES,
    PICKLES,
    RECIPE,
    WEIGHTS,
)
from zoo.io.files import read_regular
from zoo.registry import families
from zoo.registry.family import Family
from zoo.registry.index import IndexLine
from zoo.registry.provenance import provenance, unknown_family
from zoo.specs.base import Spec
from zoo.specs.info import ModelInfo, Provider
from zoo.specs.record import Record
from zoo.specs.validation import Strict, checked, listed, parse_json
from zoo.version import DISTRIBUTION, __version__

FORMAT = "autoencoder-zoo/1"
"""Readable by every 1.x release. A later 1.x may add fields with a default, families, likelihoods and other
kinds; existing folders keep their meaning. A change of meaning needs format 2."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Config(Strict):
    """`config.json`."""

    format: str = Field(max_length=100)
    family: str = Field(max_length=100)
    spec: dict[str, Any]
    weights_sha256: Sha256
    provider: Provider | None


def read_config(
    folder: Path, what: str = "folder", data: bytes | None = None
) -> tuple[Config, Spec]:
    """Reads `config.json`, strictly, and the Spec in it.

    Args:
        folder: the model's folder.
        what: what contains the model, for errors: `folder` or `repository`.
        data: the bytes of config.json, if already read.

    Raises:
        SourceError: for a folder that is missing or is not a zoo model.
        UnsafeFormatError: for a folder with pickles only.
        WeightsError, SpecError: for a config.json that is damaged, malicious or of a newer format.
        UnknownNameError, PluginError: for a family that is not available.
    """
    if CONFIG not in (names := names_in(folder)):
        raise missing_file(CONFIG, str(folder), names)
    where = str(folder / CONFIG)
    data = read_regular(folder / CONFIG, MAX_CONFIG_BYTES) if data is None else data
    fields = parse_json(data, where)
    if foreign.is_diffusers(fields):
        return _of_diffusers(fields, where)
    config, problems = checked(Config, fields)
    if "format" not in fields:
        owner = next((owner for key, owner in _OTHERS.items() if key in fields), None)
        why = f"it looks like {owner}" if owner else "it has no 'format'"
        raise SourceError(f"{where!r} is not a zoo model ({why}).", path=where)
    if fields["format"] != FORMAT:
        raise WeightsError(_other_format(fields, where), path=where)
    if config is None:
        raise WeightsError(listed(where, problems), problems=problems, path=where)
    try:
        spec, problems = families.get(config.family).parse(config.spec)
    except UnknownNameError as unknown:
        raise unknown_family(config.family, config.provider, what, unknown) from None
    if spec is None:
        doubt = provenance(config.family, config.provider)
        text = "\n".join(filter(None, [listed(where, problems), doubt]))
        raise SpecError(text, problems=problems, path=where)
    return config, spec


def _of_diffusers(fields: Mapping[str, Any], where: str) -> tuple[Config, Spec]:
    """The config and Spec of a diffusers config.json, which does not record a hash of the weights."""
    family = families.get(foreign.family_of(fields, where))
    cls = family.spec_class
    spec_fields = cls.from_diffusers(fields)  # pyright: ignore[reportAttributeAccessIssue]  # these have it
    spec, problems = family.parse(spec_fields)
    if spec is None:
        text = f"{listed(where, problems)}\nIt was {foreign.versions(fields)}."
        raise SpecError(text, problems=problems, path=where)
    config = Config.model_construct(
        format=FORMAT,
        family=family.name,
        spec=spec_fields,
        weights_sha256="",
        provider=family.provider,
    )
    return config, spec


def read_info(
    folder: Path,
    origin: str,
    line: IndexLine | None = None,
    only: Collection[str] | None = None,
    config_data: bytes | None = None,
) -> ModelInfo:
    """Reads the metadata in a model's folder, without its weights. Errors as `read_config`.

    Args:
        folder: the model's folder.
        origin: the source that it was found by.
        line: its index line, for a published model.
        only: the files to read; None reads all that exist.
        config_data: the bytes of config.json, if already read.
    """
    what = "repository" if origin.startswith("hf://") else "folder"
    config, spec = read_config(folder, what, config_data)
    only = (CARD, RECIPE, METRICS) if only is None else only
    license = card_license(read_text(folder / CARD) if CARD in only else None)
    recipe, dataset = _read_recipe(folder / RECIPE) if RECIPE in only else (None, None)
    metrics = read_metrics(folder) if METRICS in only else None
    if dataset in (".", "..", "/") and metrics and metrics.measured:
        dataset = metrics.measured[0].dataset  # the folder's name
    return ModelInfo(
        spec=spec,
        family=config.family,
        count=functools.partial(_parameters, config.family, spec, line and line.parameters),
        sha256=config.weights_sha256,
        license=line.license if line and line.license else license.pop(LICENSE, None),
        license_details={name: license[name] for name in DETAILS if name in license},
        metrics=metrics,
        recipe=recipe,
        data=dataset,
        origin=origin,
        folder=folder,
        provider=config.provider,
    )


def _parameters(family: str, spec: Spec, known: int | None) -> int:
    """Number of parameters: from the index for a published model, else counted."""
    return known or families.get(family).parameters(spec)


def read_metrics(folder: Path) -> Record | None:
    """metrics.json, or None. Raises WeightsError if it is damaged."""
    text = read_text(folder / METRICS)
    if text is None:
        return None
    where = str(folder / METRICS)
    record, problems = checked(Record, parse_json(text.encode(), where))
    if record is None:
        raise WeightsError(listed(where, problems), problems=problems, path=where)
    return record


def read_text(path: Path) -> str | None:
    """A text file of the folder, or None if it does not exist. Raises WeightsError if it is not UTF-8."""
    if not os.path.lexists(path):
        return None
    try:
        return read_regular(path, MAX_TEXT_BYTES).decode("utf-8")
    except UnicodeDecodeError as broken:
        raise WeightsError(f"{str(path)!r} is not UTF-8 text: {broken}.") from None


def config_text(family: Family, spec: Spec, weights_sha256: str) -> str:
    """`config.json` for a model, every field written out."""
    config = {
        "format": FORMAT,
        "family": family.name,
        "spec": family.plain_fields(spec),
        "weights_sha256": weights_sha256,
        "provider": family.provider.model_dump() if family.provider else None,
    }
    return json.dumps(config, indent=2) + "\n"


def _read_recipe(path: Path) -> tuple[str | None, str | None]:
    """The text of recipe.toml and the dataset that it names; None for what is missing."""
    text = read_text(path)
    if text is None:
        return None, None
    try:
        sections = tomllib.loads(text)
    except (ValueError, RecursionError) as broken:
        raise WeightsError(f"{str(path)!r} is not TOML: {broken}.") from None
    for name, section in sections.items():
        if not isinstance(section, dict):
            raise WeightsError(f"{str(path)!r} is not a recipe: {name[:60]!r} is not a section.")
    dataset = sections.get("data", {}).get("dataset")
    return text, dataset if isinstance(dataset, str) else None


def names_in(folder: Path) -> list[str]:
    """Names of a folder's entries. Raises SourceError for a folder that cannot be opened."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        raise SourceError(f"Folder {str(folder)!r} does not exist.", path=folder) from None
    except NotADirectoryError:
        if folder.suffix in PICKLES:
            raise UnsafeFormatError(
                f"{str(folder)!r} is a pickle. {NO_PICKLES}", path=folder
            ) from None
        if folder.suffix == ".toml":
            raise SourceError(
                f"{str(folder)!r} is a settings file, not a model: run a recipe with `zoo train`, "
                "a sweep with `zoo sweep`.",
                path=folder,
            ) from None
        raise SourceError(
            f"{str(folder)!r} is not a folder. Give the folder that contains {CONFIG} and {WEIGHTS}.",
            path=folder,
        ) from None
    except (OSError, ValueError) as failure:  # ValueError: a NUL in the path
        why = getattr(failure, "strerror", failure)
        raise SourceError(f"Cannot open {str(folder)!r}: {why}.", path=folder) from None


def missing_file(
    missing: str, where: str, names: Iterable[str], diffusers_folder: Path | None = None
) -> ZooError:
    """The error for a folder or a repo without config.json or weights, which may have pickles instead.

    `diffusers_folder` is the folder of a diffusers model whose weights are missing.
    """
    names = sorted(name for name in names if name != ".gitattributes")
    if foreign.PIPELINE in names and missing == CONFIG:
        part = min((name.partition("/")[0] for name in names if "vae" in name), default="")
        such_as = f", such as {where.rstrip('/')}/{part}" if part else ""
        return SourceError(
            f"{where!r} is a whole diffusers pipeline. Give its autoencoder{such_as}.",
            path=where,
        )
    pickles = [name for name in names if Path(name).suffix in PICKLES]
    if pickles:
        found = ", ".join(map(repr, pickles[:3]))
        text = f"{where!r} has {found} but no {missing}. {NO_PICKLES}"
        return UnsafeFormatError(text, path=where)
    if missing == CONFIG and "model" in names and RECIPE in names:
        text = f"{where!r} is a run's folder. Its model is {where.rstrip('/')}/model."
        return SourceError(text, path=where)
    if diffusers_folder:
        return SourceError(foreign.about_weights(names, where, diffusers_folder), path=where)
    there = f"it contains {', '.join(map(repr, names[:5]))}" if names else "it is empty"
    return SourceError(f"{where!r} is not a zoo model: it has no {missing}; {there}.", path=where)


_OTHERS = {
    "transformers_version": "transformers'",
    "model_type": "transformers'",
    "_diffusers_version": "diffusers'",
    "architecture": "timm's",
    "pythae_version": "pythae's",
}


def _other_format(fields: Mapping[str, Any], where: str) -> str:
    name, _, number = str(fields["format"])[:60].partition("/")
    if name != FORMAT.partition("/")[0] or not re.fullmatch("[2-9]|[1-9][0-9]+", number):
        return f"{where!r} has format {str(fields['format'])[:60]!r}, which the zoo does not read."
    writer = ""
    match fields.get("provider"):
        case {"distribution": made_by, "version": str(version)} if made_by == DISTRIBUTION:
            writer = f", written by {DISTRIBUTION} {version[:40]}"
    return (
        f"{where!r} has format {number}{writer}; the installed {DISTRIBUTION} {__version__} reads "
        f"format 1. pip install -U {DISTRIBUTION}"
    )
