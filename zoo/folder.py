"""What a model's folder says, its weights unread. No torch."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from zoo import families, specs
from zoo.errors import (
    SourceError,
    SpecError,
    UnknownNameError,
    UnsafeFormatError,
    WeightsError,
    ZooError,
)
from zoo.files import read_regular
from zoo.layout import (
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
from zoo.licences import DETAILS, LICENCE, card_licence
from zoo.provenance import Provider, no_family, provenance
from zoo.record import Record
from zoo.validation import Strict, checked, listed, parse_json
from zoo.version import DISTRIBUTION, __version__

FORMAT = "autoencoder-zoo/1"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Config(Strict):
    """`config.json`."""

    format: str = Field(max_length=100)
    family: str = Field(max_length=100)
    spec: dict[str, Any]
    weights_sha256: Sha256
    provider: Provider | None


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model without reading its weights."""

    spec: specs.Spec
    family: str
    parameters: int
    sha256: str
    """Of model.safetensors, in hex."""
    licence: str | None
    """Its id on the Hub, such as `apache-2.0`."""
    metrics: dict[str, Any] | None
    """What metrics.json says: see `zoo.evaluate`."""
    recipe: str | None
    """The text of recipe.toml, as it was run."""
    data: str | None
    """Name of the dataset it was trained on."""
    origin: str
    """A published name, the folder it came from, or `hf://org/name@commit`."""
    folder: Path | None
    """Where its files are; None if it was never saved."""
    licence_details: Mapping[str, str] = field(default_factory=dict)
    """`license_name` and `license_link`, where the card has them."""
    provider: Provider | None = None
    """The package whose code made it, and its version; None if a program registered the family."""


def read_config(folder: Path, what: str = "folder") -> tuple[Config, specs.Spec]:
    """`config.json`, strictly, and the Spec in it.

    Args:
        folder: the model's.
        what: whose word it is, for errors: a folder's or a repository's.

    Raises:
        SourceError: for a folder that is missing or holds no zoo model.
        UnsafeFormatError: for one that holds pickles only.
        WeightsError, SpecError: for a config.json that is damaged, hostile or from the future.
        UnknownNameError, PluginError: for a family that cannot be built here.
    """
    if not os.path.isdir(folder):
        raise _no_folder(folder)
    if not os.path.lexists(folder / CONFIG):
        raise without(CONFIG, folder)
    where = str(folder / CONFIG)
    fields = parse_json(read_regular(folder / CONFIG, MAX_CONFIG_BYTES), where)
    if "format" not in fields:
        raise SourceError(f"{where!r} is not a zoo model{_looks_like(fields)}.")
    if fields["format"] != FORMAT:
        raise WeightsError(_other_format(fields, where))
    config, problems = checked(Config, fields)
    if config is None:
        raise WeightsError(listed(where, problems))
    try:
        spec, problems = families.parse_spec(config.family, config.spec)
    except UnknownNameError as unknown:
        raise no_family(config.family, config.provider, what, unknown) from None
    if spec is None:
        doubt = provenance(config.family, config.provider)
        raise SpecError("\n".join(filter(None, [listed(where, problems), doubt])))
    return config, spec


def read_info(
    folder: Path, origin: str, licence: str | None = None, only: Collection[str] | None = None
) -> ModelInfo:
    """What a folder says of its model, its weights unread. Errors as `read_config`.

    Args:
        folder: the model's.
        origin: what to call it.
        licence: where it is known from elsewhere.
        only: the files to read; None reads all that are there.
    """
    config, spec = read_config(folder, "repository" if origin.startswith("hf://") else "folder")
    card = read_text(folder / CARD) if _is_read(CARD, only) else None
    said = card_licence(card)
    recipe, dataset = _read_recipe(folder / RECIPE) if _is_read(RECIPE, only) else (None, None)
    return ModelInfo(
        spec=spec,
        family=config.family,
        parameters=spec.parameter_count(),
        sha256=config.weights_sha256,
        licence=licence or said.pop(LICENCE, None),
        licence_details={name: said[name] for name in DETAILS if name in said},
        metrics=read_metrics(folder) if _is_read(METRICS, only) else None,
        recipe=recipe,
        data=dataset,
        origin=origin,
        folder=folder,
        provider=config.provider,
    )


