"""Every score against a plain computation of it, and what all of them promise."""

from __future__ import annotations

import copy
import io
import math
import re

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.covariance import ledoit_wolf
from small_models import built
from torch.distributions import Bernoulli, Normal

import zoo
from zoo.detection.score import parse_score
from zoo.detection.scores import SCORES, Ensemble, Latent, NegELBO, Reconstruction
from zoo.errors import InputError, SpecError, UnknownNameError

QUICK = {
    "nll": {"samples": 5},
    "regret": {"steps": 3, "samples": 2},
    "ensemble": {"members": [{"kind": "reconstruction"}, {"kind": "latent"}, {"kind": "kl"}]},
}
"""Settings of a score that takes long or needs some."""


def values_of(model, examples, kind, reference=None, **settings) -> np.ndarray:
    """A score's values, by the public function."""
    score = {"kind": kind, **settings}
    return zoo.score(model, examples, score, reference=reference, device="cpu").values


def in_unit_range(images) -> torch.Tensor:
    return torch.from_numpy(images).double() / 255


@torch.no_grad()
def moments_of(model, x) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of q(z | x), `(N, D)` each."""
    posterior = model.posterior(x)
    return posterior.mean.double().numpy(), posterior.stddev.double().numpy()


def noise_of(samples: int, size: int) -> np.ndarray:
    """The noise that all examples share, `(K, size)`."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(samples, 1, size, generator=generator)[:, 0].numpy()


@torch.no_grad()
def bernoulli_nats(model, z: np.ndarray, images: np.ndarray) -> np.ndarray:
    """-log p(x | z) of images, `(N,)`, by the formula."""
    p = model.decode(torch.from_numpy(z).float()).double().flatten(1).numpy()
    x = images.reshape(len(images), -1) / 255
    return -(x * np.log(p) + (1 - x) * np.log1p(-p)).sum(1)


