"""A model's folder, without its weights: the closed list of files, and what they say. No torch.

    config.json         family, Spec, the weights' sha256, who provides the family
    model.safetensors   the weights
    README.md           the model card
    recipe.toml         the recipe as it was resolved and run
    metrics.json        what was measured
    figures/*.png       reconstructions, samples, traversals

Everything else in such a folder is foreign: never read, changed or deleted.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from zoo import families, specs
from zoo.errors import (
    DataError,
    PluginError,
    SourceError,
    UnknownNameError,
    UnsafeFormatError,
    WeightsError,
    ZooError,
)
from zoo.files import read_regular
from zoo.validation import Strict, checked, listed
from zoo.version import __version__

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
RECIPE, METRICS, FIGURES = "recipe.toml", "metrics.json", "figures"
FORMAT = "autoencoder-zoo/1"
MAX_CONFIG_BYTES, MAX_TEXT_BYTES, MAX_DEPTH = 64_000, 1_000_000, 16

PICKLES = (".pt", ".pth", ".bin", ".pkl", ".ckpt")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_DISTRIBUTION_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")  # PEP 508


class Provider(Strict):
    """The package that provides a family."""

    distribution: str = Field(max_length=100)
    version: str = Field(max_length=100)


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
    metrics: dict[str, Any] | None
    """What metrics.json says: see `zoo.evaluate`."""
    recipe: str | None
    """The text of recipe.toml, as it was run."""
    data: str | None
    """Name of the dataset it was trained on."""
    origin: str
    """A published name, or the folder it came from."""
    folder: Path | None
    """Where its files are; None if it was never saved."""


def read_config(folder: Path) -> tuple[Config, specs.Spec]:
    """`config.json`, strictly, and the Spec in it.

    Raises:
        SourceError: for a folder that is missing or holds no zoo model.
        UnsafeFormatError: for one that holds pickles only.
        WeightsError, SpecError: for a config.json that is damaged, hostile or from the future.
        UnknownNameError, PluginError: for a family that cannot be built here.
    """
    if not folder.is_dir():
        raise SourceError(f"There is no folder {str(folder)!r}.")
    if not (folder / CONFIG).exists():
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
    spec, problems = checked(_spec_class(config), config.spec)
    if spec is None:
        raise specs.SpecError(listed(where, problems) + _newer_provider(config))
    return config, spec


def parse_json(data: bytes, where: str) -> dict[str, Any]:
    """A JSON object of plain depth with no key twice. Raises WeightsError for anything else."""
    if _depth(data) > MAX_DEPTH:
        raise WeightsError(f"{where!r} is nested more than {MAX_DEPTH} deep; it was not parsed.")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_no_key_twice)
    except (ValueError, RecursionError) as broken:
        raise WeightsError(f"{where!r} is not JSON: {broken}.") from None
    if not isinstance(value, dict):
        raise WeightsError(f"{where!r} holds a {type(value).__name__}, not an object.")
    return value


def read_info(folder: Path, origin: str, licence: str | None = None) -> ModelInfo:
    """What a folder says of its model, its weights unread. Errors as `read_config`."""
    config, spec = read_config(folder)
    recipe = read_text(folder / RECIPE)
    return ModelInfo(
        spec=spec,
        family=config.family,
        parameters=spec.parameter_count(),
        sha256=config.weights_sha256,
        licence=licence or card_licence(read_text(folder / CARD)),
        metrics=read_metrics(folder),
        recipe=recipe,
        data=_dataset_of(recipe),
        origin=origin,
        folder=folder,
    )


def read_metrics(folder: Path) -> dict[str, Any] | None:
    """metrics.json as it stands, or None. Raises WeightsError if it is damaged."""
    text = read_text(folder / METRICS)
    return None if text is None else parse_json(text.encode(), str(folder / METRICS))


def read_text(path: Path) -> str | None:
    """A text file of the folder, or None if it is not there. Raises WeightsError if it is strange."""
    if not path.exists():
        return None
    try:
        return read_regular(path, MAX_TEXT_BYTES).decode("utf-8")
    except UnicodeDecodeError as broken:
        raise WeightsError(f"{str(path)!r} is not text: {broken}.") from None


def card_licence(card: str | None) -> str | None:
    """The licence in a card's front matter, or None."""
    found = re.match(r"---\n(?:.*\n)*?license: ([\w.+-]+)\n", card or "")
    return found.group(1) if found else None


def config_text(family: str, spec: specs.Spec, weights_sha256: str) -> str:
    """`config.json` for a model, every field written out."""
    config = {
        "format": FORMAT,
        "family": family,
        "spec": spec.model_dump(mode="json"),
        "weights_sha256": weights_sha256,
        "provider": families.provider(family),
    }
    return json.dumps(config, indent=2) + "\n"


def _dataset_of(recipe: str | None) -> str | None:
    if recipe is None:
        return None
    try:
        return str(tomllib.loads(recipe).get("data", {}).get("dataset"))
    except tomllib.TOMLDecodeError as broken:
        raise DataError(f"{RECIPE} is not TOML: {broken}.") from None


def without(missing: str, folder: Path) -> ZooError:
    """The error for a folder that lacks one of its two files: it may hold pickles instead."""
    names = sorted(path.name for path in folder.iterdir())
    pickles = [name for name in names if Path(name).suffix in PICKLES]
    if pickles:
        return UnsafeFormatError(
            f"{str(folder)!r} has {', '.join(pickles[:3])} and no {missing}. Pickle files can run "
            "code, so zoo never opens them. Ask the author for safetensors."
        )
    here = f"it holds {', '.join(names[:5])}" if names else "it is empty"
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
    if name != FORMAT.partition("/")[0] or not number.isdigit():
        return f"{where!r} has the format {str(fields['format'])[:60]!r}, which is not the zoo's."
    provider = fields.get("provider")
    version = provider.get("version") if isinstance(provider, dict) else None
    return (
        f"{where!r} has format {number}, written by autoencoder-zoo {str(version)[:20]}; this is "
        f"{__version__} and reads format 1. pip install -U autoencoder-zoo"
    )


def _newer_provider(config: Config) -> str:
    here = families.provider(config.family)
    there = config.provider
    if here is None or there is None or here["version"] == there.version:
        return ""
    return (
        f"\nIt was written by {there.distribution} {there.version}; here is {here['version']}. "
        f"A newer version may know these fields: pip install -U {here['distribution']}"
    )


def _spec_class(config: Config) -> type[specs.Spec]:
    try:
        return families.spec_class(config.family)
    except UnknownNameError as unknown:
        package = config.provider.distribution if config.provider else None
        if (
            package is None
            or package == "autoencoder-zoo"
            or not _DISTRIBUTION_NAME.fullmatch(package)
        ):
            raise UnknownNameError(f"This model's family is not here. {unknown}") from None
        raise PluginError(
            f"This folder says that family {config.family!r} comes from a package called "
            f"{package!r}. The zoo does not know that package: look at it before you install it."
        ) from None


def _depth(data: bytes) -> int:
    """How deep brackets are nested, outside strings."""
    depth = deepest = 0
    for token in re.finditer(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', data):
        mark = token.group()[:1]
        depth += 1 if mark in b"[{" else -1 if mark in b"]}" else 0
        deepest = max(deepest, depth)
    return deepest


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key stands twice")
    return fields
