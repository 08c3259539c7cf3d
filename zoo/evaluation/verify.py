"""`verify`: is a model what it says? Hashes, a strict load, and its numbers measured again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from zoo.data import load_images, may_be_read_for
from zoo.devices import find_device
from zoo.errors import (
    DataError,
    IntegrityError,
    OfflineError,
    UnknownNameError,
    ZooError,
)
from zoo.evaluation.agreement import differences, far_apart, one_sided, unspoken
from zoo.evaluation.evaluate import evaluate_model
from zoo.evaluation.report import Check, Report
from zoo.folder import layout, store
from zoo.folder.card import render_card, source_in
from zoo.folder.config import read_text
from zoo.io.files import read_regular
from zoo.models import Autoencoder
from zoo.registry.sources import HubCommit, Source
from zoo.specs.metrics import SUBSET, Measured, Metrics
from zoo.specs.validation import checked, listed

MAX_SAMPLES, MAX_ENTRIES = 10_000, 20
"""Of somebody's metrics.json: more is not measured again."""


def verify_source(source: Source, *, full: bool, device: str) -> Report:
    """Every check of one model; what follows a failed load is left out."""
    where = find_device(device)
    checks = [_root_of_trust(source)]
    try:
        model = store.load_source(source)
    except ZooError as wrong:
        return Report(source.origin, (*checks, Check("load", "failed", str(wrong))))
    checks.append(Check("load", "passed", "strict: names, shapes, dtypes, sha256, finite"))
    checks += _numbers(model, full, where)
    checks.append(_card(source, model))
    return Report(source.origin, tuple(checks))


def altered(origin: str, wrong: IntegrityError) -> Report:
    """The report on a model whose files could not even be fetched as they were recorded."""
    return Report(origin, (Check("hashes", "failed", str(wrong)),))


def not_found(origin: str, wrong: ZooError) -> Report:
    """The report on a model that is not even there."""
    return Report(origin, (Check("found", "failed", str(wrong)),))


def _root_of_trust(source: Source) -> Check:
    """Which word on the hashes there is, and whether the files keep it."""
    weights, config = source.folder / layout.WEIGHTS, source.folder / layout.CONFIG
    if source.hub is not None and source.line is None:
        return _by_the_hub(source.folder, source.hub)
    if source.line is None:
        detail = "the folder's own sha256 only: it finds damage, not tampering"
        return Check("hashes", "passed", detail)
    try:
        wanted = {weights: source.line.weights_sha256, config: source.line.config_sha256}
        for path, sha256 in wanted.items():
            actual = hashlib.sha256(read_regular(path, 2**40)).hexdigest()
            if actual != sha256:
                detail = (
                    f"sha256 of {path.name} is {actual[:12]}..., the index says {sha256[:12]}..."
                )
                return Check("hashes", "failed", detail)
    except ZooError as wrong:
        return Check("hashes", "failed", str(wrong))
    return Check("hashes", "passed", "config.json and model.safetensors are the index's")


def _by_the_hub(where: Path, hub: HubCommit) -> Check:
    """Whether every file is what the Hub's record says."""
    names = layout.files_of(where)
    for name in names:
        digest = hub.digests.get(name)
        found = digest.of_file(where / name) if digest else None
        if digest is None or found != digest.value:
            detail = f"{name} is not what the Hub's record says at commit {hub.commit}"
            return Check("hashes", "failed", detail)
    lacking = sorted(hub.digests.keys() - set(names))
    detail = f"{len(names)} files are those of the Hub's record at commit {hub.commit}"
    detail += f"; not here: {', '.join(lacking)}" if lacking else ""
    return Check("hashes", "passed", detail)


