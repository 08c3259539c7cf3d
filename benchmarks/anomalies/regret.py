"""What likelihood regret costs and gains: seconds per image and AUROC."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence

from comparison import print_table

from anomalies.methods import Recipe
from anomalies.pairs import DETECTOR, Subject, detector_score, hashes, scoring
from anomalies.records import LEGEND, Measurement, Records, print_hashes, ranked, shown
from zoo.data import Examples
from zoo.detection.score import parse_score
from zoo.detection.scores.base import Score


def run(recipe: Recipe, records: Records, seed: int, some: Sequence[Subject]) -> None:
    """Measures likelihood regret and the detector's score on every set, and prints a table."""
    rows = []
    for subject in some:
        scores = {DETECTOR: detector_score(recipe, subject.model), "regret": parse_score("regret")}
        for method, score in scores.items():
            measured = _measure(recipe, records, seed, subject, method, score)
            for anomalous, one in zip(subject.problem.anomalous, measured, strict=True):
                seconds = f"{one['seconds_per_image']:.2g}"
                rows.append([subject.name, anomalous.dataset, method, shown([one]), seconds])
    print(f"{LEGEND}; seconds of the {'processor' if recipe.device == 'cpu' else 'clock'}")
    print_table(("model", "anomalous", "score", "AUROC", "s per image"), rows)
    print_hashes(pair for subject in some for pair in hashes(subject))


def _measure(
    recipe: Recipe, records: Records, seed: int, subject: Subject, method: str, score: Score
) -> list[Measurement]:
    """One measurement for each set of anomalies; seconds are of scoring them, without learning."""
    now = time.process_time if recipe.device == "cpu" else time.perf_counter
    made = functools.cache(
        lambda: scoring(subject.model, score, subject.problem.reference, recipe.device)
    )
    normal = functools.cache(lambda: made()(subject.problem.normal))

    def work(anomalous: Examples) -> dict[str, float]:
        low, apply = normal(), made()
        begun = now()
        high = apply(anomalous)
        seconds = (now() - begun) / len(high)
        return {**ranked(low, high, True), "seconds_per_image": seconds}

    found = []
    for anomalous in subject.problem.anomalous:
        of = subject.of(method, anomalous, seed)
        found.append(records.measure(of, functools.partial(work, anomalous)))
        records.write()
    return found