def _is_read(name: str, only: Collection[str] | None) -> bool:
    return only is None or name in only


def read_metrics(folder: Path) -> dict[str, Any] | None:
    """metrics.json as it stands, or None. Raises WeightsError if it is damaged."""
    text = read_text(folder / METRICS)
    if text is None:
        return None
    where = str(folder / METRICS)
    metrics = parse_json(text.encode(), where)
    record, problems = checked(Record, metrics, limit=MAX_TEXT_BYTES)
    if record is None:
        raise WeightsError(listed(where, problems))
    return metrics


def read_text(path: Path) -> str | None:
    """A text file of the folder, or None if it is not there. Raises WeightsError if it is strange."""
    if not os.path.lexists(path):
        return None
    try:
        return read_regular(path, MAX_TEXT_BYTES).decode("utf-8")
    except UnicodeDecodeError as broken:
        raise WeightsError(f"{str(path)!r} is not text: {broken}.") from None


def config_text(family: str, spec: specs.Spec, weights_sha256: str) -> str:
    """`config.json` for a model, every field written out."""
    config = {
        "format": FORMAT,
        "family": family,
        "spec": families.plain_fields(family, spec),
        "weights_sha256": weights_sha256,
        "provider": families.provider(family),
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


def _no_folder(path: Path) -> ZooError:
    if not os.path.lexists(path):
        return SourceError(f"There is no folder {str(path)!r}.")
    if path.suffix in PICKLES:
        return UnsafeFormatError(f"{str(path)!r} is a pickle by its name. {NO_PICKLES}")
    return SourceError(
        f"{str(path)!r} is not a folder. Name the folder that holds {CONFIG} and {WEIGHTS}."
    )


def without(missing: str, folder: Path) -> ZooError:
    """The error for a folder that lacks one of its two files: it may hold pickles instead."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as failure:
        return SourceError(f"Cannot open {str(folder)!r}: {failure.strerror}.")
    pickles = [name for name in names if Path(name).suffix in PICKLES]
    if pickles:
        found = ", ".join(map(repr, pickles[:3]))
        return UnsafeFormatError(f"{str(folder)!r} has {found} and no {missing}. {NO_PICKLES}")
    here = f"it holds {', '.join(map(repr, names[:5]))}" if names else "it is empty"
    return SourceError(f"{str(folder)!r} has no {missing}: {here}. A model's folder has one.")


_FOREIGN = {
    "transformers_version": "transformers'",
    "model_type": "transformers'",
    "_diffusers_version": "diffusers'",
    "architecture": "timm's",
    "pythae_version": "pythae's",
}


def _looks_like(fields: Mapping[str, Any]) -> str:
    owner = next((owner for key, owner in _FOREIGN.items() if key in fields), None)
    return f" (it looks like {owner})" if owner else " (it has no 'format')"


def _other_format(fields: Mapping[str, Any], where: str) -> str:
    name, _, number = str(fields["format"])[:60].partition("/")
    if name != FORMAT.partition("/")[0] or not re.fullmatch("[2-9]|[1-9][0-9]+", number):
        return f"{where!r} has the format {str(fields['format'])[:60]!r}, which is not the zoo's."
    provider, _ = checked(Provider, _object(fields.get("provider")))
    ours = provider is not None and provider.distribution == DISTRIBUTION
    writer = f", written by {DISTRIBUTION} {provider.version}" if provider and ours else ""
    return (
        f"{where!r} has format {number}{writer}; this is {DISTRIBUTION} {__version__}, which reads "
        f"format 1. pip install -U {DISTRIBUTION}"
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
