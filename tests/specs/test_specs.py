"""Specs: strict, bounded, all problems at once, and nothing is built before it was checked."""

from __future__ import annotations

import tracemalloc

import pytest
import torch

import zoo
from zoo.errors import InputError, SpecError, UnknownNameError
from zoo.families.vae.spec import VAESpec
from zoo.registry import families
from zoo.specs.base import MAX_PARAMETERS
from zoo.specs.parts import ConvBody

SMALL = {"input_shape": (1, 8, 8), "latent_dim": 3}


def refused(family: str = "beta-vae", **fields) -> str:
    with pytest.raises(SpecError) as caught:
        zoo.build(family, **{**SMALL, **fields})
    return str(caught.value)


@pytest.mark.parametrize("name", ["vaee", "VAE", "conv_vae", "beta vae", ""])
def test_an_unknown_family_gets_the_nearest_and_all(name):
    with pytest.raises(UnknownNameError) as caught:
        zoo.build(name, **SMALL)
    assert f"No family named {name!r}." in str(caught.value)
    assert ", ".join(zoo.list_families()) in str(caught.value)


def test_a_misspelled_family_gets_the_right_one():
    with pytest.raises(UnknownNameError, match="Did you mean 'beta-vae'"):
        zoo.build("beta-vea", **SMALL)


def test_fields_that_are_missing_are_told_at_once():
    with pytest.raises(SpecError) as caught:
        zoo.build("vae")
    assert str(caught.value).splitlines() == [
        "This VAESpec has 2 problems:",
        "  input_shape: missing",
        "  latent_dim: missing",
    ]


def test_every_kind_of_mistake_is_told_at_once():
    message = refused(
        latentdim=3,
        latent_dim="20",
        input_shape=(1, 28, 28, 1),
        body={"kind": "mlp", "hiden": [3]},
        likelihood={"kind": "bernouli"},
        heads="seperate",
        log_variance_bound=0.5,
        beta=0,
    )
    assert "has 8 problems" in message
    for line in (
        "input_shape: 1, 2 or 3 sides: (D,) a row, (C, L) a series, (C, H, W) an image",
        "latent_dim: input should be a valid integer, not '20'",
        "body.hiden: unknown field. Did you mean 'hidden'?",
        "not 'bernouli'. Did you mean 'bernoulli'?",
        "not 'seperate'. Did you mean 'separate'?",
        "log_variance_bound: input should be 'off' or greater than or equal to 1, not 0.5",
        "beta: input should be greater than 0, not 0",
        "latentdim: unknown field. Did you mean 'latent_dim'?",
    ):
        assert line in message


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"latent_dim": 0}, "latent_dim"),
        ({"latent_dim": -1}, "latent_dim"),
        ({"latent_dim": 65_537}, "latent_dim"),
        ({"latent_dim": 10**9}, "latent_dim"),
        ({"latent_dim": 3.0}, "latent_dim"),
        ({"latent_dim": True}, "latent_dim"),
        ({"latent_dim": None}, "latent_dim"),
        ({"latent_dim": float("nan")}, "latent_dim"),
        ({"input_shape": (0, 8, 8)}, "input_shape.0"),
        ({"input_shape": (65, 8, 8)}, "input_shape"),
        ({"input_shape": (1, 8, 4097)}, "input_shape"),
        ({"input_shape": (1, 8, 8, 8)}, "input_shape"),
        ({"input_shape": 28}, "input_shape"),
        ({"input_shape": "28"}, "input_shape"),
        ({"body": {"kind": "mlp", "hidden": [0]}}, "body.hidden.0"),
        ({"body": {"kind": "mlp", "hidden": [10**9]}}, "body.hidden.0"),
        ({"body": {"kind": "mlp", "hidden": [1] * 33}}, "body.hidden"),
        ({"body": {"kind": "mlp", "activation": "sin"}}, "body.activation"),
        ({"body": {"kind": "conv", "channels": []}}, "body.channels"),
        ({"body": {"kind": "conv", "channels": [4097]}}, "body.channels.0"),
        ({"body": {"kind": "conv", "channels": [1] * 9}}, "body.channels"),
        ({"body": {"kind": "conv", "residual_blocks": 33}}, "body.residual_blocks"),
        ({"body": {"kind": "conv", "hidden": [-1]}}, "body.hidden.0"),
        ({"body": "mlp"}, "body"),
        ({"body": {}}, "body"),
        ({"likelihood": {"kind": "gaussian", "scale": 0.0}}, "likelihood.scale"),
        ({"heads": None}, "heads"),
        ({"log_variance_bound": 31}, "log_variance_bound"),
        ({"log_variance_bound": float("inf")}, "log_variance_bound"),
        ({"beta": 1001}, "beta"),
        ({"beta": float("nan")}, "beta"),
    ],
    ids=str,
)
def test_a_field_out_of_its_range_is_refused_by_name(fields, where):
    message = refused(**fields)
    assert "has a problem" in message
    assert f"\n  {where}: " in message


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((), "1, 2 or 3 sides: (D,) a row, (C, L) a series, (C, H, W) an image"),
        ((1, 8, 8, 8), "1, 2 or 3 sides: (D,) a row, (C, L) a series, (C, H, W) an image"),
        ((65, 8, 8), "at most 64 x 4096 x 4096 images, not 65 x 8 x 8 images"),
        ((4097, 8), "at most 4096 x 1000000 series, not 4097 x 8 series"),
        ((10**6 + 1,), "at most 1000000-column rows, not 1000001-column rows"),
    ],
    ids=str,
)
def test_a_shape_of_no_domain_is_refused(shape, said):
    assert f"\n  input_shape: {said}" in refused(input_shape=shape)