def _numbers(model: Autoencoder, full: bool, device: torch.device) -> list[Check]:
    """Measures first, reads the published numbers afterwards."""
    record = model.info.metrics if model.info else None
    if record is None or not record.measured:
        return [Check("numbers", "not measured", f"{layout.METRICS} is missing, or has none")]
    try:
        if max(len(record.measured), len(record.subset)) > MAX_ENTRIES:
            raise ZooError(f"{layout.METRICS} has more than {MAX_ENTRIES} entries")
        published, subset = list(map(_parsed, record.measured)), list(map(_parsed, record.subset))
    except ZooError as wrong:
        return [Check("numbers", "failed", str(wrong))]
    again = published if full or not subset else subset
    checks, repeated = [], []
    for settings in again:
        what = f"{settings.dataset} {settings.split}, {settings.protocol}"
        if (settings.nll_samples or 0) > MAX_SAMPLES:
            checks.append(Check(what, "not measured", f"K = {settings.nll_samples:,} is too many"))
            continue
        info = model.info
        untrusted = info is not None and info.origin.startswith("hf://")
        if info and untrusted and not may_be_read_for(settings.dataset, info.family):
            checks.append(
                Check(
                    what,
                    "not measured",
                    "these images are files of its author's, or another package's",
                )
            )
            continue
        try:
            measured = _measure_again(model, settings, device)
        except (DataError, OfflineError, UnknownNameError) as absent:
            checks.append(Check(what, "not measured", str(absent)))
            continue
        except ZooError as wrong:
            checks.append(Check(what, "failed", str(wrong)))
            continue
        repeated.append(measured)
        checks.append(_repeated(what, measured, settings))
    if again is subset:
        checks += [_beside_subset(one, repeated) for one in published]
    return checks


def _beside_subset(published: Metrics, repeated: list[Metrics]) -> Check:
    """The numbers of all images, held against those of the first ones measured again."""
    what = f"all {published.n_images} images, {published.protocol}"
    for measured in repeated:
        same = ("dataset", "split", "protocol")
        if measured.n_images < min(SUBSET, published.n_images):
            continue  # so few images contradict nothing
        if all(getattr(measured, name) == getattr(published, name) for name in same):
            return _not_contradicted(what, measured, published)
    return Check(what, "not measured", f"no subset of {SUBSET} is stored: --full measures them")


def _parsed(one: Measured) -> Metrics:
    """Numbers that this version can measure again. Raises ZooError for others."""
    metrics, problems = checked(Metrics, one.model_dump(mode="json"))
    if metrics is None:
        raise ZooError(listed(layout.METRICS, problems))
    return metrics


def _measure_again(model: Autoencoder, settings: Metrics, device: torch.device) -> Metrics:
    return evaluate_model(
        model,
        load_images(settings.dataset, settings.split),
        protocol=settings.protocol,
        nll_samples=settings.nll_samples or 0,
        limit=settings.n_images,
        seed=settings.seed,
        device=device,
    )


def _repeated(what: str, measured: Metrics, published: Metrics) -> Check:
    """The same images with the same noise: every number must come back."""
    ours, theirs = measured.model_dump(), published.model_dump()
    if found := differences(ours, theirs):
        return Check(what, "failed", "; ".join(found))
    detail = f"{measured.n_images} images measured again: {_headline(measured)}"
    if gone := one_sided(ours, theirs):
        detail += f"; not compared, for the family gained or lost them: {', '.join(gone)}"
    return Check(what, "passed", detail)


def _not_contradicted(what: str, subset: Metrics, published: Metrics) -> Check:
    """All images beside the first ones: no number may be too far off, or unspoken of."""
    ours, theirs = subset.model_dump(), published.model_dump()
    if found := far_apart(ours, theirs):
        return Check(what, "failed", "; ".join(found))
    if silent := unspoken(ours, theirs):
        return Check(what, "not measured", f"{', '.join(silent)}: --full measures them")
    return Check(what, "passed", "agree with the subset's; not repeated one by one: that is --full")


def _headline(metrics: Metrics) -> str:
    shown = {name: getattr(metrics, name) for name in ("neg_elbo", "bce_plus_kl", "nll", "mse")}
    return ", ".join(f"{name} {value:.5g}" for name, value in shown.items() if value is not None)


def _card(source: Source, model: Autoencoder) -> Check:
    card = read_text(source.folder / layout.CARD)
    if model.info is None or card is None:
        return Check("card", "not measured", f"there is no {layout.CARD}")
    where = source_in(card)
    repo = (where or "").removeprefix("hf://").partition("@")[0]
    if where and source.hub and not source.line and repo != source.hub.repo:
        return Check("card", "not measured", f"{layout.CARD} is of another repo: {where}")
    if card == render_card(model.info, where):
        return Check("card", "passed", f"{layout.CARD} says what the other files say")
    detail = f"{layout.CARD} was edited by hand, or written by another version of the zoo"
    return Check("card", "not measured", detail)
