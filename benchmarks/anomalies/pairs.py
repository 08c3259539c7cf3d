"""One dataset is normal, others are anomalous, by the scores of a trained model."""

from __future__ import annotations

import functools
import itertools
import statistics
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from comparison import print_table

import zoo
from anomalies.images import TEST_PAIRS, Folder, Problem, choices, pairs
from anomalies.methods import COMPONENTS, UNTRAINED, Recipe, fit_pca
from anomalies.records import LEGEND, Measurement, Records, mean_of, print_hashes, ranked, shown
from zoo.data import AnyExamples, Examples
from zoo.detection.defaults import default_score
from zoo.detection.score import check_supported, learn, parse_score, score_examples
from zoo.detection.scores.base import Score
from zoo.errors import InputError
from zoo.registry import families
from zoo.runtime.devices import find_device

MODELS = ("vae-mnist-20", "vae-fashion-20")
PCA = f"PCA-{COMPONENTS}"
DETECTOR = "detector's score"
SINGLE: dict[str, dict[str, Any]] = {
    "reconstruction": {"kind": "reconstruction"},
    "reconstruction, absolute": {"kind": "reconstruction", "error": "absolute"},
    "reconstruction, nats": {"kind": "reconstruction", "error": "nats"},
} | {
    kind: {"kind": kind} for kind in ("neg-elbo", "nll", "kl", "latent", "typicality", "complexity")
}
"""Settings of the single scores."""
COMBINED = ("reconstruction", "neg-elbo", "complexity", "latent")
"""Scores of which `--choose` compares all ensembles."""
Scoring = Callable[[Examples], np.ndarray]
"""Gives each image's score, `(N,)`."""


@dataclass(frozen=True)
class Subject:
    """A trained model with its normal images and anomalies."""

    name: str
    model: zoo.Autoencoder
    problem: Problem
    saw_validation: bool
    """Whether its training images include the validation split."""

    @property
    def info(self) -> zoo.ModelInfo:
        """Its metadata."""
        assert self.model.info is not None
        return self.model.info

    def of(self, method: str, anomalous: Examples, seed: int) -> dict[str, object]:
        """What a measurement is of."""
        return {
            "model": self.name,
            "model_sha256": self.info.sha256,
            "method": method,
            "seed": seed,
            "normal": f"{self.problem.normal.dataset} ({self.problem.normal.split})",
            "normal_sha256": self.problem.normal.sha256,
            "anomalous": anomalous.dataset,
            "anomalous_sha256": anomalous.sha256,
            "reference_sha256": self.problem.reference.sha256,
        }


def subjects(
    names: Sequence[str], count: int, folders: Sequence[Folder], choose: bool
) -> list[Subject]:
    """The models with their sets. Raises InputError for a model of another dataset."""
    found = []
    for name in names:
        model = zoo.load(name)
        assert model.info is not None
        data = tomllib.loads(model.info.recipe or "").get("data", {})
        dataset = data.get("dataset")
        if dataset not in TEST_PAIRS:
            raise InputError(f"{name} was trained on {dataset}, not on {' or '.join(TEST_PAIRS)}.")
        problem = choices(dataset, count) if choose else pairs(dataset, count, folders)
        found.append(Subject(name, model, problem, "validation" in data.get("fit", "")))
    return found


def run(
    recipe: Recipe, records: Records, seeds: Sequence[int], choose: bool, some: Sequence[Subject]
) -> None:
    """Measures every score on every set, and prints a table for each model."""
    found = {}
    for subject in some:
        if choose and subject.saw_validation:
            print(f"Not held out: {subject.name} was trained on the validation images too.\n")
        found[subject.name] = _measure(recipe, records, seeds, choose, subject)
        _report(subject, found[subject.name], choose)
    if choose and len(found) > 1:
        _report_means(found)
    print_hashes(pair for subject in some for pair in hashes(subject))


Found = dict[str, dict[str, list[Measurement]]]
"""Measurements by seed, by method and by anomalies."""


def _measure(
    recipe: Recipe, records: Records, seeds: Sequence[int], choose: bool, subject: Subject
) -> Found:
    found: Found = {}
    for method, seed, make in _methods(recipe, seeds, choose, subject):
        measured = _measure_method(records, subject, method, seed, make, seed == seeds[0])
        for anomalous, one in zip(subject.problem.anomalous, measured, strict=True):
            found.setdefault(method, {}).setdefault(anomalous.dataset, []).append(one)
        records.write()
    return found


