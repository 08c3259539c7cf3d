"""`Scores`: the anomaly scores of examples, and how they are computed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.data import AnyExamples, as_input
from zoo.detection.scores import SCORES, Ensemble
from zoo.detection.scores.base import Learned, Score
from zoo.detection.scores.registry import guarded
from zoo.errors import InputError, SpecError
from zoo.evaluation.evaluate import check_shape
from zoo.evaluation.measure import as_measured, batch_size, check_finite, exact_float32
from zoo.models import Autoencoder
from zoo.models.primitives import parts_of
from zoo.plugins.kinds import kind_of
from zoo.specs.validation import checked, listed

REFERENCE = 5_000
"""Most reference examples that a score learns from: the first in a shuffled order."""


@dataclass(frozen=True)
class Scores:
    """One number per example; higher is more anomalous."""

    values: np.ndarray
    """`(N,)` float64."""
    keys: list[str] = field(repr=False)
    """The key of each example, as in `Examples.key`."""
    score: Score
    """The score and its settings."""
    p_values: np.ndarray | None = None
    """p-values `(N,)`, if the score is calibrated."""
    threshold: float | None = None
    """The lowest score that raises an alarm, if the score is calibrated."""
    alarms: np.ndarray | None = None
    """Whether each score raises an alarm, `(N,)` bool, if the score is calibrated."""
    maps: np.ndarray | None = field(default=None, repr=False)
    """The contribution of each value of an example, `(N, *input_shape)` float32, if asked for."""

    def __len__(self) -> int:
        return len(self.values)

    def order(self) -> np.ndarray:
        """Numbers of the examples `(N,)`, the most anomalous first; ties in their own order."""
        return np.argsort(-self.values, kind="stable")

    def table(self, most: int | None = None) -> tuple[list[str], list[list[str]]]:
        """Names and rows of key, score, p-value and alarm, the most anomalous first."""
        columns = ["key", "score"]
        columns += ["p_value", "alarm"] if self.p_values is not None else []
        rows = []
        for number in self.order()[:most]:
            row = [self.keys[number], repr(float(self.values[number]))]
            if self.p_values is not None and self.alarms is not None:
                row += [repr(float(self.p_values[number])), str(int(self.alarms[number]))]
            rows.append(row)
        return columns, rows

    def to_csv(self) -> str:
        """`table()` as CSV text."""
        file = io.StringIO()
        columns, rows = self.table()
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
        return file.getvalue()


def parse_score(score: str | Score | Mapping[str, Any]) -> Score:
    """A score from its kind, its settings or itself.

    Raises UnknownNameError for an unknown kind, SpecError for invalid settings.
    """
    if isinstance(score, Score):
        return score
    fields = {"kind": score} if isinstance(score, str) else dict(score)
    cls = SCORES.get(str(fields.get("kind", "")))
    found, problems = checked(cls, fields)
    if found is None:
        raise SpecError(listed(f"The score {kind_of(cls)!r}", problems), problems=problems)
    return found


def learn(
    model: Autoencoder,
    score: Score,
    reference: AnyExamples | None,
    *,
    device: torch.device | None = None,
) -> dict[str, Tensor]:
    """What a score learns from reference examples, float64 on the CPU; empty for one that learns nothing.

    It computes on `device`; None is the model's.

    Raises InputError if it learns and there are none, and for a score that the model does not support.
    """
    check_supported(score, model)
    if not score.learns:
        return {}
    kind = kind_of(type(score))
    if reference is None:
        raise InputError(
            f"The score {kind!r} learns from examples that are normal: give reference=, such as the "
            "training set."
        )
    check_shape(model, reference)
    model = as_measured(model, device or model.device)
    numbers = reference.order(0, 0)[:REFERENCE].sort().values
    size = batch_size(model.spec.input_size)

    def batches() -> Iterator[Tensor]:
        for values in reference.read(numbers.split(size)):
            yield model.standardized(as_input(values))

    with guarded(score), torch.inference_mode(), exact_float32():
        found = score.learn(model, batches)
    return {name: tensor.detach().cpu().double() for name, tensor in found.items()}


def score_examples(
    model: Autoencoder,
    score: Score,
    examples: AnyExamples,
    learned: Learned,
    *,
    device: torch.device | None = None,
    maps: bool = False,
) -> Scores:
    """The score of each example, in order.

    Batches have a fixed size, padded at the end, so that an example's score does not depend on how
    many there are.

    Raises InputError for a score that the model does not support, for no examples or ones of another
    shape, and for scores that are not finite.
    """
    if not len(examples):
        raise InputError(f"There are no {examples.domain.nouns} to score.")
    check_shape(model, examples)
    check_supported(score, model)
    model = as_measured(model, device or model.device)
    size, count = batch_size(model.spec.input_size), len(examples)
    values, mapped = np.empty(count), []
    numbers = torch.arange(count)
    with torch.inference_mode(), exact_float32():
        for first, batch in zip(
            range(0, count, size), examples.read(numbers.split(size)), strict=True
        ):
            x = model.standardized(as_input(batch))
            padded = torch.cat([x, x[-1:].expand(size - len(x), *x.shape[1:])])
            with guarded(score):
                found = score.values(model, padded, learned)
                if found.shape != (size,):
                    raise ValueError(
                        f"values() returned {tuple(found.shape)}, not (N,) = ({size},)"
                    )
                values[first : first + len(x)] = found[: len(x)].cpu().double().numpy()
            if maps:
                mapped.append(_map(score, model, x))
    check_finite({kind_of(type(score)): torch.from_numpy(values)}, examples.key, examples.domain)
    keys = [examples.key(number) for number in range(count)]
    return Scores(values, keys, score, maps=np.concatenate(mapped) if mapped else None)


def _map(score: Score, model: Autoencoder, x: Tensor) -> np.ndarray:
    with guarded(score):
        found = score.map(model, x)
    if found is None:
        raise InputError(
            f"The score {kind_of(type(score))!r} of {type(model).__name__} has no value per "
            f"{'pixel' if model.spec.domain.is_image else 'column'}: leave maps out."
        )
    return found.float().cpu().numpy()


def check_supported(score: Score, model: Autoencoder) -> None:
    """Raises InputError for a score that this model does not support."""
    for member in score.members if isinstance(score, Ensemble) else ():
        check_supported(member, model)
    kind = kind_of(type(score))
    if missing := sorted(set(score.parts()) - parts_of(type(model))):
        raise InputError(
            f"The score {kind!r} needs {' and '.join(missing)}, which {type(model).__name__} does not have."
        )
    if model.spec.domain.kind not in score.domains:
        raise InputError(f"The score {kind!r} does not support {model.spec.domain.nouns}.")
