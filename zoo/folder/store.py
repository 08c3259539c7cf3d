"""Loading and saving a model's folder: strict, verified, byte-reproducible. Nothing in it is ever run."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from zoo.cards import FIGURES
from zoo.cards.card import render_card
from zoo.cards.record import record_text
from zoo.errors import (
    InputError,
    IntegrityError,
    MismatchError,
    WeightsError,
    ZooError,
)
from zoo.families.diffusers import format as foreign
from zoo.folder import layout
from zoo.folder.authorship import card_text, is_authors, replaced
from zoo.folder.config import config_text, missing_file, names_in, read_config, read_info
from zoo.folder.tensor_file import TensorFile, read_tensors
from zoo.folder.weights import (
    SLACK_BYTES,
    assign,
    check_savable,
    sizes_of,
    weights_bytes,
)
from zoo.io.digests import Digest
from zoo.io.files import read_regular, write_atomically
from zoo.models import Autoencoder
from zoo.registry import families
from zoo.registry.provenance import provenance
from zoo.registry.sources import Source, is_on_hub
from zoo.specs.info import ModelInfo
from zoo.specs.record import Record

log = logging.getLogger("zoo")


def load_source(source: Source) -> Autoencoder:
    """Loads the model of a source, float32 on the CPU, in eval mode.

    Hashes are checked against the index for a published model, otherwise against config.json.

    Raises:
        SourceError, UnsafeFormatError: for a folder without a zoo model.
        SpecError, WeightsError: for a config.json that cannot be used.
        IntegrityError: if the sha256 of the weights does not match.
        MismatchError: for tensors that do not fit the Spec. Nothing is loaded.
    """
    where, line, config = source.folder, source.line, None
    if line is not None and os.path.lexists(where / layout.CONFIG):
        config = read_regular(where / layout.CONFIG, layout.MAX_CONFIG_BYTES)
        config_sha256 = hashlib.sha256(config).hexdigest()
        _check_sha256(config_sha256, line.config_sha256, where / layout.CONFIG, source)
    info = read_info(where, source.origin, source.line, source.files, config)
    if doubt := provenance(info.family, info.provider):
        log.warning("%s: %s", source.origin, doubt)
    names = [layout.WEIGHTS] if info.sha256 else foreign.weights_among(names_in(where), where)
    names = [name for name in names if not foreign.INDEX.fullmatch(name)]
    if not names or not os.path.lexists(where / names[0]):
        theirs = None if info.sha256 else where
        raise missing_file(layout.WEIGHTS, str(where), names_in(where), theirs)
    least = (4 if info.sha256 else 2) * info.parameters  # diffusers weights may be float16
    size = sum(os.path.getsize(where / name) for name in names if os.path.isfile(where / name))
    if os.path.isfile(where / names[0]) and size < least - SLACK_BYTES:
        raise MismatchError(  # before anything of the Spec's size is allocated
            f"{str(where / names[0])!r} has {size:,} bytes; the {info.parameters:,} parameters "
            f"of its Spec need {least:,}. It was not read. {_fix(source)}"
        )
    model = families.get(info.family).skeleton(info.spec)
    if info.sha256:
        expected = line.weights_sha256 if line else info.sha256
        assign(model, _read_verified(source, layout.WEIGHTS, expected, model).tensors)
    else:
        info = replace(info, sha256=_assign_foreign(model, source, names))
    model.info = info
    return model.eval()


def _assign_foreign(model: Autoencoder, source: Source, names: list[str]) -> str:
    """Assigns diffusers weights as float32. Returns their sha256; for shards, the sha256 of their hashes."""
    recorded = source.hub.digests if source.hub else {}
    tensors, hashes = {}, []
    for name in names:
        record = recorded.get(name)
        found = _read_verified(source, name, record.value if record else "", model)
        hashes.append(found.sha256)
        for written, tensor in found.tensors.items():
            renamed = type(model).from_diffusers(written)  # pyright: ignore[reportAttributeAccessIssue]  # these families have it
            if renamed in tensors:
                raise MismatchError(
                    f"{str(source.folder / name)!r} has {written!r}, which was already read from "
                    f"another shard or under an older name: one of the two is stale. Nothing was loaded."
                )
            tensors[renamed] = tensor
    assign(model, tensors, widened=True)
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def _read_verified(source: Source, name: str, sha256: str, model: Autoencoder) -> TensorFile:
    """Reads a weights file and checks its sha256; a damaged one is fetched once more."""
    path = source.folder / name
    limit = sizes_of(model.state_dict())[0] + SLACK_BYTES
    for fetch_again in (source.fetch_again, None):
        try:
            return read_tensors(path, limit, lambda one: _check_sha256(one, sha256, path, source))
        except WeightsError:
            if fetch_again is None:
                raise
        log.warning("%s of %s is damaged: fetching it once more.", name, source.origin)
        fetch_again()
    raise AssertionError("the last try returns or raises")


def _check_sha256(actual: str, expected: str, path: Path, source: Source) -> None:
    if expected and actual != expected:  # a plain diffusers folder records none
        raise IntegrityError(
            f"sha256 of {str(path)!r} is {actual[:12]}..., expected {expected[:12]}...: its bytes "
            f"have changed. {_fix(source)}",
            path=path,
        )


def _fix(source: Source) -> str:
    """What to do about damaged files."""
    if source.hub:
        twice = "It was fetched twice: delete it, or try another network."
        return twice if source.fetch_again else "Once online, it is fetched again."
    if source.line:
        return f"Fetch it again: reinstall {source.line.registry.distribution}."
    return "Get this folder again from its source."


def save(model: Autoencoder, target: Path, detector: Callable[[str], str] | None = None) -> None:
    """Writes a model's whole folder, with the metadata that belongs to exactly these weights.

    `detector` is as for `save_folder`; None keeps the one in the model's folder.
    """
    data = weights_bytes(model)
    known = model.info
    if known is not None and known.sha256 != hashlib.sha256(data).hexdigest():
        known = None
    if known and known.folder and known.recipe is None and is_on_hub(known.origin):
        known = _as_cached(known, known.folder)
    if detector is None and known and known.folder:
        detector = _detector_in(known.folder)
    model.info = save_folder(
        model,
        target,
        data=data,
        recipe=known.recipe if known else None,
        metrics=known.metrics if known else None,
        figures=_figures_in(known.folder) if known and known.folder else {},
        license=known.license if known else None,
        license_details=known.license_details if known else None,
        detector=detector,
        card=lambda info: _authors_card(known) or render_card(info),
    )


def _as_cached(info: ModelInfo, folder: Path) -> ModelInfo:
    """The metadata of all cached files of a Hub model, which may be more than its load read."""
    if lacking := layout.lacking(folder):
        log.warning(
            "%s: its %s is not cached, and files that are not cached are left out. "
            "`zoo pull %s --to FOLDER` fetches them all.",
            *(info.origin, lacking, info.origin),
        )
    there = {name: Digest.of_link(folder / name) for name in layout.files_of(folder)}
    sound = [name for name, one in there.items() if one is None or one.is_of(folder / name)]
    found = read_info(folder, info.origin, only=sound)
    return replace(found, license=info.license or found.license)


def _authors_card(known: ModelInfo | None) -> str | None:
    """The card of a model's original folder, if its author wrote it."""
    card = card_text(known.folder) if known and known.folder else ""
    return card if is_authors(card) and card != "?" else None


