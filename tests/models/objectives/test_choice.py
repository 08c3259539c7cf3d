"""Which objective a family is trained on, which it can be, and how another is refused."""

from __future__ import annotations

import re

import pytest
import torch

import zoo
from zoo.errors import InputError, RecipeError
from zoo.models.objectives import default_of
from zoo.models.primitives import parts_of
from zoo.registry import families
from zoo.runtime import processes
from zoo.specs.objectives import (
    ELBO,
    IWAE,
    Likelihood,
    Own,
    Pixels,
    TotalCorrelation,
    default_objective,
)
from zoo.training.recipe import Recipe, objective_of

SHAPE = (1, 8, 8)
MINIBATCH = TotalCorrelation(estimator="minibatch")
DISCRIMINATOR = TotalCorrelation(estimator="discriminator")


def build(family, **fields):
    return zoo.build(family, input_shape=SHAPE, latent_dim=3, **fields)


def recipe(family="vae", model=None, **training):
    return Recipe.parse(
        {
            "model": {
                "family": family,
                "input_shape": list(SHAPE),
                "latent_dim": 3,
                **(model or {}),
            },
            "data": {"dataset": "digits", "protocol": "binarized"},
            "training": {"epochs": 1, **training},
        }
    )


@pytest.mark.parametrize("family", sorted(families.BUILT_IN))
def test_the_parts_that_a_spec_names_are_those_that_the_class_implements(family):
    found = families.get(family)
    assert parts_of(found.cls) == frozenset(found.spec_class.parts) == found.parts


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        (("code",), Pixels(error="l2", kl=0.0)),
        (("code", "likelihood"), Likelihood()),
        (("code", "likelihood", "posterior", "prior"), ELBO()),
        (("code", "likelihood", "posterior", "prior", "loss"), Own()),
        (("code", "posterior", "prior"), Pixels(error="l2", kl=0.0)),
    ],
)
def test_the_default_objective_follows_from_the_parts(parts, wanted):
    assert default_objective(parts) == wanted


@pytest.mark.parametrize(
    ("family", "wanted"),
    [
        ("ae", Likelihood()),
        ("vq-vae", Likelihood()),
        ("vae", ELBO()),
        ("beta-vae", ELBO()),
        ("hierarchical-vae", ELBO()),
        ("beta-tc-vae", MINIBATCH),
        ("factor-vae", DISCRIMINATOR),
    ],
)
def test_a_family_has_a_default_in_a_loss_and_in_a_recipe(family, wanted):
    assert default_of(build(family)) == wanted
    chosen = recipe(family)
    assert objective_of(chosen.spec, families.get(chosen.family).parts, chosen.training) == wanted


REFUSED = [
    ("ae", ELBO(), "'elbo' needs a posterior and a prior."),
    ("ae", IWAE(samples=2), "'iwae' needs a prior and an ungrouped posterior."),
    ("ae", MINIBATCH, "'total-correlation' needs a prior and an ungrouped posterior."),
    ("ae", Own(), "'own' needs a loss."),
    ("vq-vae", ELBO(), "'elbo' needs a posterior and a prior."),
    ("vae", DISCRIMINATOR, "'total-correlation' needs a discriminator."),
    ("beta-tc-vae", DISCRIMINATOR, "'total-correlation' needs a discriminator."),
    ("hierarchical-vae", IWAE(samples=2), "'iwae' needs an ungrouped posterior."),
    ("hierarchical-vae", Pixels(), "'pixels' needs an ungrouped posterior."),
    ("hierarchical-vae", MINIBATCH, "'total-correlation' needs an ungrouped posterior."),
    ("beta-vae", IWAE(samples=2), "'iwae' has no term 'kl', which the model weights by 4.0."),
    ("beta-vae", Likelihood(), "'likelihood' has no term 'kl', which the model weights by 4.0."),
    ("beta-vae", Pixels(), "'pixels' has no term 'kl', which the model weights by 4.0."),
    ("beta-vae", MINIBATCH, "'total-correlation' has no term 'kl', which the model weights by"),
    ("beta-tc-vae", ELBO(), "'elbo' has no term 'total_correlation', which the model weights by"),
    ("beta-tc-vae", ELBO(free_bits=0.5), "'elbo' has no term 'total_correlation', which the"),
    ("beta-tc-vae", IWAE(samples=2), "'iwae' has no term 'total_correlation', which the model"),
    ("beta-tc-vae", Likelihood(), "'likelihood' has no term 'total_correlation', which the"),
    ("factor-vae", ELBO(), "'elbo' has no term 'total_correlation', which the model weights by"),
    ("factor-vae", Pixels(), "'pixels' has no term 'total_correlation', which the model weights"),
]  # fmt: skip


@pytest.mark.parametrize(("family", "objective", "why"), REFUSED, ids=str)
def test_an_objective_that_a_family_is_not_fit_for_is_refused_in_a_loss(family, objective, why):
    model = build(family)
    with pytest.raises(InputError) as caught:
        model.loss(torch.rand(2, *SHAPE), objective=objective)
    assert str(caught.value).startswith(
        f"{type(model).__name__} does not support this objective: {why}"
    )
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(("family", "objective", "why"), REFUSED, ids=str)
def test_an_objective_that_a_family_is_not_fit_for_is_refused_in_a_recipe(family, objective, why):
    name = "vae" if family == "beta-vae" else family
    message = (
        f"training.objective: {name!r} does not support this objective: {why.removesuffix('.')}"
    )
    with pytest.raises(RecipeError, match=re.escape(message)):
        recipe(family, objective=objective.model_dump())


