"""Which models share a table, which of them rank, and what is never compared."""

from __future__ import annotations

import math

import pytest
import torch

from zoo.bench.entries import Entry
from zoo.bench.ranks import check_comparable, difference, standings
from zoo.errors import InputError
from zoo.specs.metrics import Metrics


def entry(model: str, per_image=None, **numbers) -> Entry:
    """A measured model; `per_image` is each image's neg_elbo."""
    fields = {
        "dataset": "mnist",
        "split": "test",
        "protocol": "binarized",
        "n_examples": 100,
        "dataset_sha256": "aa",
        "seed": 0,
    }
    each = {}
    if per_image is not None:
        each = {"neg_elbo": per_image}
        error = per_image.std().item() / math.sqrt(len(per_image))
        fields |= {"neg_elbo": per_image.mean().item(), "neg_elbo_se": error}
    return Entry(model, "vae", measured=Metrics(**(fields | numbers)), per_image=each)


def ranks(*entries: Entry) -> dict[str, int | None]:
    [table] = standings(entries)
    return {row.entry.model: row.rank for row in table.rows}


def test_models_of_different_datasets_images_or_protocols_share_no_table():
    entries = [
        entry("a", neg_elbo=1.0, neg_elbo_se=0.1),
        entry("b", neg_elbo=1.0, neg_elbo_se=0.1, dataset="digits", dataset_sha256="cc"),
        entry("c", neg_elbo=1.0, neg_elbo_se=0.1, n_examples=50),
        entry("d", neg_elbo=1.0, neg_elbo_se=0.1, dataset_sha256="bb"),
        entry("e", bce_plus_kl=1.0, bce_plus_kl_se=0.1, protocol="gray"),
    ]
    tables = [{row.entry.model for row in table.rows} for table in standings(entries)]
    assert sorted(map(sorted, tables)) == [["a"], ["b"], ["c"], ["d"], ["e"]]


def test_all_protocols_of_a_dataset_share_the_table_of_reconstructions():
    entries = [
        entry("a", neg_elbo=1.0, neg_elbo_se=0.1, mse=0.2, mse_se=0.01),
        entry("b", reconstruction=1.0, protocol="gray", mse=0.1, mse_se=0.01),
    ]
    table = standings(entries)[-1]
    assert [(row.entry.model, row.rank) for row in table.rows] == [("b", 1), ("a", 2)]
    assert table.names == ["mse"]


def test_the_best_stands_first_and_what_two_standard_errors_do_not_tell_apart_shares_a_rank():
    assert ranks(
        entry("far", neg_elbo=95.0, neg_elbo_se=0.5),
        entry("near", neg_elbo=91.0, neg_elbo_se=0.5),
        entry("best", neg_elbo=90.0, neg_elbo_se=0.5),
    ) == {"best": 1, "near": 1, "far": 3}


def test_the_error_of_a_difference_is_taken_image_by_image():
    hard = torch.randn(100, generator=torch.Generator().manual_seed(0)) * 20 + 90
    better, worse = entry("better", hard), entry("worse", hard + 1 + torch.arange(100) % 2)
    apart, error = difference("neg_elbo", worse, better)
    assert apart == pytest.approx(1.5)
    assert error == pytest.approx(0.0503, abs=1e-4)
    assert ranks(worse, better) == {"better": 1, "worse": 2}
    unpaired = [
        entry(x.model, neg_elbo=x.measured.neg_elbo, neg_elbo_se=2.0) for x in (better, worse)
    ]
    assert set(ranks(*unpaired).values()) == {1}


def test_numbers_without_a_standard_error_rank_nothing():
    assert set(
        ranks(entry("a", neg_elbo=1.0, neg_elbo_se=0.0), entry("b", neg_elbo=9.0)).values()
    ) == {1}


def test_one_image_ranks_no_model():
    one = [entry(name, neg_elbo=value, n_examples=1) for name, value in (("a", 1.0), ("b", 9.0))]
    [table] = standings(one)
    assert [(row.entry.model, row.rank) for row in table.rows] == [("a", None), ("b", None)]
    assert not table.is_ranked


def test_bounds_rank_only_where_all_have_them_with_the_same_k_and_images():
    def bounded(model, value, images):
        nll = {"nll": value - 4, "nll_se": 0.1, "nll_samples": 10, "nll_n_examples": images}
        return entry(model, neg_elbo=value, neg_elbo_se=0.1, **nll)

    [alike] = standings([bounded("a", 90.0, 100), bounded("b", 80.0, 100)])
    assert (alike.main, alike.names[0]) == ("nll", "nll")
    [unlike] = standings([bounded("a", 90.0, 100), bounded("b", 80.0, 50)])
    assert unlike.main == "neg_elbo"
    assert "only equal ones compare" in unlike.nll_note
    [partly] = standings([bounded("a", 90.0, 100), entry("b", neg_elbo=1.0, neg_elbo_se=0.1)])
    assert partly.main == "neg_elbo"


def test_a_model_without_the_number_that_orders_a_table_stands_last_and_unranked():
    assert ranks(
        entry("ae", reconstruction=50.0, reconstruction_se=0.1),
        entry("vae", neg_elbo=90.0, neg_elbo_se=0.1),
    ) == {"vae": 1, "ae": None}


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("neg_elbo", {"protocol": "dequantized"}, "protocol is binarized and dequantized"),
        ("neg_elbo", {"protocol_id": "aaaaaaaa"}, "protocol_id is None and aaaaaaaa"),
        ("neg_elbo", {"n_examples": 50}, "there are 100 and 50 images"),
        ("neg_elbo", {"seed": 1}, "seed is 0 and 1"),
        ("neg_elbo", {"split": "validation"}, "split is test and validation"),
        ("neg_elbo", {"dataset_sha256": "bb"}, "the images differ, in content, order"),
        ("nll", {"nll_samples": 50}, "nll_samples is 10 and 50"),
        ("nll", {"nll_n_examples": 50}, "nll_n_examples is 100 and 50"),
        ("mse", {"dataset": "digits", "dataset_sha256": "bb"}, "differ (mnist and digits)"),
        ("mse", {"reconstruction_id": "aaaaaaaa"}, "reconstruction_id is None and aaaaaaaa"),
        ("mig", {"factors_sha256": "ff"}, "factors_sha256 is None and ff"),
    ],
)
def test_numbers_of_different_grounds_are_refused_in_a_sentence(name, changes, said):
    numbers = {
        "neg_elbo": 1.0,
        "nll": 1.0,
        "nll_samples": 10,
        "nll_n_examples": 100,
        "mse": 0.1,
        "mig": 0.5,
    }
    one, other = entry("a", **numbers), entry("b", **(numbers | changes))
    with pytest.raises(InputError, match="does not compare") as refused:
        check_comparable(name, one, other)
    assert said in str(refused.value)
    with pytest.raises(InputError):
        difference(name, one, other)


def test_reconstructions_compare_under_any_protocol():
    one = entry("a", mse=0.1, mse_se=0.01)
    other = entry("b", mse=0.1, mse_se=0.01, protocol="gray", protocol_id="aaaaaaaa", seed=1)
    check_comparable("mse", one, other)