def save_folder(
    model: Autoencoder,
    target: Path,
    *,
    data: bytes | None = None,
    recipe: str | None = None,
    metrics: Record | None = None,
    figures: dict[str, bytes] | None = None,
    license: str | None = None,
    license_details: Mapping[str, str] | None = None,
    detector: Callable[[str], str] | None = None,
    card: Callable[[ModelInfo], str],
) -> ModelInfo:
    """Writes a model's whole folder, keeping other files in it. Returns its metadata.

    `data` is the content of model.safetensors, if already computed; `detector` returns that of
    detector.json for weights of a sha256.
    Every file is complete before the first is moved into place. Raises ZooError if the disk is
    full or read-only, WeightsError for weights that cannot be saved: the folder is then unchanged.
    """
    family = families.of(model)
    families.check_current(model)
    check_savable(model, family.skeleton(model.spec))
    data = data or weights_bytes(model)
    sha256 = hashlib.sha256(data).hexdigest()
    config = config_text(family, model.spec, sha256)
    files: dict[str, bytes | str | None] = {
        layout.CONFIG: config,
        layout.WEIGHTS: data,
        layout.RECIPE: recipe,
        layout.METRICS: record_text(metrics) if metrics else None,
        layout.DETECTOR: detector(sha256) if detector else None,
        **{f"{FIGURES}/{name}.png": picture for name, picture in (figures or {}).items()},
    }
    with replaced(target) as stage:
        for name, content in files.items():
            if content is not None:
                write_atomically(stage / name, content)
        info = read_info(stage, str(target))
        info = replace(info, license=license, license_details=license_details or {})
        write_atomically(stage / layout.CARD, card(info))
    return replace(info, folder=target)


def has_weights_of(model: Autoencoder, info: ModelInfo) -> bool:
    """Whether a model still has the weights that its info describes."""
    return hashlib.sha256(weights_bytes(model)).hexdigest() == info.sha256


def _detector_in(source: Path) -> Callable[[str], str] | None:
    """detector.json of a model's folder, as a function as for `save_folder`; None without one."""
    path = source / layout.DETECTOR
    if not os.path.exists(path):
        return None
    text = read_regular(path, layout.MAX_DETECTOR_BYTES).decode()
    return lambda _: text


def _figures_in(source: Path) -> dict[str, bytes]:
    """The pictures in a model's folder, by name."""
    paths = sorted((source / FIGURES).glob("*.png"))
    return {path.stem: read_regular(path, layout.MAX_FIGURE_BYTES) for path in paths}


def check_target(target: Path) -> None:
    """Raises InputError if writing a model to `target` would overwrite or mix with anything but a model."""
    if os.path.exists(target) and not os.path.isdir(target):
        raise InputError(f"{str(target)!r} is a file, not a folder.")
    if os.path.lexists(target / layout.CONFIG):
        try:
            read_config(target)
        except ZooError as wrong:
            raise InputError(
                f"{wrong}\nNothing was saved: choose an empty or new folder."
            ) from None
    elif os.path.isdir(target) and os.listdir(target):
        raise InputError(f"{str(target)!r} contains other files. Choose an empty or new folder.")