def kl_of(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """KL to a standard normal, `(N,)`."""
    return 0.5 * (mean**2 + deviation**2 - 1 - 2 * np.log(deviation)).sum(1)


def negative_elbo(model, images, samples: int) -> np.ndarray:
    mean, deviation = moments_of(model, in_unit_range(images).float())
    nats = [
        bernoulli_nats(model, mean + deviation * noise, images) for noise in noise_of(samples, 3)
    ]
    return np.mean(nats, 0) + kl_of(mean, deviation)


def close(found, expected) -> None:
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


# Each score


@pytest.mark.parametrize(("error", "of"), [("squared", np.square), ("absolute", np.abs)])
def test_reconstruction_is_the_mean_error_of_an_image(vae, images, error, of):
    x = in_unit_range(images).float()
    with torch.no_grad():
        apart = (vae.decode(vae.encode(x)) - x).numpy()
    close(values_of(vae, images, "reconstruction", error=error), of(apart).mean((1, 2, 3)))


def test_reconstruction_of_rows_is_of_standardized_values(of_rows, rows):
    with torch.no_grad():
        apart = of_rows.reconstruct(torch.from_numpy(rows)).numpy() - rows
    close(values_of(of_rows, rows, "reconstruction"), np.mean((apart / np.arange(1, 6)) ** 2, 1))


def test_reconstruction_in_nats_is_the_density_at_the_code(vae, images):
    z = vae.encode(in_unit_range(images).float()).detach().numpy()
    expected = bernoulli_nats(vae, z, images)
    close(values_of(vae, images, "reconstruction", error="nats"), expected)


def test_reconstruction_in_nats_of_rows_is_in_the_users_units(of_rows, rows):
    found = values_of(of_rows, rows, "reconstruction", error="nats")
    x = torch.from_numpy(rows)
    with torch.no_grad():
        expected = -of_rows.likelihood(of_rows.encode(x)).log_prob(x)
    close(found, expected)


def test_neg_elbo_is_the_mean_over_the_shared_noise(vae, images):
    close(values_of(vae, images, "neg-elbo", samples=4), negative_elbo(vae, images, 4))


def test_nll_is_a_logsumexp_over_importance_weights(vae, images):
    mean, deviation = moments_of(vae, in_unit_range(images).float())
    weights = []
    for noise in noise_of(6, 3):
        z = mean + deviation * noise
        prior = Normal(0, 1).log_prob(torch.from_numpy(z)).sum(1)
        own = Normal(torch.tensor(mean), torch.tensor(deviation))
        posterior = own.log_prob(torch.from_numpy(z)).sum(1)
        weights.append(prior - posterior - torch.from_numpy(bernoulli_nats(vae, z, images)))
    expected = math.log(6) - torch.logsumexp(torch.stack(weights), 0)
    close(values_of(vae, images, "nll", samples=6), expected)


def test_nll_falls_with_more_samples_on_average(vae, images):
    few, many = (values_of(vae, images, "nll", samples=k).mean() for k in (1, 200))
    assert many < few


def test_kl_is_that_of_the_posterior(vae, images):
    close(values_of(vae, images, "kl"), kl_of(*moments_of(vae, in_unit_range(images).float())))


def test_latent_is_a_mahalanobis_distance_with_a_shrunk_covariance(vae, images):
    reference = np.random.default_rng(1).integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
    codes, known = (
        vae.encode(in_unit_range(x).float()).detach().double().numpy() for x in (images, reference)
    )
    precision = np.linalg.inv(ledoit_wolf(known)[0])
    apart = codes - known.mean(0)
    expected = [one @ precision @ one for one in apart]
    np.testing.assert_allclose(
        values_of(vae, images, "latent", reference), expected, rtol=1e-3, atol=1e-3
    )


def test_typicality_is_the_distance_to_the_mean_neg_elbo(vae, images):
    own, known = negative_elbo(vae, images, 4), negative_elbo(vae, images[:5], 4)
    found = values_of(vae, images, "typicality", images[:5], samples=4)
    np.testing.assert_allclose(found, abs(own - known.mean()), atol=2e-3)


def test_complexity_subtracts_the_size_of_a_png_file(vae, images):
    sizes = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image[0]).save(file, "PNG", optimize=True)
        sizes.append(len(file.getvalue()))
    assert sizes[6] < min(sizes[:6])
    expected = negative_elbo(vae, images, 4) - 8 * math.log(2) * np.array(sizes)
    np.testing.assert_allclose(values_of(vae, images, "complexity", samples=4), expected, rtol=1e-5)


def test_regret_is_a_gain_and_grows_with_the_steps(vae, images):
    some = [
        values_of(vae, images, "regret", samples=2, steps=steps, learning_rate=0.1)
        for steps in (1, 4, 12)
    ]
    assert (some[0] >= 0).all()
    assert (some[0] <= some[1]).all()
    assert (some[1] <= some[2]).all()
    assert some[0].sum() < some[1].sum() < some[2].sum()


def test_regret_leaves_the_model_alone(vae, images):
    before = {name: weight.clone() for name, weight in vae.state_dict().items()}
    values_of(vae, images, "regret", steps=2, samples=1)
    assert all(torch.equal(weight, before[name]) for name, weight in vae.state_dict().items())
    assert all(weight.grad is None for weight in vae.parameters())


def test_llr_with_every_posterior_is_zero(hierarchy, images):
    for groups in (3, 7):
        found = values_of(hierarchy, images, "llr", groups=groups, samples=2)
        np.testing.assert_allclose(found, 0, atol=1e-3)
    assert abs(values_of(hierarchy, images, "llr", groups=1, samples=2)).min() > 1e-2