def _measure_method(
    records: Records,
    subject: Subject,
    method: str,
    seed: int,
    make: Callable[[], Scoring],
    is_first: bool,
) -> list[Measurement]:
    """One measurement for each set of anomalies; the method is made only if one is missing."""
    made = functools.cache(make)
    normal = functools.cache(lambda: made()(subject.problem.normal))
    return [
        records.measure(
            subject.of(method, anomalous, seed),
            lambda anomalous=anomalous: ranked(normal(), made()(anomalous), is_first),
        )
        for anomalous in subject.problem.anomalous
    ]


def _methods(
    recipe: Recipe, seeds: Sequence[int], choose: bool, subject: Subject
) -> list[tuple[str, int, Callable[[], Scoring]]]:
    """Name, seed, and what makes each method. A trained model's scores and PCA have no seed."""
    model, reference = subject.model, subject.problem.reference
    scores = {DETECTOR: detector_score(recipe, model)}
    scores |= {name: parse_score(fields) for name, fields in SINGLE.items()}
    if choose:
        scores |= _ensembles()

    def untrained(seed: int) -> Scoring:
        other = families.get(subject.info.family).build(model.spec, seed).eval()
        return scoring(other, detector_score(recipe, other), reference, recipe.device)

    made: list[tuple[str, int, Callable[[], Scoring]]] = [
        (name, seeds[0], lambda score=score: scoring(model, score, reference, recipe.device))
        for name, score in scores.items()
        if _supports(model, score)
    ]
    made.append((PCA, seeds[0], lambda: _pca(reference)))
    return made + [(UNTRAINED, seed, lambda seed=seed: untrained(seed)) for seed in seeds]


def detector_score(recipe: Recipe, model: zoo.Autoencoder) -> Score:
    """The score that is asked for, or else the default one of a model."""
    return default_score(model) if recipe.score == "default" else parse_score(recipe.score)


def _ensembles() -> dict[str, Score]:
    """All ensembles of two or more of COMBINED."""
    sizes = range(2, len(COMBINED) + 1)
    chosen = [some for size in sizes for some in itertools.combinations(COMBINED, size)]
    return {
        " + ".join(some): parse_score({"kind": "ensemble", "members": [SINGLE[n] for n in some]})
        for some in chosen
    }


def _supports(model: zoo.Autoencoder, score: Score) -> bool:
    try:
        check_supported(score, model)
    except InputError:
        return False
    return True


def scoring(model: zoo.Autoencoder, score: Score, reference: AnyExamples, device: str) -> Scoring:
    """A score that has learned from reference examples."""
    learned, where = learn(model, score, reference), find_device(device)
    return lambda images: score_examples(model, score, images, learned, device=where).values


def _pca(reference: Examples) -> Scoring:
    errors = fit_pca(reference.values)
    return lambda images: errors(images.values)


def _report(subject: Subject, found: Found, choose: bool) -> None:
    normal = subject.problem.normal
    print(
        f"{subject.name}: {len(normal):,} normal images of {normal.dataset} ({normal.split}), and "
        f"{', '.join(f'{len(one):,}' for one in subject.problem.anomalous)} anomalous ones. {LEGEND}"
    )
    columns = list(found[PCA])
    means = {method: mean_of(list(sets.values())) for method, sets in found.items()}
    rows = [
        [method, *(shown(sets[name]) for name in columns), *([shown(means[method])] * choose)]
        for method, sets in found.items()
    ]
    if choose:
        order = sorted(found, key=lambda method: -_auroc(means[method]))
        rows.sort(key=lambda row: order.index(row[0]))
    print_table(("score", *columns, *(["mean"] * choose)), rows)


def _report_means(found: Mapping[str, Found]) -> None:
    """The mean over all models and sets, the highest first."""
    shared = set.intersection(*(set(one) for one in found.values()))
    means = {
        method: mean_of([group for one in found.values() for group in one[method].values()])
        for method in shared
    }
    print(f"Mean over all models and sets. {LEGEND}")
    order = sorted(means, key=lambda method: (-_auroc(means[method]), method))
    print_table(("score", "mean"), [[method, shown(means[method])] for method in order])


def _auroc(measurements: Sequence[Measurement]) -> float:
    return statistics.mean(one["auroc"] for one in measurements)


def hashes(subject: Subject) -> list[tuple[str, str]]:
    """Names and sha256 of the model and of all sets."""
    sets = (subject.problem.reference, subject.problem.normal, *subject.problem.anomalous)
    images = [(f"{one.dataset}, {one.split} ({len(one):,})", one.sha256) for one in sets]
    return [(subject.name, subject.info.sha256), *images]
