"""Rows and series in the user's units at both ends of a model, and standardized within."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import zoo
from zoo.errors import InputError
from zoo.models import Batch
from zoo.models.objectives import objective_for
from zoo.specs.objectives import IWAE

MEAN = torch.tensor([1.7e9, -3.0, 0.0, 40.0, 5.0], dtype=torch.float64)
SCALE = torch.tensor([86_400.0, 0.01, 1.0, 7.0, 1e-6], dtype=torch.float64)
LOG_VOLUME = float(SCALE.log().sum())


def unit(family="vae", **fields):
    """A model of rows whose standardization changes nothing."""
    return zoo.build(family, input_shape=(5,), latent_dim=2, seed=0, **fields).eval()


def model(family="vae", **fields):
    one = unit(family, **fields)
    one.standardization.set(MEAN, SCALE)
    return one


def rows(count=6):
    """In the user's units, and standardized."""
    x = torch.randn(count, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return MEAN + SCALE * x, x


@pytest.mark.parametrize(("shape", "columns"), [((5,), (5,)), ((2, 7), (2, 1))], ids=str)
def test_its_buffers_are_float64_and_start_at_0_and_1(shape, columns):
    one = zoo.build("vae", input_shape=shape, latent_dim=2)
    for buffer, start in ((one.standardization.mean, 0.0), (one.standardization.scale, 1.0)):
        assert buffer.dtype == torch.float64
        assert torch.equal(buffer, torch.full(columns, start, dtype=torch.float64))


def test_an_image_has_none():
    assert zoo.build("vae", input_shape=(1, 8, 8), latent_dim=2).standardization is None


@pytest.mark.parametrize("family", ["ae", "vae", "beta-tc-vae", "factor-vae"])
def test_encode_takes_the_users_units_and_decode_gives_them(family):
    one, plain = model(family), unit(family)
    users, x = rows()
    torch.testing.assert_close(one.encode(users), plain.encode(x), rtol=1e-5, atol=1e-6)
    z = plain.encode(x)
    assert z.dtype == torch.float32
    for given in (one.decode(z), one.reconstruct(users)):
        assert given.dtype == torch.float64
        torch.testing.assert_close((given - MEAN) / SCALE, plain.decode(z), rtol=1e-5, atol=1e-4)


def test_a_sample_is_in_the_users_units():
    given, plain = model().sample(4, seed=0), unit().sample(4, seed=0)
    assert given.dtype == torch.float64
    torch.testing.assert_close(given, MEAN + SCALE * plain, rtol=0, atol=0)
    assert model().sample(0).dtype == torch.float64


class Copies(type(unit("ae"))):
    """An autoencoder whose code is its example."""

    def _encode(self, x):
        return x

    def _decode(self, z):
        return z


def test_a_timestamp_keeps_its_digits():
    one = Copies(unit("ae").spec.model_copy(update={"latent_dim": 5})).eval()
    one.standardization.set(MEAN, SCALE)
    users, _ = rows(200)
    users[:, 0] = 1.7e9 + torch.arange(200, dtype=torch.float64) * 0.125
    found = one.decode(one.encode(users))
    precision = 86_400 * torch.finfo(torch.float32).eps  # of one standard deviation: 0.01 s
    assert (found[:, 0] - users[:, 0]).abs().max() <= precision
    assert (users[:, 0] - users[:, 0].float().double()).abs().max() > 20  # what float32 loses


def test_each_value_of_a_series_is_standardized_by_its_channel():
    one = zoo.build("vae", input_shape=(2, 3), latent_dim=2)
    one.standardization.set(torch.tensor([[1.0], [-2.0]]), torch.tensor([[10.0], [0.5]]))
    x = torch.tensor([[[1.0, 11.0, 21.0], [-2.0, -1.5, -1.0]]])
    assert one.standardized(x).tolist() == [[[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]]
    assert float(one.standardization.log_volume()) == pytest.approx(3 * math.log(10 * 0.5))


def test_a_likelihood_is_a_density_in_the_users_units():
    one, plain = model(), unit()
    users, x = rows()
    z = torch.randn(6, 2)
    found = one.likelihood(z)
    wanted = plain.likelihood(z).log_prob(x.float()) - LOG_VOLUME
    torch.testing.assert_close(found.log_prob(users), wanted, rtol=1e-4, atol=1e-3)
    assert found.log_prob(users).shape == found.batch_shape == (6,)
    assert found.event_shape == (5,)
    assert torch.equal(found.mean, one.decode(z))
    torch.testing.assert_close(
        found.stddev, plain.likelihood(z).stddev.double() * SCALE, rtol=1e-6, atol=0
    )
    draws = found.sample((3000,))
    assert draws.dtype == torch.float64
    off = (draws.mean(0) - found.mean).abs() / found.stddev
    assert off.max() < 6 / 3000**0.5


def test_a_density_in_the_users_units_integrates_to_one():
    one = zoo.build("vae", input_shape=(1,), latent_dim=2, seed=0).eval()
    one.standardization.set(torch.tensor([1000.0]), torch.tensor([20.0]))
    x = torch.linspace(700, 1300, 60_001, dtype=torch.float64)[:, None]
    with torch.no_grad():
        density = one.likelihood(torch.zeros(2)).log_prob(x).double().exp()
    assert float(density.sum() * 0.01) == pytest.approx(1.0, abs=1e-3)


def test_bounds_shift_by_the_sum_of_the_log_scales():
    one, plain = model(), unit()
    users, x = rows()
    for bound in (lambda m, x: m.elbo(x, samples=3), lambda m, x: m.log_likelihood(x, samples=5)):
        torch.manual_seed(0)
        found = bound(one, users).double()
        torch.manual_seed(0)
        wanted = bound(plain, x).double() - LOG_VOLUME
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("family", ["ae", "vae", "beta-tc-vae", "factor-vae"])
def test_a_loss_shifts_by_the_sum_of_the_log_scales_and_has_the_same_gradient(family):
    one, plain = model(family), unit(family)
    users, x = rows()
    losses = []
    for each, values in ((one, users), (plain, x)):
        torch.manual_seed(0)
        losses.append(each.loss(values))
        losses[-1].total.backward()
    found, wanted = losses
    assert list(found.terms) == list(wanted.terms)
    shift = found.terms["reconstruction"] - wanted.terms["reconstruction"]
    assert shift.item() == pytest.approx(LOG_VOLUME, abs=1e-3)
    for ours, theirs in zip(one.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-3)


def test_the_importance_weighted_loss_is_of_the_same_density():
    one, (users, _) = model(), rows()
    x, noise = one.standardized(users), torch.randn(6, 4, 2)
    loss = objective_for(one, IWAE(samples=4)).loss(one, Batch.of(x), noise)
    bound = one.importance_bound(x, noise.transpose(0, 1))
    torch.testing.assert_close(loss.scores.double(), -bound, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        ([[0.0] * 5, [0.0, 0.0, math.nan, 0.0, 0.0]], "x[1, 2] is nan. Drop such rows, or impute"),
        ([[math.inf, 0.0, 0.0, 0.0, 0.0]], "x[0, 0] is inf. Drop such rows, or impute values."),
    ],
)
@pytest.mark.parametrize("method", ["encode", "reconstruct", "loss", "posterior", "elbo"])
def test_a_value_that_is_not_finite_is_refused_with_its_place(method, x, said):
    with pytest.raises(InputError) as caught:
        getattr(model(), method)(torch.tensor(x))
    wanted = f"{method} takes (N, 5), float32 or float64, finite; got ({len(x)}, 5), float32: "
    assert str(caught.value).startswith(wanted + said)


def test_nan_in_a_series_is_refused_with_its_place():
    one, x = zoo.build("ae", input_shape=(2, 3), latent_dim=2), torch.zeros(4, 2, 3)
    x[3, 1, 2] = math.nan
    with pytest.raises(InputError, match=r"x\[3, 1, 2\] is nan\. Drop such series"):
        one.encode(x)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((2, 5)), "got ndarray. Try torch.as_tensor(x)."),
        (torch.zeros(2, 5, dtype=torch.int64), "got (2, 5), int64. Try x.double()."),
        (torch.zeros(5), "got (5,), float32. Try x[None]."),
        (torch.zeros(2, 4), "got (2, 4), float32."),
        (torch.zeros(2, 1, 5), "got (2, 1, 5), float32."),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_rows_of_another_shape_or_dtype_are_refused(x, said):
    with pytest.raises(InputError) as caught:
        model().encode(x)
    assert str(caught.value) == f"encode takes (N, 5), float32 or float64, finite; {said}"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_another_dtype_of_the_model_leaves_its_buffers_float64(dtype):
    one = model().to(dtype)
    assert one.dtype == dtype
    assert torch.equal(one.standardization.mean, MEAN)
    assert torch.equal(one.standardization.scale, SCALE)
    users, _ = rows()
    assert one.encode(users).dtype == dtype
    assert one.decode(one.encode(users)).dtype == torch.float64


def test_half_double_and_float_do_too():
    for one in (model().half(), model().double(), model().float()):
        assert one.standardization.mean.dtype == torch.float64


def test_a_saved_model_has_the_same_buffers_bit_for_bit(tmp_path):
    one = model()
    one.standardization.mean[1] = 1 / 3
    zoo.save(one, tmp_path / "model")
    for dtype in ("float32", "bfloat16"):
        found = zoo.load(tmp_path / "model", dtype=dtype)
        for name in ("mean", "scale"):
            ours, theirs = (getattr(m.standardization, name) for m in (found, one))
            assert ours.dtype == torch.float64
            assert torch.equal(ours, theirs)
    users, _ = rows()
    assert torch.equal(zoo.load(tmp_path / "model").encode(users), one.encode(users))