@torch.no_grad()
def test_llr_is_the_elbo_less_a_bound_with_lower_groups_from_the_prior(hierarchy, images):
    x = in_unit_range(images).float()
    size = hierarchy.latent_shape[0]
    features = hierarchy._features(x)
    expected = torch.zeros(len(x), dtype=torch.float64)
    for noise in torch.from_numpy(noise_of(2, size)):
        top = features.loc + features.scale * noise[:3]
        grid = hierarchy.decoder.grid(top)
        kl = torch.from_numpy(kl_of(features.loc.numpy(), features.scale.numpy()))
        for group, part in zip(hierarchy.groups, noise[3:].split(size // 2 - 1), strict=False):
            moments = group.prior(grid)
            mean, log_variance = (2 * torch.tanh(moments / 2)).chunk(2, 1)
            deviation = torch.exp(0.5 * 6 * torch.tanh(log_variance / 6))
            grid = group(grid, mean + deviation * part.view(1, *mean.shape[1:]))
        logits = hierarchy.decoder.image(grid)
        nats = -Bernoulli(logits=logits, validate_args=False).log_prob(x).flatten(1).sum(1)
        expected += (nats + kl) / 2
    expected -= torch.from_numpy(values_of(hierarchy, images, "neg-elbo", samples=2))
    found = values_of(hierarchy, images, "llr", groups=1, samples=2)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_an_ensemble_is_the_mean_of_standardized_members(vae, images):
    members = (Reconstruction(), NegELBO(samples=2), Latent())
    known = images[:5]
    expected = []
    for one in members:
        own, reference = (
            values_of(vae, x, one.kind, known, **one.model_dump(exclude={"kind"}))
            for x in (images, known)
        )
        expected.append((own - reference.mean()) / reference.std(ddof=1))
    found = zoo.score(vae, images, Ensemble(members=members), reference=known, device="cpu")
    np.testing.assert_allclose(found.values, np.mean(expected, 0), atol=1e-4)


def test_a_member_that_is_constant_does_not_divide_by_zero(vae, images):
    members = [{"kind": "kl"}, {"kind": "reconstruction"}]
    found = values_of(vae, images, "ensemble", np.repeat(images[:1], 4, 0), members=members)
    assert np.isfinite(found).all()


# What all promise


@pytest.mark.parametrize("kind", [*QUICK, *(k for k in SCORES.names() if k not in QUICK)])
def test_no_score_depends_on_the_other_examples_or_the_order(vae, hierarchy, images, kind):
    model = hierarchy if kind == "llr" else vae
    settings = {"reference": images, **QUICK.get(kind, {})}
    if "samples" in SCORES.get(kind).model_fields:
        settings.setdefault("samples", 2)
    many = np.random.default_rng(2).integers(0, 256, (503, 1, 8, 8), dtype=np.uint8)
    many[499:502] = images[:3]  # across the end of a batch
    found = values_of(model, images, kind, **settings)
    assert np.isfinite(found).all()
    assert np.array_equal(values_of(model, images[::-1].copy(), kind, **settings)[::-1], found)
    assert np.array_equal(values_of(model, images[2:3], kind, **settings), found[2:3])
    if kind != "regret":  # slow
        assert np.array_equal(values_of(model, many, kind, **settings)[499:502], found[:3])


def test_scores_do_not_change_the_callers_random_numbers(vae, images):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    values_of(vae, images, "neg-elbo")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_model_in_training_or_in_bfloat16_learns_and_scores_in_float32(vae, images):
    half = copy.deepcopy(vae).to(torch.bfloat16).train()
    full = copy.deepcopy(half).float().eval()
    for kind in ("latent", "typicality"):
        expected = values_of(full, images, kind, images)
        assert np.array_equal(values_of(half, images, kind, images), expected)
    assert half.training
    assert half.dtype == torch.bfloat16


# Maps


@pytest.mark.parametrize("error", ["squared", "absolute"])
def test_a_map_of_errors_has_their_mean(vae, images, error):
    score = Reconstruction(error=error)
    found = zoo.score(vae, images, score, maps=True, device="cpu")
    assert found.maps is not None
    assert (found.maps.shape, found.maps.dtype) == (images.shape, np.float32)
    close(found.maps.mean((1, 2, 3)), found.values)


def test_a_map_in_nats_has_their_sum(vae, images):
    found = zoo.score(vae, images, Reconstruction(error="nats"), maps=True, device="cpu")
    assert found.maps is not None
    np.testing.assert_allclose(found.maps.sum((1, 2, 3)), found.values, rtol=1e-5)


def test_a_map_of_the_elbo_leaves_the_kl_out(vae, images):
    found = zoo.score(vae, images, NegELBO(samples=3), maps=True, device="cpu")
    assert found.maps is not None
    nats = found.values - values_of(vae, images, "kl")
    np.testing.assert_allclose(found.maps.sum((1, 2, 3)), nats, rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "likelihood"),
    [
        ((1, 8, 8), {"kind": "continuous-bernoulli"}),
        ((1, 8, 8), {"kind": "gaussian"}),
        ((5,), {"kind": "gaussian"}),
        ((5,), {"kind": "columns", "columns": "2r b c3 r"}),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else len(value),
)
def test_maps_differ_between_values_as_the_score_does(shape, likelihood):
    """Their sums differ from the scores by a constant, the volume of a standardized row."""
    model = built("vae", shape, likelihood=likelihood)
    examples = np.random.default_rng(0).normal(size=(6, *shape))
    if len(shape) == 3:
        examples = (255 * np.abs(np.tanh(examples))).astype(np.uint8)
    if likelihood["kind"] == "columns":
        examples[:, 2:4] = [[0, 2], [1, 1], [1, 0], [0, 0], [1, 2], [0, 1]]
    found = zoo.score(model, examples, Reconstruction(error="nats"), maps=True, device="cpu")
    assert found.maps is not None
    apart = found.values - found.maps.reshape(6, -1).sum(1)
    np.testing.assert_allclose(apart, apart[0], atol=2e-2)
    assert len(shape) < 3 or abs(apart[0]) < 2e-2


def test_a_likelihood_that_does_not_factorize_has_no_map(images):
    model = built("vae", (1, 8, 8), likelihood={"kind": "discretized-logistic"})
    with pytest.raises(InputError, match="The score 'neg-elbo' of VAE has no value per pixel"):
        zoo.score(model, images, "neg-elbo", maps=True, device="cpu")


def test_a_score_without_a_map_says_so(vae, images):
    for kind, settings in (("kl", {}), ("regret", {"steps": 1})):
        with pytest.raises(InputError, match=f"The score '{kind}' of VAE has no value per pixel"):
            zoo.score(vae, images, {"kind": kind, **settings}, maps=True, device="cpu")


# What does not fit


@pytest.fixture(scope="module")
def ae() -> zoo.Autoencoder:
    return zoo.build("conv-ae", input_shape=(1, 8, 8), latent_dim=3, seed=0).eval()


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("neg-elbo", "posterior and prior"),
        ("nll", "posterior and prior"),
        ("kl", "posterior and prior"),
        ("regret", "prior and ungrouped posterior"),
        ("llr", "latent groups"),
    ],
)
def test_a_score_names_what_the_model_lacks(ae, images, kind, missing):
    with pytest.raises(
        InputError, match=f"The score '{kind}' needs .*, which .* does not have"
    ) as e:
        values_of(ae, images, kind)
    assert set(missing.split(" and ")) <= set(re.split(r" and |needs |, which", str(e.value)))