def test_a_body_or_a_family_for_images_alone_says_so():
    message = refused("conv-vae", input_shape=(2, 64))
    assert (
        "a conv body supports images only; for series and rows use body = {kind = 'mlp'}" in message
    )
    for family in ("vq-vae", "hierarchical-vae", "autoencoder-kl"):
        message = refused(family, input_shape=(30,))
        assert "\n  input_shape: this family takes images, not 30-column rows" in message


def test_a_spec_knows_its_domain():
    series = VAESpec.parse({"input_shape": (2, 64), "latent_dim": 3})
    assert (series.domain.kind, series.input_size) == ("series", 128)
    assert VAESpec.parse({"input_shape": (30,), "latent_dim": 3}).domain.nouns == "rows"


def test_an_image_halved_too_often_is_refused():
    message = refused(input_shape=(1, 8, 40), body={"kind": "conv", "channels": [2] * 4})
    assert "body.channels has 4 entries" in message
    assert "8 x 40 pixels can be halved at most 3 times" in message


@pytest.mark.parametrize(
    "fields",
    [
        {"body": {"kind": "mlp", "hidden": [65_536, 65_536]}},
        {"input_shape": (64, 4096, 4096)},
        {"body": {"kind": "conv", "channels": [4096] * 3, "residual_blocks": 32}},
        {"body": {"kind": "mlp", "hidden": [5600] * 32}},
    ],
    ids=str,
)
def test_a_model_of_more_than_1e9_parameters_is_refused_and_counted(fields):
    message = refused(**fields)
    assert f"at most {MAX_PARAMETERS:,}" in message
    assert "parameters; the zoo builds" in message


def test_nothing_is_allocated_for_a_spec_that_is_refused():
    tracemalloc.start()
    before = torch.get_rng_state()
    for fields in (
        {"latent_dim": 10**9},
        {"body": {"kind": "mlp", "hidden": [65_536] * 32}},
        {"body": {"kind": "mlp", "hidden": [10**9] * 32}},
        {"input_shape": (64, 4096, 4096)},
    ):
        refused(**fields)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20
    assert torch.equal(torch.get_rng_state(), before)


def test_a_million_layers_are_refused_at_once():
    assert "at most 32 items" in refused(body={"kind": "mlp", "hidden": [1] * 10**6})


def test_a_spec_is_complete_and_takes_no_fields_beside_it():
    spec = VAESpec.parse(SMALL)
    assert isinstance(zoo.build(spec), zoo.VariationalAutoencoder)
    with pytest.raises(InputError, match="A Spec is complete"):
        zoo.build(spec, latent_dim=4)


def test_a_spec_cannot_be_changed():
    spec = VAESpec.parse(SMALL)
    with pytest.raises(ValueError, match="frozen"):
        spec.latent_dim = 4


@pytest.mark.parametrize("family", sorted(families.BUILT_IN))
def test_a_spec_comes_back_from_its_own_fields(family):
    for spec in zoo.testing.Subject.of(family).specs:
        assert type(spec).parse(spec.model_dump(mode="json")) == spec


def test_a_preset_is_a_family_with_other_defaults():
    assert zoo.build("conv-vae", **SMALL).spec == VAESpec(**SMALL, body=ConvBody())
    assert zoo.build("beta-vae", **SMALL).spec == VAESpec(**SMALL, beta=4.0)
    assert zoo.build("beta-vae", **SMALL, beta=2.0).spec.beta == 2.0
    assert VAESpec.parse(SMALL).body.hidden == (512, 256)
    with pytest.raises(UnknownNameError, match="'beta-vae' is a preset of family 'vae'"):
        families.get("beta-vae")


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "a", True, 10**30])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    with pytest.raises(InputError, match="seed must be an integer from 0"):
        zoo.build("vae", **SMALL, seed=seed)


def test_building_with_a_seed_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    first, again = (zoo.build("vae", **SMALL, seed=3).state_dict() for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_family_that_is_no_name_is_refused():
    with pytest.raises(zoo.ZooError):
        zoo.build(3)
