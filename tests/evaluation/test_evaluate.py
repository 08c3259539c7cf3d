"""What is measured, under which protocol, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch

import zoo
from zoo.data import StreamedExamples, load_examples
from zoo.data.examples import Examples
from zoo.errors import InputError, UnknownNameError
from zoo.evaluation.evaluate import evaluate_model


def images_of(pixels):
    return Examples("made", "test", pixels)


def small(likelihood="bernoulli", family="vae", shape=(1, 8, 8), **fields):
    return zoo.build(
        family,
        seed=1,
        input_shape=shape,
        latent_dim=3,
        body={"kind": "mlp", "hidden": [16]},
        likelihood={"kind": likelihood},
        **fields,
    )


def test_the_numbers_have_their_names_and_add_up():
    metrics = zoo.evaluate(small(), "digits", split="validation", nll_samples=20)
    assert metrics.dataset == "digits"
    assert metrics.protocol == "binarized"
    assert metrics.n_examples == metrics.nll_n_examples == 200
    assert metrics.neg_elbo == pytest.approx(metrics.reconstruction + metrics.kl, abs=1e-6)
    assert metrics.bits_per_dim == pytest.approx(metrics.neg_elbo / (64 * math.log(2)))
    assert metrics.nll < metrics.neg_elbo
    assert metrics.nll_samples == 20
    assert metrics.bce_plus_kl is None
    assert metrics.ssim is None  # eight pixels are less than its window
    assert metrics.mse > 0
    assert metrics.psnr == pytest.approx(-10 * math.log10(metrics.mse), abs=1)
    for name in ("neg_elbo", "reconstruction", "kl", "nll", "mse", "psnr"):
        assert getattr(metrics, f"{name}_se") > 0


def test_the_gray_protocol_is_no_likelihood():
    metrics = zoo.evaluate(small(), "digits", protocol="gray", nll_samples=20)
    assert metrics.bce_plus_kl == pytest.approx(metrics.reconstruction + metrics.kl, abs=1e-6)
    assert metrics.neg_elbo is metrics.nll is metrics.bits_per_dim is None


def test_dequantized_bits_count_the_256_levels():
    metrics = zoo.evaluate(small("gaussian"), "digits")
    assert metrics.protocol == "dequantized"
    assert metrics.bits_per_dim == pytest.approx(metrics.neg_elbo / (64 * math.log(2)) + 8)


def test_an_autoencoder_has_a_reconstruction_and_no_bound():
    metrics = zoo.evaluate(small(family="ae"), "digits")
    assert metrics.reconstruction > 0
    assert metrics.neg_elbo is metrics.kl is metrics.active_units is None


@pytest.mark.parametrize(
    ("likelihood", "protocol"), [("bernoulli", "dequantized"), ("gaussian", "gray")]
)
def test_a_protocol_that_does_not_fit_is_refused(likelihood, protocol):
    with pytest.raises(InputError, match="does not fit"):
        zoo.evaluate(small(likelihood), "digits", protocol=protocol)


def test_nothing_depends_on_batches_threads_or_the_global_generator(monkeypatch):
    model, images = small(), load_examples("digits", "test")
    torch.manual_seed(1)
    one = evaluate_model(model, images, nll_samples=5)
    torch.manual_seed(2)
    monkeypatch.setattr("zoo.evaluation.measure.IMAGES_AT_ONCE", 7)
    two = evaluate_model(model, images, nll_samples=5)
    assert one.neg_elbo == pytest.approx(two.neg_elbo, abs=1e-4)
    assert one.nll == pytest.approx(two.nll, abs=1e-4)


def test_the_first_images_are_measured_alike_in_a_smaller_run():
    model, images = small(), load_examples("digits", "test")
    few = evaluate_model(model, images, limit=40)
    cut = evaluate_model(model, Examples("digits", "test", images.values[:40]))
    assert few.dataset_sha256 == images.sha256 != cut.dataset_sha256
    assert few == cut.model_copy(update={"dataset_sha256": few.dataset_sha256})


def test_another_seed_draws_other_noise():
    assert (
        zoo.evaluate(small(), "digits", seed=0).neg_elbo
        != zoo.evaluate(small(), "digits", seed=1).neg_elbo
    )


def test_a_half_precision_model_is_measured_in_float32_and_left_as_it_is():
    model = small().to(torch.bfloat16)
    metrics = zoo.evaluate(model, "digits")
    again = zoo.evaluate(model.float(), "digits")
    assert metrics == again
    model.to(torch.bfloat16)
    zoo.evaluate(model, "digits")
    assert next(model.parameters()).dtype == torch.bfloat16


def test_beta_does_not_enter_the_bound():
    plain, heavy = small(family="beta-vae", beta=1.0), small(family="beta-vae", beta=50.0)
    assert zoo.evaluate(plain, "digits") == zoo.evaluate(heavy, "digits")


def test_ssim_is_there_for_images_of_eleven_pixels():
    pixels = torch.randint(0, 256, (4, 1, 12, 12), dtype=torch.uint8)
    metrics = evaluate_model(small(shape=(1, 12, 12)), images_of(pixels))
    assert metrics.ssim is not None
    assert -1 <= metrics.ssim <= 1


def test_a_perfect_model_of_nothing_has_the_coin_flips_score():
    model = small()
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.zero_()
    metrics = zoo.evaluate(model, "digits")
    assert metrics.reconstruction == pytest.approx(64 * math.log(2), abs=1e-4)


@pytest.mark.parametrize("bad", [{"limit": 0}, {"nll_samples": -1}])
def test_impossible_counts_are_refused(bad):
    with pytest.raises(InputError):
        zoo.evaluate(small(), "digits", **bad)


def test_images_of_another_shape_are_refused():
    with pytest.raises(InputError, match="takes 1 x 8 x 9 images; digits has 1 x 8 x 8 images"):
        zoo.evaluate(small(shape=(1, 8, 9)), "digits")


def test_unknown_datasets_and_splits_get_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'digits'"):
        zoo.evaluate(small(), "digit")
    with pytest.raises(InputError, match="Did you mean 'test'"):
        zoo.evaluate(small(), "digits", split="tset")


def test_a_model_without_a_recipe_needs_a_dataset():
    with pytest.raises(InputError, match="has no recipe"):
        zoo.evaluate(small())


def test_a_stream_has_the_numbers_and_the_sha256_of_the_same_images_in_memory(monkeypatch):
    model, pixels = small(), load_examples("digits", "test").values
    held = load_examples(pixels.numpy(), "train")
    monkeypatch.setattr("zoo.data.open.IN_MEMORY", 0)
    streamed = load_examples(iter(pixels), "train")
    assert isinstance(streamed, StreamedExamples)
    one, other = (evaluate_model(model, images) for images in (held, streamed))
    assert one.model_copy(update={"dataset": other.dataset}) == other


@pytest.mark.parametrize("family", ["vae", "ae"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_model_that_gives_no_numbers_gets_a_sentence_with_the_metric_and_the_image(family, value):
    model = small(family=family)
    with torch.no_grad():
        [*model.decoder.parameters()][-1].fill_(value)
    with pytest.raises(
        InputError, match=r"(reconstruction|mse|psnr) is (nan|inf|-inf) for image '0'"
    ):
        zoo.evaluate(model, "digits", limit=3)


def test_a_single_image_has_no_standard_error():
    metrics = zoo.evaluate(small(), "digits", limit=1, nll_samples=3)
    assert metrics.neg_elbo is not None
    errors = {name: value for name, value in dict(metrics).items() if name.endswith("_se")}
    assert set(errors.values()) == {None}
