"""What numbers share if they compare, and the words for it in each domain."""

from __future__ import annotations

import pytest

from zoo.specs.ground import ground_of, table_ground
from zoo.specs.metrics import METRICS, Metrics


def metrics(**changes) -> Metrics:
    fields = {
        "dataset": "ecg",
        "domain": "series",
        "split": "test",
        "protocol": "real",
        "protocol_id": "170e7879",
        "n_examples": 1000,
        "dataset_sha256": "aa",
        "seed": 0,
        "nll": 1.0,
        "nll_samples": 10,
        "nll_n_examples": 1000,
    }
    return Metrics.model_validate(fields | changes)


@pytest.mark.parametrize(
    ("domain", "nouns"), [("vector", "rows"), ("series", "series"), ("image", "images")]
)
def test_examples_are_called_what_they_are(domain, nouns):
    one = metrics(domain=domain)
    shown = str(table_ground(one, "real"))
    assert shown == f"ecg, test split, 1,000 {nouns}, real protocol, seed 0"
    assert str(table_ground(one, "")) == f"ecg, test split, 1,000 {nouns} as they are"
    other = metrics(domain=domain, n_examples=9)
    assert (
        table_ground(one, "").differs(table_ground(other, "")) == f"there are 1,000 and 9 {nouns}"
    )


@pytest.mark.parametrize("name", ["neg_elbo", "nll", "mse"])
def test_the_first_examples_are_part_of_all_where_all_else_is_equal(name):
    whole, first = metrics(), metrics(n_examples=500, nll_n_examples=100)
    assert ground_of(first, name).is_part_of(ground_of(whole, name))
    assert not ground_of(whole, name).is_part_of(ground_of(first, name))
    for change in ({"dataset": "eeg"}, {"split": "train"}):
        other = ground_of(metrics(n_examples=500, **change), name)
        assert not other.is_part_of(ground_of(whole, name))


def test_a_bound_of_fewer_samples_is_no_part():
    fewer = ground_of(metrics(n_examples=500, nll_samples=5), "nll")
    assert not fewer.is_part_of(ground_of(metrics(), "nll"))


def test_metrics_of_images_alone_and_units_say_so():
    of_images = {name for name, metric in METRICS.items() if metric.domains == ("image",)}
    assert of_images == {"psnr", "ssim", "bits_per_dim", "bce_plus_kl"}
    assert METRICS["mse"].unit_of("image") == "per pixel"
    assert METRICS["mse"].unit_of("vector") == "per standardized value"
    assert METRICS["nll"].unit_of("series") == METRICS["nll"].unit_of("image") == "nats"