@pytest.mark.parametrize(
    ("family", "objective"),
    [
        ("vae", IWAE(samples=2)),
        ("vae", MINIBATCH),
        ("vae", Pixels()),
        ("vae", Likelihood()),
        ("factor-vae", MINIBATCH),
        ("hierarchical-vae", Likelihood()),
        ("vq-vae", Pixels()),
        ("ae", Pixels()),
    ],
    ids=str,
)
def test_any_objective_that_a_family_has_the_parts_for_has_a_gradient(family, objective):
    recipe(family, objective=objective.model_dump())
    model = build(family)
    model.loss(torch.rand(4, *SHAPE), objective=objective).total.backward()
    gradients = [p.grad.isfinite().all() for p in model.encoder.parameters() if p.grad is not None]
    assert gradients
    assert all(gradients)


@pytest.mark.parametrize("objective", ["iwae", {"kind": "elbo"}, 3], ids=str)
def test_what_is_no_objective_is_refused(objective):
    with pytest.raises(InputError, match=r"objective must be ELBO\(\), IWAE\(samples=K\), "):
        build("vae").loss(torch.rand(2, *SHAPE), objective=objective)


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        ("vae", "elbo"),
        ("beta-vae", "elbo"),
        ("hierarchical-vae", "elbo"),
        ("beta-tc-vae", "total-correlation"),
        ("factor-vae", "total-correlation"),
    ],
)
@pytest.mark.parametrize(
    ("gradient", "why"),
    [
        ("slt", "; got 'slt'. Did you mean 'stl'?"),
        ("dreg", "; got 'dreg'."),
        (None, "; got None."),
    ],
)
def test_a_gradient_that_the_objective_has_not_is_refused(family, kind, gradient, why):
    with pytest.raises(InputError) as caught:
        build(family).loss(torch.rand(2, *SHAPE), gradient=gradient)
    known = f"gradient is 'reparameterized' or 'stl' for objective {kind!r}"
    assert str(caught.value).endswith(known + why)


@pytest.mark.parametrize(
    ("family", "gradient", "objective", "known"),
    [
        ("vae", "stl", IWAE(samples=2), "'reparameterized' or 'dreg' for objective 'iwae'; got"),
        ("vae", "dreg", ELBO(), "'reparameterized' or 'stl' for objective 'elbo'; got 'dreg'"),
        ("vae", "stl", Pixels(), "'reparameterized' for objective 'pixels'; got 'stl'"),
        ("ae", "dreg", None, "'reparameterized' for objective 'likelihood'; got 'dreg'"),
    ],
    ids=str,
)
def test_a_gradient_of_another_objective_is_refused(family, gradient, objective, known):
    with pytest.raises(InputError, match=f"gradient is {known}"):
        build(family).loss(torch.rand(2, *SHAPE), objective=objective, gradient=gradient)
    training = {"objective": objective.model_dump()} if objective else {}
    with pytest.raises(RecipeError, match=f"training.gradient: .* gradient is {known}"):
        recipe(family, gradient=gradient, **training)


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ({"kind": "iwae", "samples": 0}, "samples: input should be greater than"),
        ({"kind": "iwae", "resampled": 0}, "resampled"),
        ({"kind": "iwae", "samples": 2, "resampled": 3}, "at most samples, which is 2"),
        ({"kind": "iwae", "samples": 2, "warmup_epochs": 1}, "warmup_samples: at most"),
        ({"kind": "iwea"}, "objective"),
        ({"kind": "elbo", "free_bits": -1.0}, "free_bits"),
        ({"kind": "total-correlation", "estimator": "batch"}, "estimator"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(objective, said):
    with pytest.raises(RecipeError, match=said):
        recipe(objective=objective)


WHOLE = [
    ("vae", {"objective": {"kind": "elbo", "free_bits": 0.5}}, "free bits apply to the mean KL"),
    ("beta-tc-vae", {}, "'total-correlation' couples the examples of a batch"),
    ("factor-vae", {}, "'total-correlation' couples the examples of a batch"),
    (
        "vae",
        {"objective": MINIBATCH.model_dump()},
        "'total-correlation' couples the examples of a batch",
    ),
]


@pytest.mark.parametrize(("family", "training", "why"), WHOLE, ids=str)
@pytest.mark.parametrize("parts", [{"accumulate": 2}, {"exact_shards": 2}], ids=str)
def test_an_objective_of_whole_batches_is_refused_in_parts(family, training, why, parts):
    (name,) = parts
    with pytest.raises(RecipeError, match=f"training.{name}: {why}"):
        recipe(family, **training, **parts)
    assert recipe(family, **training).training
    assert recipe(family, **training, **dict.fromkeys(parts, 1)).training


def test_an_objective_of_whole_batches_is_refused_in_a_process_group(monkeypatch):
    monkeypatch.setattr(processes, "group", lambda: (0, 2))
    x, shape = torch.rand(4, 1, 8, 8), {"input_shape": (1, 8, 8), "latent_dim": 2}
    with pytest.raises(InputError, match="over a process group: 'total-correlation' couples the"):
        zoo.build("beta-tc-vae", **shape).loss(x)
    vae = zoo.build("vae", **shape)
    with pytest.raises(InputError, match="free bits apply to the mean KL of the whole batch"):
        vae.loss(x, objective=ELBO(free_bits=1.0))
    assert vae.eval().loss(x, objective=ELBO(free_bits=1.0)).total > 0


def test_an_objective_of_examples_is_not_refused_in_parts():
    for objective in (ELBO(), IWAE(samples=2), Likelihood(), Pixels()):
        assert not objective.coupling()
        assert recipe(objective=objective.model_dump(), accumulate=2).training.accumulate == 2
