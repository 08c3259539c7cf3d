"""What a model's folder says, its weights unread. No torch."""

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
from zoo.registry.provenance import no_family, provenance
from zoo.specs.base import Spec
from zoo.specs.info import ModelInfo, Provider
from zoo.specs.record import Record
from zoo.specs.validation import Strict, checked, listed, parse_json
from zoo.version import DISTRIBUTION, __version__

FORMAT = "autoencoder-zoo/1"
"""What every 1.x reads. A later 1.x may add fields that have a default, families, likelihoods and kinds of
everything; a folder without them means what it meant. What changes a meaning is format 2."""

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
    """`config.json`, strictly, and the Spec in it.

    Args:
        folder: the model's.
        what: what holds it, for errors: `folder` or `repository`.
        data: the bytes of config.json, where they were read already.

    Raises:
        SourceError: for a folder that is missing or holds no zoo model.
        UnsafeFormatError: for one that holds pickles only.
        WeightsError, SpecError: for a config.json that is damaged, hostile or from the future.
        UnknownNameError, PluginError: for a family that cannot be built here.
    """
    if CONFIG not in (names := names_in(folder)):
        raise without(CONFIG, str(folder), names)
    where = str(folder / CONFIG)
    data = data or read_regular(folder / CONFIG, MAX_CONFIG_BYTES)
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
        raise no_family(config.family, config.provider, what, unknown) from None
    if spec is None:
        doubt = provenance(config.family, config.provider)
        text = "\n".join(filter(None, [listed(where, problems), doubt]))
        raise SpecError(text, problems=problems, path=where)
    return config, spec


def _of_diffusers(fields: Mapping[str, Any], where: str) -> tuple[Config, Spec]:
    """What a config.json of diffusers' means; the hash of the weights is not known from it."""
    family = families.get(foreign.family_of(fields, where))
    cls = family.spec_class
    said = cls.from_diffusers(fields)  # pyright: ignore[reportAttributeAccessIssue]  # these have it
    spec, problems = family.parse(said)
    if spec is None:
        text = f"{listed(where, problems)}\nIt was {foreign.versions(fields)}."
        raise SpecError(text, problems=problems, path=where)
    config = Config.model_construct(
        format=FORMAT, family=family.name, spec=said, weights_sha256="", provider=family.provider
    )
    return config, spec


def read_info(
    folder: Path,
    origin: str,
    line: IndexLine | None = None,
    only: Collection[str] | None = None,
    config_data: bytes | None = None,
) -> ModelInfo:
    """What a folder says of its model, its weights unread. Errors as `read_config`.

    Args:
        folder: the model's.
        origin: what to call it.
        line: what an index says of it, where it is a published model.
        only: the files to read; None reads all that are there.
        config_data: the bytes of config.json, where they were read already.
    """
    what = "repository" if origin.startswith("hf://") else "folder"
    config, spec = read_config(folder, what, config_data)
    only = (CARD, RECIPE, METRICS) if only is None else only
    said = card_license(read_text(folder / CARD) if CARD in only else None)
    recipe, dataset = _read_recipe(folder / RECIPE) if RECIPE in only else (None, None)
    metrics = read_metrics(folder) if METRICS in only else None
    if dataset in (".", "..", "/") and metrics and metrics.measured:
        dataset = metrics.measured[0].dataset  # what that folder was called
    return ModelInfo(
        spec=spec,
        family=config.family,
        count=functools.partial(_parameters, config.family, spec, line and line.parameters),
        sha256=config.weights_sha256,
        license=line.license if line and line.license else said.pop(LICENSE, None),
        license_details={name: said[name] for name in DETAILS if name in said},
        metrics=metrics,
        recipe=recipe,
        data=dataset,
        origin=origin,
        folder=folder,
        provider=config.provider,
    )


def _parameters(family: str, spec: Spec, known: int | None) -> int:
    """Number of parameters: what the index says of a published model, else counted."""
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
    """A text file of the folder, or None if it is not there. Raises WeightsError if it is strange."""
    if not os.path.lexists(path):
        return None
    try:
        return read_regular(path, MAX_TEXT_BYTES).decode("utf-8")
    except UnicodeDecodeError as broken:
        raise WeightsError(f"{str(path)!r} is not text: {broken}.") from None


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
    """The text of recipe.toml and the dataset that it names, where there are any."""
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
    """What is in a folder. Raises SourceError for one that cannot be opened."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        raise SourceError(f"There is no folder {str(folder)!r}.", path=folder) from None
    except NotADirectoryError:
        if folder.suffix in PICKLES:
            raise UnsafeFormatError(
                f"{str(folder)!r} is a pickle. {NO_PICKLES}", path=folder
            ) from None
        if folder.suffix == ".toml":
            raise SourceError(
                f"{str(folder)!r} is a file of settings, not a model: `zoo train` takes a recipe, and "
                "`zoo sweep` a sweep.",
                path=folder,
            ) from None
        raise SourceError(
            f"{str(folder)!r} is not a folder. Name the folder that holds {CONFIG} and {WEIGHTS}.",
            path=folder,
        ) from None
    except (OSError, ValueError) as failure:  # ValueError: a NUL in the path
        why = getattr(failure, "strerror", failure)
        raise SourceError(f"Cannot open {str(folder)!r}: {why}.", path=folder) from None


def without(
    missing: str, where: str, names: Iterable[str], of_diffusers: Path | None = None
) -> ZooError:
    """The error for a folder or a repo that lacks one of its two files: it may hold pickles instead.

    `of_diffusers` is the folder of a model of diffusers that lacks its weights.
    """
    names = sorted(name for name in names if name != ".gitattributes")
    if foreign.PIPELINE in names and missing == CONFIG:
        part = min((name.partition("/")[0] for name in names if "vae" in name), default="")
        such_as = f", such as {where.rstrip('/')}/{part}" if part else ""
        return SourceError(
            f"{where!r} is a whole pipeline of diffusers. Name its autoencoder{such_as}.",
            path=where,
        )
    pickles = [name for name in names if Path(name).suffix in PICKLES]
    if pickles:
        found = ", ".join(map(repr, pickles[:3]))
        text = f"{where!r} has {found} and no {missing}. {NO_PICKLES}"
        return UnsafeFormatError(text, path=where)
    if missing == CONFIG and "model" in names and RECIPE in names:
        text = f"{where!r} is a run's folder. Its model is {where.rstrip('/')}/model."
        return SourceError(text, path=where)
    if of_diffusers:
        return SourceError(foreign.about_weights(names, where, of_diffusers), path=where)
    there = f"it holds {', '.join(map(repr, names[:5]))}" if names else "it is empty"
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
        return f"{where!r} has the format {str(fields['format'])[:60]!r}, which is not the zoo's."
    writer = ""
    match fields.get("provider"):
        case {"distribution": made_by, "version": str(version)} if made_by == DISTRIBUTION:
            writer = f", written by {DISTRIBUTION} {version[:40]}"
    return (
        f"{where!r} has format {number}{writer}; this is {DISTRIBUTION} {__version__}, which reads "
        f"format 1. pip install -U {DISTRIBUTION}"
    )
