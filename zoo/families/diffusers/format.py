"""Folders written by diffusers: the class and settings in their config.json, and their weights files.

They are read as is. Such a folder records no hash of its weights: files from the Hub are checked
against the Hub's records, as for any model; files in a plain folder cannot be checked. No torch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from zoo.errors import SourceError, WeightsError
from zoo.io.files import read_regular
from zoo.specs.validation import parse_json

CLASS, VERSION = "_class_name", "_diffusers_version"
PIPELINE = "model_index.json"
CLASSES = {
    "AutoencoderKL": "autoencoder-kl",
    "AsymmetricAutoencoderKL": "asymmetric-autoencoder-kl",
    "AutoencoderKLFlux2": "autoencoder-kl-flux2",
    "AutoencoderKLHunyuanImage": "autoencoder-kl-hunyuan-image",
    "AutoencoderKLKVAE": "autoencoder-kl-kvae",
    "AutoencoderTiny": "autoencoder-tiny",
    "AutoencoderDC": "autoencoder-dc",
    "VQModel": "vq-model",
}
"""Families by diffusers class."""
VIDEO = frozenset(
    {
        "AutoencoderKLAllegro",
        "AutoencoderKLCogVideoX",
        "AutoencoderKLCosmos",
        "AutoencoderKLHunyuanImageRefiner",
        "AutoencoderKLHunyuanVideo",
        "AutoencoderKLHunyuanVideo15",
        "AutoencoderKLKVAEVideo",
        "AutoencoderKLLTX2Video",
        "AutoencoderKLLTXVideo",
        "AutoencoderKLMagvit",
        "AutoencoderKLMiniMaxH3",
        "AutoencoderKLMochi",
        "AutoencoderKLQwenImage",
        "AutoencoderKLQwenImage21",
        "AutoencoderKLTemporalDecoder",
        "AutoencoderKLWan",
        "AutoencoderVidTok",
        "Kandinsky6SRVAE",
        "LTX2VideoDiffusionDecoderModel",
    }
)
"""Classes whose networks take videos `(N, C, T, H, W)`, or decode frames."""
AUDIO = frozenset(
    {
        "AutoencoderKLKVAEAudio",
        "AutoencoderKLLTX2Audio",
        "AutoencoderKLMiniMaxH3Audio",
        "AutoencoderOobleck",
        "AutoencoderSAME",
        "Cosmos3AVAEAudioTokenizer",
        "LongCatAudioDiTVae",
        "MMAudioVAE",
        "MMAudioVocoder",
        "MiniMaxMusic3Vocoder",
    }
)
OTHERS = frozenset({"AutoencoderRAE", "ConsistencyDecoderVAE", "RFD4ProteinaAutoencoder"})
"""Of images with another library's network, of images with a diffusion decoder, and of proteins."""
WHOLE = "diffusion_pytorch_model.safetensors"
WEIGHTS = re.compile(
    r"diffusion_pytorch_model(?:\.(?P<variant>[a-z0-9_]{1,20}))?"
    r"(?:-(?P<number>\d{5})-of-(?P<count>\d{5}))?\.safetensors"
)
"""File names of diffusers weights: whole or sharded, full precision or a variant such as fp16."""
INDEX = re.compile(
    r"diffusion_pytorch_model\.safetensors\.index(?:\.(?P<variant>[a-z0-9_]{1,20}))?\.json"
)
"""File names of the index of sharded weights; shards that are not in it are not read."""
MAX_INDEX_BYTES = 4_000_000


def is_diffusers(fields: Mapping[str, Any]) -> bool:
    """Whether a config.json was written by diffusers."""
    return CLASS in fields


def family_of(fields: Mapping[str, Any], where: str) -> str:
    """The family of a config.json. Raises SourceError for an unsupported class."""
    name = str(fields[CLASS])[:100]
    if name in CLASSES:
        return CLASSES[name]
    supported = f"Supported: {', '.join(CLASSES)}."
    if kind := _kind(name):
        raise SourceError(f"{where!r} is a diffusers {name}, {kind}. {supported}", path=where)
    raise SourceError(
        f"{where!r} is a diffusers {name}, which is not an autoencoder. Give the folder of the "
        f"pipeline's autoencoder, often 'vae'. {supported}",
        path=where,
    )


