"""`verify`: is a model what it says? Hashes, a strict load, and its numbers measured again."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from zoo.cards.card import render_card, source_in
from zoo.data.factors import factors_behind
from zoo.data.of_recipe import dataset_of
from zoo.data.open import check_at_hand
from zoo.errors import (
    DataError,
    OfflineError,
    UnknownNameError,
    ZooError,
)
from zoo.evaluation.agreement import beside_subset, differences
from zoo.evaluation.evaluate import evaluate_model
from zoo.evaluation.examples import examples_for
from zoo.evaluation.report import Check, Report
from zoo.folder import layout, store
from zoo.folder.config import read_text
from zoo.io.digests import Digest
from zoo.models import Autoencoder
from zoo.registry import index
from zoo.registry.sources import Source
from zoo.runtime.devices import find_rank_device
from zoo.specs.ground import table_ground
from zoo.specs.metrics import SUBSET, Metrics
from zoo.specs.record import Measured
from zoo.specs.validation import checked, listed

MAX_SAMPLES, MAX_ENTRIES = 10_000, 20
"""Of an untrusted metrics.json: more is not measured again."""


def verify_source(
    source: Source,
    *,
    full: bool,
    device: str,
    dataset: str | Path | None = None,
    offline: bool = False,
) -> Report:
    """Every check of one model; what follows a failed load is left out."""
    where = find_rank_device(device)
    checks = [_hashes(source)]
    try:
        model = store.load_source(source)
    except ZooError as wrong:
        return Report(source.origin, (*checks, Check("load", "failed", str(wrong))))
    hashed = "" if _is_unrecorded(source) else " sha256,"
    checks.append(Check("load", "passed", f"strict: names, shapes, dtypes,{hashed} finite"))
    checks += _numbers(model, full, where, dataset, offline)
    checks.append(_card(source, model))
    return Report(source.origin, tuple(checks))


def _is_unrecorded(source: Source) -> bool:
    """Whether nothing says what the sha256 of the weights must be."""
    is_ours = os.path.lexists(source.folder / layout.WEIGHTS)
    return not is_ours and source.line is None and source.hub is None


def _hashes(source: Source) -> Check:
    """Which record of the hashes there is, and whether the files are what it says.

    Of a published model the index has every file; on the Hub its card is another one, of the repo.
    """
    where, names = source.folder, layout.files_of(source.folder)
    if source.line is not None:
        record = "the index"
        recorded = {name: Digest("sha256", one) for name, one in source.line.sha256.items()}
        if source.hub is not None:
            record += f" and of the Hub's record at commit {source.hub.commit}"
            own = source.hub.digests.get(layout.CARD)
            recorded = {n: one for n, one in recorded.items() if n != layout.CARD}
            recorded |= {layout.CARD: own} if own else {}
        if not source.is_offline:  # else what is not cached is not here
            names = sorted({*names, *recorded})
    elif source.hub is not None:
        record, recorded = f"the Hub's record at commit {source.hub.commit}", source.hub.digests
    else:
        detail = "there is no record of them but the folder's own, which the load checks"
        if _is_unrecorded(source):
            detail = "a folder of diffusers' records none; on the Hub there is a record"
        return Check("hashes", "not measured", detail)
    for name in names:
        if name not in recorded:
            return Check("hashes", "failed", f"{name} is not in {record}")
        if not os.path.lexists(where / name):
            return Check("hashes", "failed", f"{name} is missing, and {record} has it")
        if not recorded[name].is_of(where / name):
            return Check("hashes", "failed", f"{name} is not what {record} says")
    detail = f"{len(names)} files are those of {record}"
    if missing := sorted(recorded.keys() - set(names)):
        detail += f"; not here: {', '.join(missing)}"
    return Check("hashes", "passed", detail)


def _numbers(
    model: Autoencoder,
    full: bool,
    device: torch.device,
    dataset: str | Path | None,
    offline: bool,
) -> list[Check]:
    """Measures first, reads the published numbers afterward."""
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
        if settings.factors and factors_behind(settings) is None:
            absent = "the dataset does not know them: they were in a file"
            checks.append(Check(f"{what}, scores against factors", "not measured", absent))
            settings = settings.without_factors()
        try:
            measured = _measure_again(model, settings, device, dataset, offline)
        except (DataError, OfflineError, UnknownNameError) as absent:
            checks.append(Check(what, "not measured", str(absent)))
        except ZooError as wrong:
            checks.append(Check(what, "failed", str(wrong)))
        else:
            repeated.append(measured)
            checks.append(_repeated(what, measured, settings))
    if again is subset:
        checks += [_beside_subset(one, repeated) for one in published]
    return checks


def _parsed(one: Measured) -> Metrics:
    """The numbers that this version knows: another one may have more. Raises ZooError for damage."""
    known = one.model_dump(mode="json", include=set(Metrics.model_fields))
    metrics, problems = checked(Metrics, known)
    if metrics is None:
        raise ZooError(listed(layout.METRICS, problems), problems=problems)
    return metrics


def _measure_again(
    model: Autoencoder,
    settings: Metrics,
    device: torch.device,
    dataset: str | Path | None,
    offline: bool,
) -> Metrics:
    """The same images with the same noise. Raises DataError for what an untrusted model may not ask for."""
    info = model.info
    if (settings.nll_samples or 0) > MAX_SAMPLES:
        raise DataError(f"K = {settings.nll_samples:,} is too many")
    if dataset is None:
        assert info is not None
        dataset = dataset_of(info, info.recipe or "", settings.dataset)
    check_at_hand(dataset, offline)
    measured = evaluate_model(
        model,
        examples_for(model, dataset, settings.split),
        protocol=settings.protocol,
        nll_samples=settings.nll_samples or 0,
        nll_examples=settings.nll_n_examples,
        limit=settings.n_examples,
        seed=settings.seed,
        factors=factors_behind(settings),
        device=device,
    )
    # by their sha256 they are the same images or not, whatever their folder is called here
    return measured.model_copy(update={"dataset": settings.dataset})


def _repeated(what: str, measured: Metrics, published: Metrics) -> Check:
    """The same examples with the same noise: every number must come back."""
    if found := differences(measured, published):
        return Check(what, "failed", "; ".join(found))
    nouns = table_ground(measured, measured.protocol).nouns
    detail = f"{measured.n_examples} {nouns} measured again: {_headline(measured)}"
    if gone := measured.own.keys() ^ published.own.keys():
        detail += f"; not compared, for the family gained or lost them: {', '.join(sorted(gone))}"
    return Check(what, "passed", detail)


def _beside_subset(published: Metrics, repeated: list[Metrics]) -> Check:
    """All examples beside the first ones: no number may be too far off, or pass unmeasured."""
    nouns = table_ground(published, published.protocol).nouns
    what = f"all {published.n_examples} {nouns}, {published.protocol}"
    for subset in repeated:
        first, whole = (table_ground(one, one.protocol) for one in (subset, published))
        if not first.is_part_of(whole) or subset.n_examples < min(SUBSET, published.n_examples):
            continue  # so few examples contradict nothing
        far, unknown = beside_subset(subset, published)
        if far:
            return Check(what, "failed", "; ".join(far))
        if unknown:
            return Check(what, "not measured", f"{', '.join(unknown)}: --full measures them")
        detail = "agree with the subset's; not repeated one by one: that is --full"
        return Check(what, "passed", detail)
    return Check(what, "not measured", f"no subset of {SUBSET} is stored: --full measures them")


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
    if source.line and source.line.registry == index.own_registry():
        detail = f"{layout.CARD} is not what the zoo writes from the other files"
        return Check("card", "failed", detail)
    detail = f"{layout.CARD} was edited by hand, or written by another version of the zoo"
    return Check("card", "not measured", detail)