def test_a_member_names_what_the_model_lacks(ae, images):
    members = [{"kind": "reconstruction"}, {"kind": "kl"}]
    with pytest.raises(InputError, match="The score 'kl' needs posterior and prior, which "):
        values_of(ae, images, "ensemble", images, members=members)


def test_regret_and_llr_need_the_right_groups(vae, hierarchy, images):
    with pytest.raises(InputError, match="The score 'llr' needs latent groups, which VAE does not"):
        values_of(vae, images, "llr")
    with pytest.raises(InputError, match="'regret' needs ungrouped posterior, which Hierarchical"):
        values_of(hierarchy, images, "regret")


def test_complexity_is_of_images_alone(of_rows, rows):
    with pytest.raises(InputError, match="The score 'complexity' does not support rows"):
        values_of(of_rows, rows, "complexity")
    members = [{"kind": "reconstruction"}, {"kind": "complexity"}]
    with pytest.raises(InputError, match="The score 'complexity' does not support rows"):
        values_of(of_rows, rows, "ensemble", rows, members=members)


@pytest.mark.parametrize(
    ("score", "error", "sentence"),
    [
        ("nl", UnknownNameError, "Unknown score 'nl'. Did you mean 'nll'? Available: reconst"),
        ({"kind": "zzz"}, UnknownNameError, "Unknown score 'zzz'. Available: "),
        ({"samples": 5}, UnknownNameError, "Unknown score ''"),
        ({"kind": "nll", "sample": 5}, SpecError, "sample: unknown field. Did you mean 'samples'?"),
        ({"kind": "nll", "samples": 0}, SpecError, "samples: "),
        ({"kind": "nll", "samples": "many"}, SpecError, "The score 'nll' has a problem"),
        ({"kind": "reconstruction", "error": "cubed"}, SpecError, "error: input should be"),
        ({"kind": "ensemble", "members": [{"kind": "kl"}]}, SpecError, "members: "),
        (
            {"kind": "ensemble", "members": [{"kind": "kl"}, {"kind": "klm"}]},
            SpecError,
            "not 'klm'",
        ),
    ],
)
def test_a_misspelt_score_is_a_sentence(vae, images, score, error, sentence):
    with pytest.raises(error) as caught:
        zoo.score(vae, images, score, device="cpu")
    assert sentence in str(caught.value)


