"""One class is normal, the other nine are anomalous."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from comparison import print_table

from anomalies.methods import COMPONENTS, DETECTOR, UNTRAINED, Recipe, fit_pca
from anomalies.records import LEGEND, Measurement, Records, mean_of, print_hashes, ranked, shown
from zoo.data import Examples, load_examples
from zoo.datasets import NAMED
from zoo.datasets.idx import IDX
from zoo.errors import DataError

PCA = f"PCA-{COMPONENTS}"
METHODS = (DETECTOR, UNTRAINED, PCA)
DATASETS = ("mnist", "fashion-mnist")
TRAIN_LABELS = "train-labels-idx1-ubyte"


@dataclass(frozen=True)
class Labeled:
    """Images with the class of each."""

    images: Examples
    labels: np.ndarray
    """`(N,)`."""

    def of(self, number: int, limit: int | None) -> Examples:
        """The images of a class; the first `limit`, if given."""
        chosen = torch.from_numpy(np.flatnonzero(self.labels == number)[:limit])
        split = f"{self.images.split}, class {number}"
        return Examples(self.images.dataset, split, self.images.values[chosen])

    def some(self, limit: int | None) -> Labeled:
        """`limit` images, drawn with seed 0; all, if None."""
        if limit is None or limit >= len(self.labels):
            return self
        chosen = np.sort(np.random.default_rng(0).choice(len(self.labels), limit, replace=False))
        values = self.images.values[torch.from_numpy(chosen)]
        return Labeled(
            Examples(self.images.dataset, self.images.split, values), self.labels[chosen]
        )


def run(
    recipe: Recipe,
    records: Records,
    seeds: Sequence[int],
    limit: int | None,
    datasets: Sequence[str],
) -> None:
    """Measures all classes of the datasets and prints a table of each."""
    for name in datasets:
        train, test = _read(name, "train+validation"), _read(name, "test").some(limit)
        classes = NAMED[name].classes
        found: list[dict[str, list[Measurement]]] = []
        hashes = [(f"{name}, test ({len(test.labels):,})", test.images.sha256)]
        for number in range(len(classes)):
            fitted = train.of(number, limit)
            hashes.append((f"{name}, {fitted.split} ({len(fitted):,})", fitted.sha256))
            of = {
                "dataset": name,
                "class": number,
                "train_sha256": fitted.sha256,
                "test_sha256": test.images.sha256,
            }
            found.append(_measure(recipe, records, seeds, of, fitted, test))
            records.write()
        _report(name, classes, found)
        print_hashes(hashes)


def _measure(
    recipe: Recipe,
    records: Records,
    seeds: Sequence[int],
    of: Mapping[str, object],
    fitted: Examples,
    test: Labeled,
) -> dict[str, list[Measurement]]:
    """Each method's measurements by seed; PCA has no seed."""
    is_normal = test.labels == of["class"]

    def work(method: str, seed: int) -> dict[str, float]:
        scores = _scores(method, recipe, fitted, seed)(test.images)
        return ranked(scores[is_normal], scores[~is_normal], seed == seeds[0])

    return {
        method: [
            records.measure(
                {**of, "method": method, "seed": seed}, lambda m=method, s=seed: work(m, s)
            )
            for seed in (seeds[:1] if method == PCA else seeds)
        ]
        for method in METHODS
    }


def _scores(
    method: str, recipe: Recipe, fitted: Examples, seed: int
) -> Callable[[Examples], np.ndarray]:
    """A fitted method: a function that gives each image's score, `(N,)`."""
    if method == PCA:
        errors = fit_pca(fitted.values)
        return lambda images: errors(images.values)
    made = recipe.detector(seed) if method == DETECTOR else recipe.untrained(fitted, seed)
    detector = made.fit(fitted)
    return lambda images: detector.scores(images).values


def _report(
    name: str, classes: Sequence[str], found: Sequence[Mapping[str, Sequence[Measurement]]]
) -> None:
    print(f"{name}: one class is normal, the others are anomalous. {LEGEND}")
    rows = [
        [title, *(shown(one[method]) for method in METHODS)]
        for title, one in zip(classes, found, strict=True)
    ]
    means = [shown(mean_of([one[method] for one in found])) for method in METHODS]
    print_table((name, *METHODS), [*rows, ["mean", *means]])


def _read(name: str, split: str) -> Labeled:
    """Images of a dataset with their classes. Raises DataError if the labels are missing."""
    examples = load_examples(name, split)
    images = Examples(name, split, examples.first(len(examples)))
    dataset = NAMED[name]
    assert isinstance(dataset, IDX)
    if split == "test":
        labels = dataset.test_labels()
    else:
        path = dataset.folder / TRAIN_LABELS
        labels = list(path.read_bytes()[8:]) if path.exists() else None
    if labels is None or len(labels) != len(images):
        raise DataError(f"The labels of {name} ({split}) are missing in {str(dataset.folder)!r}.")
    return Labeled(images, np.array(labels))
