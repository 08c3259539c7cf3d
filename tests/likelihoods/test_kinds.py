"""Every built-in likelihood, through its head: densities, means, and the outputs of a mean."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Independent, Normal

from zoo.distributions.bernoulli import Bernoulli, ContinuousBernoulli
from zoo.distributions.discretized_logistic import DiscretizedLogisticImage
from zoo.likelihoods.base import Likelihood
from zoo.likelihoods.gaussian import GaussianLikelihood
from zoo.likelihoods.registry import LIKELIHOODS
from zoo.models.parts.likelihoods import LikelihoodHead

SHAPES = {"vector": (5,), "series": (2, 7), "image": (3, 4, 5)}
SETTINGS = {"columns": {"columns": "2r b c3 r"}}
ALL = [(kind, domain) for kind, cls in LIKELIHOODS.at_hand().items() for domain in cls.domains]


def made(kind) -> Likelihood:
    return LIKELIHOODS.get(kind)(**SETTINGS.get(kind, {}))


@pytest.mark.parametrize(("kind", "domain"), ALL)
def test_it_is_a_distribution_over_examples_of_its_domains(kind, domain):
    likelihood, shape = made(kind), SHAPES[domain]
    head = LikelihoodHead(likelihood, shape)
    outputs = torch.randn(3, 2, *likelihood.outputs(shape), requires_grad=True)
    found = head.distribution(outputs)
    assert (found.batch_shape, found.event_shape) == ((3, 2), shape)
    assert found.mean.shape == found.sample().shape == (3, 2, *shape)
    found.log_prob(found.sample()).sum().backward()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()
    assert all(own.grad is not None for own in head.parameters())


@pytest.mark.parametrize(("kind", "domain"), ALL)
def test_outputs_for_a_mean_give_that_mean(kind, domain):
    shape = SHAPES[domain]
    mean = torch.linspace(0.2, 0.8, math.prod(shape)).view(shape)
    if kind == "columns":
        mean[3] = 2  # a code
    head = LikelihoodHead(made(kind), shape)
    outputs = head.outputs_for(mean)
    assert outputs.shape == head.likelihood.outputs(shape)
    atol = {"discretized-logistic": 0.15, "continuous-bernoulli": 0.2}.get(kind, 1e-5)  # near it
    torch.testing.assert_close(head.distribution(outputs).mean, mean, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("kind", "cls", "own"),
    [
        ("bernoulli", Bernoulli, ("binarized", "gray")),
        ("continuous-bernoulli", ContinuousBernoulli, ("dequantized",)),
        ("gaussian", Independent, ("dequantized",)),
        ("discretized-logistic", DiscretizedLogisticImage, ("levels",)),
    ],
)
def test_of_images_each_has_its_distribution_and_protocols(kind, cls, own):
    likelihood = LIKELIHOODS.get(kind)()
    outputs = torch.randn(1, *likelihood.outputs((1, 4, 4)))
    assert type(LikelihoodHead(likelihood, (1, 4, 4)).distribution(outputs)) is cls
    assert likelihood.fitting((1, 4, 4)) == own


def test_a_gaussian_of_images_has_a_sigmoid_for_its_mean_and_a_scale_above_a_level():
    head = LikelihoodHead(GaussianLikelihood(), (1, 4, 4))
    assert list(head.state_dict()) == ["log_scale"]
    outputs, x = torch.randn(2, 1, 4, 4), torch.rand(2, 1, 4, 4)
    expected = Normal(torch.sigmoid(outputs), torch.tensor(1 / 256 + 0.1)).log_prob(x)
    torch.testing.assert_close(head.distribution(outputs).log_prob(x), expected.flatten(1).sum(1))


@pytest.mark.parametrize("shape", [(5,), (2, 7)])
@pytest.mark.parametrize("scale", ["learned", "per-column", 0.25])
def test_a_gaussian_of_real_values_has_the_outputs_for_its_mean(shape, scale):
    head = LikelihoodHead(GaussianLikelihood(scale=scale), shape)
    columns = (shape[0], *[1] * (len(shape) - 1))
    value = torch.full(columns if scale == "per-column" else (), 0.3).log()
    if scale == 0.25:
        assert not list(head.parameters())
        sigma = torch.tensor(0.25)
    else:
        with torch.no_grad():
            head.get_parameter("log_scale").add_(value)  # of the shape that the setting says
        assert head.get_parameter("log_scale").shape == value.shape
        sigma = torch.full(value.shape, 0.3 + 1e-3)
    outputs, x = 3 * torch.randn(4, *shape), 3 * torch.randn(4, *shape)
    found = head.distribution(outputs)
    expected = Normal(outputs, sigma).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(found.log_prob(x), expected)
    assert torch.equal(found.mean, outputs)
    assert head.likelihood.fitting(shape) == ("real",)


def test_its_learned_scale_has_a_floor_so_that_the_density_stays_bounded():
    head = LikelihoodHead(GaussianLikelihood(), (1,))
    with torch.no_grad():
        head.get_parameter("log_scale").fill_(-1e4)
    density = head.distribution(torch.zeros(1, 1)).log_prob(torch.zeros(1, 1)).item()
    assert density == pytest.approx(math.log(1e3 / math.sqrt(2 * math.pi)), abs=1e-4)


def test_parameters_per_column_are_each_of_one_column():
    head = LikelihoodHead(GaussianLikelihood(scale="per-column"), (3,))
    with torch.no_grad():
        head.get_parameter("log_scale").copy_(torch.tensor([0.1, 1.0, 10.0]).log())
    x = torch.tensor([[1.0, 1.0, 1.0]])
    expected = sum(Normal(0.0, s + 1e-3).log_prob(torch.tensor(1.0)) for s in (0.1, 1.0, 10.0))
    torch.testing.assert_close(head.distribution(torch.zeros(1, 3)).log_prob(x)[0], expected)


def test_a_class_that_says_nothing_of_outputs_for_says_so_when_it_is_asked():
    with pytest.raises(
        NotImplementedError, match="does not implement outputs_for, which output_bias requires"
    ):
        Likelihood().outputs_for(torch.zeros(3))
