"""Every family of one vector with every body and likelihood. What all families keep is tests/plugins/test_kit.py."""

from __future__ import annotations

import itertools

import pytest
import torch

import zoo
from zoo.errors import InputError, PluginError, UnknownNameError
from zoo.families.ae.spec import VectorSpec
from zoo.registry import families

FAMILIES = [f.name for f in families.BUILT_IN.values() if issubclass(f.spec_class, VectorSpec)]
SHAPES = [(1, 8, 8), (3, 9, 13), (1, 64, 40)]
BODIES = [
    {"kind": "mlp", "hidden": [48]},
    {"kind": "conv", "channels": [16, 24], "residual_blocks": 1, "hidden": [48]},
]
LIKELIHOODS = ["bernoulli", "continuous-bernoulli", "gaussian"]


def build(family, shape=(1, 8, 8), body=None, likelihood="bernoulli", **fields):
    body = {"kind": "mlp", "hidden": [16]} if body is None else body
    return zoo.build(
        family,
        seed=0,
        input_shape=shape,
        latent_dim=6,
        body=body,
        likelihood={"kind": likelihood},
        **fields,
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("body", BODIES, ids=lambda b: b["kind"])
@pytest.mark.parametrize("shape", [*SHAPES, (1, 28, 28), (3, 36, 20)], ids=str)
def test_it_builds_for_any_image(family, body, shape):
    model = build(family, shape, body)
    x = torch.rand(2, *shape)
    assert model.encode(x).shape == (2, *model.latent_shape)
    assert model.reconstruct(x).shape == x.shape


@pytest.mark.parametrize("prior", [{"kind": "normal"}, {"kind": "vamp", "components": 3}], ids=str)
@pytest.mark.parametrize("shape", [*SHAPES, (3, 36, 20)], ids=str)
def test_the_hierarchical_one_does_too(shape, prior):
    for groups, body in (((2,), BODIES[1]), ((3, 1), {**BODIES[1], "hidden": []})):
        model = build("hierarchical-vae", shape, body, groups=groups, prior=prior)
        x = torch.rand(2, *shape)
        assert model.reconstruct(x).shape == x.shape


@pytest.mark.parametrize(
    ("likelihood", "body", "shape"),
    [
        (*pair, SHAPES[n % len(SHAPES)])
        for n, pair in enumerate(itertools.product(LIKELIHOODS, BODIES))
    ],
    ids=str,
)
def test_it_overfits_sixteen_images(likelihood, body, shape):
    torch.manual_seed(0)
    images = torch.rand(16, shape[0], 2, 2).repeat_interleave(-(-shape[1] // 2), 2)
    images = images.repeat_interleave(-(-shape[2] // 2), 3)[:, :, : shape[1], : shape[2]]
    images = (images > 0.5).float() if likelihood == "bernoulli" else images * 0.98 + 0.01
    model = build("vae", shape, body, likelihood)
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    baseline = error = (images - images.mean(0)).square().mean()
    for _ in range(250):
        optimizer.zero_grad()
        model.loss(images).total.backward()
        optimizer.step()
        with torch.no_grad():
            error = (model.reconstruct(images) - images).square().mean()
        if error < 0.25 * baseline:
            break
    assert error < 0.25 * baseline


def test_the_tutorials_architectures_can_be_said_exactly():
    ae = zoo.build(
        "ae",
        input_shape=(1, 28, 28),
        latent_dim=64,
        body={"kind": "mlp", "hidden": [256]},
        latent_activation="relu",
    )
    assert [tuple(p.shape) for p in ae.parameters() if p.dim() == 2] == [
        (256, 784),
        (64, 256),
        (256, 64),
        (784, 256),
    ]
    x = torch.rand(2, 1, 28, 28)
    w = dict(ae.state_dict())
    code = torch.relu(
        torch.relu(x.flatten(1) @ w["encoder.0.weight"].T + w["encoder.0.bias"])
        @ w["code.weight"].T
        + w["code.bias"]
    )
    torch.testing.assert_close(ae.encode(x), code)
    hidden = torch.relu(code @ w["decoder.0.weight"].T + w["decoder.0.bias"])
    image = torch.sigmoid(hidden @ w["decoder.1.weight"].T + w["decoder.1.bias"])
    torch.testing.assert_close(ae.reconstruct(x).flatten(1), image)

    separate = zoo.build(
        "vae",
        input_shape=(1, 28, 28),
        latent_dim=20,
        body={"kind": "mlp", "hidden": [400]},
        heads="separate",
        log_variance_bound="off",
    )
    assert {"mean_head.weight", "log_variance_head.weight"} <= set(separate.state_dict())
    joint = zoo.build("vae", input_shape=(1, 28, 28), latent_dim=20)
    assert sum(p.numel() for p in joint.parameters()) == 1_082_680
    assert joint.state_dict()["posterior_head.weight"].shape == (40, 256)


def test_log_variances_stay_within_their_bound():
    model = build("vae", log_variance_bound=2.0)
    with torch.no_grad():
        model.posterior_head.weight.mul_(1e4)
        variance = model.posterior(torch.rand(8, 1, 8, 8)).variance
    assert torch.exp(torch.tensor(-2.0)) * 0.999 <= variance.min()
    assert variance.max() <= torch.exp(torch.tensor(2.0)) * 1.001


def test_beta_weighs_the_kl_term_alone():
    x = torch.rand(4, 1, 8, 8)
    loss = build("beta-vae", beta=3.0).loss(x)
    assert loss.weights == {"kl": 3.0}
    assert list(loss.per_example) == ["reconstruction", "kl"]
    torch.testing.assert_close(loss.total, loss.terms["reconstruction"] + 3 * loss.terms["kl"])


def test_a_warm_up_multiplies_weights_by_name():
    loss = build("beta-vae", beta=3.0).loss(torch.rand(4, 1, 8, 8))
    expected = loss.terms["reconstruction"] + 1.5 * loss.terms["kl"]
    torch.testing.assert_close(loss.scaled({"kl": 0.5}), expected)


def test_sticking_the_landing_has_the_same_expected_gradient():
    model = build("vae")
    some = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    x = (some > 0.5).float().repeat(3000, 1, 1, 1)  # a draw for each copy

    def gradient(kind):
        torch.manual_seed(0)
        model.zero_grad()
        model.loss(x, gradient=kind).total.backward()
        return model.posterior_head.weight.grad.clone()

    exact, stl = gradient("reparameterized"), gradient("stl")
    assert 0 < (exact - stl).norm() < 0.05 * exact.norm()


def test_a_registered_family_is_first_class(tmp_path):
    class LinearSpec(zoo.Spec):
        width: int = 3

        @property
        def latent_shape(self):
            return (self.width,)

    @zoo.register("linear-test")
    class Linear(zoo.Autoencoder):
        Spec = LinearSpec

        def __init__(self, spec):
            super().__init__(spec)
            self.weight = torch.nn.Parameter(torch.randn(spec.input_size, spec.width))

        def _encode(self, x):
            return x.flatten(1) @ self.weight

        def _decode(self, z):
            return torch.sigmoid(z @ self.weight.T).unflatten(-1, self.spec.input_shape)

        def _loss(self, batch, noise):
            error = (self._decode(self._encode(batch.input)) - batch.target).square()
            return zoo.Loss({"reconstruction": error.flatten(1).sum(1)})

    try:
        model = zoo.build("linear-test", input_shape=(1, 8, 8))
        assert "linear-test" in zoo.list_families()
        zoo.save(model, tmp_path / "m")
        assert '"provider": null' in (tmp_path / "m" / "config.json").read_text()
        assert torch.equal(zoo.load(tmp_path / "m").weight, model.weight)
        with pytest.raises(PluginError, match="is taken"):
            zoo.register("vae")(Linear)
        with pytest.raises(InputError, match="lower-case words"):
            zoo.register("No Good")
    finally:
        del families._registered["linear-test"]
    with pytest.raises(UnknownNameError, match="registered family 'linear-test' itself"):
        zoo.load(tmp_path / "m")


@pytest.mark.parametrize("bad", [{"n": -1}, {"n": 10**15}, {"n": 2.5}, {"n": 2, "seed": "a"}])
def test_an_impossible_sample_is_refused(bad):
    with pytest.raises(InputError):
        build("vae").sample(bad["n"], seed=bad.get("seed"))
