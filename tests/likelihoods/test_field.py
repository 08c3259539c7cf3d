"""The field of a Spec: its default by domain, domains that do not fit, problems, schema, protocols."""

from __future__ import annotations

import pytest

from zoo.errors import InputError, SpecError
from zoo.families.vae.spec import VAESpec
from zoo.likelihoods.field import AnyLikelihood
from zoo.likelihoods.fitting import check_protocol, fitting_protocols
from zoo.likelihoods.gaussian import GaussianLikelihood
from zoo.likelihoods.registry import LIKELIHOODS
from zoo.specs.validation import Strict, validated

KNOWN = ", ".join(map(repr, LIKELIHOODS.names()))


class Thing(Strict):
    """What a Spec of any domain has."""

    input_shape: tuple[int, ...]
    likelihood: AnyLikelihood


def made(**fields) -> Thing:
    return validated(Thing, fields, SpecError, "This")


@pytest.mark.parametrize(
    ("shape", "kind"), [((1, 8, 8), "bernoulli"), ((5,), "gaussian"), ((2, 9), "gaussian")]
)
def test_the_default_follows_the_domain(shape, kind):
    thing = made(input_shape=shape)
    assert thing.likelihood.name() == kind
    assert Thing.model_validate_json(thing.model_dump_json()) == thing
    assert type(Thing(input_shape=shape).likelihood).name() == kind


def test_a_bad_shape_is_the_only_problem_where_the_default_depends_on_it():
    with pytest.raises(SpecError) as caught:
        made(input_shape="x")
    (line,) = str(caught.value).splitlines()[1:]
    assert line.startswith("  input_shape: ")


@pytest.mark.parametrize("kind", ["bernoulli", "continuous-bernoulli", "discretized-logistic"])
def test_a_likelihood_of_images_alone_is_refused_for_rows_with_those_that_fit(kind):
    with pytest.raises(SpecError) as caught:
        made(input_shape=[5], likelihood={"kind": kind}, extra=1)
    lines = str(caught.value).splitlines()[1:]
    assert lines == [
        f"  likelihood: {kind!r} does not support rows, and input_shape (5,) means 5-column rows; use 'gaussian' or 'columns'",
        "  extra: unknown field. Known: input_shape, likelihood.",
    ]


def test_fields_are_those_of_the_kind_in_json_and_in_python():
    given = {"kind": "gaussian", "scale": 0.5}
    assert made(input_shape=[5], likelihood=given).likelihood == GaussianLikelihood(scale=0.5)
    thing = Thing(input_shape=(5,), likelihood=GaussianLikelihood(scale="per-column"))
    assert thing.model_dump()["likelihood"] == {"kind": "gaussian", "scale": "per-column"}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"kind": "gausian"}, f"likelihood: kind should be one of {KNOWN}, not 'gausian'. Did you mean 'gaussian'?"),
        ({}, "likelihood: missing discriminator field 'kind'"),
        ("gausian", "likelihood: input should be an object, not 'gausian'. Write {kind = \"gaussian\"}."),
        (None, "likelihood: input should be an object, not null"),
        ({"kind": "gaussian", "components": 3},
         "likelihood.components: unknown field. Known: kind, scale."),
        ({"kind": "gaussian", "scale": 0},
         "likelihood.scale: input should be 'learned' or 'per-column' or greater than or equal to 0.001, not 0"),
    ],
)  # fmt: skip
def test_problems_are_worded_as_those_of_other_unions(given, line):
    with pytest.raises(SpecError) as caught:
        made(input_shape=[1, 8, 8], likelihood=given)
    assert str(caught.value).splitlines()[1:] == [f"  {line}"]


def test_the_schema_has_the_fields_of_every_kind():
    schema = VAESpec.model_json_schema()
    field = schema["properties"]["likelihood"]
    assert set(field["discriminator"]["mapping"]) == set(LIKELIHOODS.at_hand())
    assert "components" in schema["$defs"]["DiscretizedLogisticLikelihood"]["properties"]


def spec(kind: str) -> VAESpec:
    return VAESpec.parse({"input_shape": (1, 8, 8), "latent_dim": 2, "likelihood": {"kind": kind}})


def test_protocols_that_fit_are_the_likelihoods_own():
    assert fitting_protocols(spec("bernoulli")) == ("binarized", "gray")
    check_protocol("gray", spec("bernoulli"))
    with pytest.raises(InputError) as caught:
        check_protocol("dequantized", spec("bernoulli"))
    assert str(caught.value) == (
        "'dequantized' does not fit a bernoulli likelihood; use 'binarized' or 'gray', or a "
        "continuous-bernoulli or gaussian likelihood."
    )
    with pytest.raises(InputError, match="'real' is not a protocol for images; use 'levels'"):
        check_protocol("real", spec("discretized-logistic"))
    with pytest.raises(InputError, match="Unknown protocol 'grey'"):
        check_protocol("grey", spec("bernoulli"))