def _kind(name: str) -> str:
    """The kind of an unsupported diffusers autoencoder, by class name; "" if it is not an autoencoder."""
    if name in VIDEO:
        return "a video autoencoder; the zoo takes images"
    if name in AUDIO:
        return "an audio autoencoder; the zoo takes images"
    likely = any(word in name.lower() for word in ("autoencoder", "vae", "vq"))
    return "an autoencoder that the zoo does not support" if likely or name in OTHERS else ""


def versions(fields: Mapping[str, Any]) -> str:
    """The diffusers version that wrote a config.json, and the installed one, as a clause."""
    try:
        here = f"; installed is {version('diffusers')}"
    except PackageNotFoundError:
        here = ""
    return f"written by diffusers {str(fields.get(VERSION, 'of an unknown version'))[:40]}{here}"


def weights_among(names: Collection[str], folder: Path | None = None) -> list[str]:
    """The weights files of a folder: an index and its shards, else a whole file, as diffusers chooses them.

    Full precision comes before a variant. Empty if there are none, or if any is missing.

    Args:
        names: of all files in the folder.
        folder: the folder to read the index from, if it is there; else all shards are taken as listed.
    """
    chosen = _chosen(names, folder)
    return [] if _missing(chosen, names) else chosen


def has_any(names: Collection[str]) -> bool:
    """Whether there is any diffusers weights file, even if others are missing."""
    return any(WEIGHTS.fullmatch(name) or INDEX.fullmatch(name) for name in names)


def index_among(names: Collection[str]) -> list[str]:
    """The index of a folder's weights, if it has one that applies."""
    return [name for name in _chosen(names, None) if INDEX.fullmatch(name)]


def about_weights(names: Collection[str], where: str, folder: Path) -> str:
    """Why `weights_among` returns none, and what to do."""
    chosen = _chosen(names, folder)
    if missing := _missing(chosen, names):
        index = chosen[0] if INDEX.fullmatch(chosen[0]) else ""
        named = f", listed in {index}" if index else ""
        return f"{where!r} has weights in shards, but not {missing}{named}. Fetch the folder again."
    counts = {match["count"] for name in names if (match := WEIGHTS.fullmatch(name))}
    if len(counts) > 1:
        return (
            f"{where!r} has weights in {' and in '.join(f'{int(n)}' for n in sorted(counts))} shards, but "
            "no index that says which to use. Delete the stale ones."
        )
    if "model.safetensors" in names:
        return (
            f"{where!r} has a diffusers config.json, but its weights are named 'model.safetensors' "
            f"instead of {WHOLE!r}. If they are diffusers weights, rename the file."
        )
    there = ", ".join(map(repr, sorted(names)[:5]))
    return f"{where!r} has a diffusers config.json but no weights {WHOLE!r}; it contains {there}."


def _chosen(names: Collection[str], folder: Path | None) -> list[str]:
    """Names of the weights files to read, even if some are missing."""
    matches = [match for name in sorted(names) if (match := WEIGHTS.fullmatch(name))]
    indexes = {m["variant"] or "": name for name in names if (m := INDEX.fullmatch(name))}
    for variant in sorted({*indexes, *(match["variant"] or "" for match in matches)}):
        files = [match for match in matches if (match["variant"] or "") == variant]
        shards = [match for match in files if match["count"]]
        if index := indexes.get(variant):
            if folder and os.path.lexists(folder / index):
                return [index, *_indexed(folder / index)]
            return [index, *(match[0] for match in shards)]
        if whole := [match[0] for match in files if not match["count"]]:
            return whole
        first, *others = sorted(shards, key=lambda match: match["number"])
        if any(match["count"] != first["count"] for match in others):
            return []
        stem, rest = first[0].split(f"-{first['number']}-of-")
        count = int(first["count"])
        return [f"{stem}-{number:05d}-of-{rest}" for number in range(1, count + 1)]
    return []


def _missing(chosen: list[str], names: Collection[str]) -> str:
    """The first chosen file that is missing, or ""."""
    return next((repr(name) for name in chosen if name not in names), "")


def _indexed(path: Path) -> list[str]:
    """The shards that an index lists, sorted. Raises WeightsError for a damaged index."""
    fields = parse_json(read_regular(path, MAX_INDEX_BYTES), str(path))
    named, shards = fields.get("weight_map"), set()
    for shard in named.values() if isinstance(named, dict) else [named]:
        if not isinstance(shard, str) or not WEIGHTS.fullmatch(shard):
            raise WeightsError(
                f"{str(path)!r} lists {str(shard)[:100]!r}, which is not a shard's name."
            )
        shards.add(shard)
    return sorted(shards)
