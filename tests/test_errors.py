"""Errors carry the facts of their messages as attributes, in every process."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import zoo
from zoo import errors
from zoo.errors import MismatchError, UnknownNameError, ZooError

CLASSES = [
    one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, ZooError)
]
FACTS = {
    UnknownNameError: {"name": "vea", "known": ("ae", "vae")},
    MismatchError: {"missing": ("a",), "unexpected": ("b", "c"), "misshapen": ("d",), "path": "x"},
}


@pytest.mark.parametrize("cls", CLASSES)
def test_facts_survive_pickling(cls):
    facts = FACTS.get(cls, {"problems": ("epochs: missing", "seed: missing"), "path": "a/b.npy"})
    error = cls("What happened.", **facts)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert str(again) == "What happened."
    assert {name: getattr(again, name) for name in facts} == facts


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_of_a_message_alone_has_no_facts(cls):
    error = cls("What happened.")
    assert (error.problems, error.path) == ((), None)


def refused(attempt, error: type[ZooError]):
    with pytest.raises(error) as caught:
        attempt()
    return caught.value


def test_a_spec_and_a_recipe_have_their_problems(recipe):
    wrong = refused(lambda: zoo.build("vae", latent_dim=0), errors.SpecError)
    assert len(wrong.problems) == 2
    assert [line in str(wrong) for line in wrong.problems] == [True, True]
    many = recipe(epochs=0, **{f"x{n}": 1 for n in range(70)})
    assert len(refused(lambda: zoo.train(many), errors.RecipeError).problems) == 71  # all of them


@pytest.mark.parametrize(
    ("attempt", "name", "known"),
    [
        (lambda: zoo.load("vae-mnsit-20"), "vae-mnsit-20", "vae-mnist-20"),
        (lambda: zoo.build("vea", input_shape=(1, 8, 8)), "vea", "vae"),
        (lambda: zoo.train("vae-digit-8"), "vae-digit-8", "vae-digits-8"),
        (lambda: zoo.evaluate("vae-digits-8", "digitss"), "digitss", "digits"),
    ],
)
def test_an_unknown_name_has_those_that_are_known(attempt, name, known):
    wrong = refused(attempt, UnknownNameError)
    assert wrong.name == name
    assert known in wrong.known


@pytest.fixture
def saved():
    zoo.save(zoo.build("vae", input_shape=(1, 8, 8), latent_dim=3, seed=0), "m")
    return Path("m")


def test_tensors_that_do_not_fit_are_named(saved):
    weights = saved / "model.safetensors"
    tensors = load_file(weights)
    first, second, *_ = sorted(tensors)
    del tensors[first]
    tensors[second] = torch.zeros(1, 2, 3)
    save_file(tensors | {"mine": torch.zeros(1)}, weights)
    config = json.loads((saved / "config.json").read_text())
    config["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    (saved / "config.json").write_text(json.dumps(config))
    wrong = refused(lambda: zoo.load("./m"), MismatchError)
    assert (wrong.missing, wrong.unexpected) == ((first,), ("mine",))
    assert wrong.misshapen == (second,)


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda text: "{", errors.WeightsError),
        (lambda text: text.replace("autoencoder-zoo/1", "autoencoder-zoo/2"), errors.WeightsError),
        (lambda text: text.replace("latent_dim", "latentdim"), errors.SpecError),
        (lambda text: "{}", errors.SourceError),
    ],
)
def test_a_damaged_file_is_known_by_its_path(saved, damage, error):
    config = saved / "config.json"
    config.write_text(damage(config.read_text()))
    wrong = refused(lambda: zoo.load("./m"), error)
    assert Path(str(wrong.path)).resolve() == config.resolve()


def test_bytes_that_have_changed_and_folders_that_do_not_exist_are_known_by_their_path(saved):
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    wrong = refused(lambda: zoo.load("./m"), errors.IntegrityError)
    assert Path(str(wrong.path)).resolve() == weights.resolve()
    assert (
        Path(str(refused(lambda: zoo.load("./nowhere"), errors.SourceError).path)).name == "nowhere"
    )