def test_an_ensemble_has_no_ensemble_in_it():
    inner = {"kind": "ensemble", "members": [{"kind": "kl"}, {"kind": "nll"}]}
    with pytest.raises(SpecError, match="an ensemble cannot be a member of an ensemble"):
        parse_score({"kind": "ensemble", "members": [inner, {"kind": "kl"}]})


def test_a_score_that_learns_needs_a_reference(vae, images):
    with pytest.raises(InputError, match="'latent' learns from examples that are normal: give ref"):
        values_of(vae, images, "latent")


def test_examples_of_another_shape_are_refused(vae, rows):
    with pytest.raises(zoo.ZooError, match="the model takes"):
        values_of(vae, rows, "kl")


def test_scores_that_are_not_finite_are_refused_by_key(images):
    body = {"kind": "mlp", "hidden": [16]}
    model = zoo.build("vae", input_shape=(1, 8, 8), latent_dim=3, body=body, seed=0).eval()
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    with pytest.raises(InputError, match="kl is nan for image '0', and not finite for 7 of 7"):
        values_of(model, images, "kl")


# The table


def test_the_most_anomalous_come_first(vae, images):
    found = zoo.score(vae, images, "kl", device="cpu")
    assert len(found) == 7
    assert found.alarms is None
    names, table = found.table(3)
    assert names == ["key", "score"]
    assert [int(key) for key, _ in table] == np.argsort(-found.values)[:3].tolist()
    lines = found.to_csv().splitlines()
    assert lines[0] == "key,score"
    key, value = lines[1].split(",")
    assert float(value) == found.values.max() == found.values[int(key)]
    assert len(lines) == 8


def test_ties_keep_their_order(vae, images):
    found = zoo.score(vae, np.repeat(images[:1], 4, 0), "kl", device="cpu")
    assert found.order().tolist() == [0, 1, 2, 3]


def test_the_distance_is_in_standard_deviations_of_the_reference(rows):
    model = zoo.build("vae", input_shape=rows.shape[1:], latent_dim=2)
    found = zoo.score(model, rows, "distance", reference=rows, device="cpu").values
    z = (rows - rows.mean(0)) / rows.std(0)
    np.testing.assert_allclose(found, np.square(z).mean(1), rtol=1e-4)


def test_a_reference_with_parts_is_its_training_split(monkeypatch):
    seen = []
    monkeypatch.setattr("zoo.detection.score.check_shape", lambda model, x: seen.append(x.split))
    body = {"kind": "mlp", "hidden": [4]}
    model = zoo.build("vae", input_shape=(1, 8, 8), latent_dim=2, body=body)
    zoo.score(model.eval(), "digits", "latent", reference="digits")
    assert seen == ["train", "test"]
