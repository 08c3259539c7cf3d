"""Parameters are counted on the meta device, before anything is allocated."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import torch

import zoo
from zoo.errors import PluginError, SpecError
from zoo.registry import families
from zoo.training.recipe import load_recipe
from zoo.training.run import plan


class WideSpec(zoo.Spec):
    width: int = 4

    @property
    def latent_shape(self):
        return (self.width,)


class Wide(zoo.Autoencoder):
    Spec = WideSpec

    def __init__(self, spec):
        super().__init__(spec)
        self.weight = torch.nn.Parameter(0.1 * torch.randn(spec.input_size, spec.width))

    def _encode(self, x):
        return x.flatten(1) @ self.weight

    def _decode(self, z):
        return torch.sigmoid(z @ self.weight.T).unflatten(-1, self.spec.input_shape)

    def _loss(self, batch, noise):
        error = (self._decode(self._encode(batch.input)) - batch.target).square()
        return zoo.Loss({"reconstruction": error.flatten(1).sum(1)})


class LooksAtItsWeight(Wide):
    def __init__(self, spec):
        super().__init__(spec)
        self.first = float(self.weight[0, 0])


@pytest.fixture
def family() -> Iterator[str]:
    yield "wide"
    families._registered.pop("wide", None)


def test_its_parameters_are_counted(family, tmp_path):
    zoo.register(family)(Wide)
    zoo.save(zoo.build(family, input_shape=(1, 8, 8), width=3), tmp_path / "model")
    assert zoo.info(tmp_path / "model").parameters == 3 * 64


def test_a_dry_run_says_how_many(family):
    zoo.register(family)(Wide)
    recipe = {
        "model": {"family": family, "input_shape": [1, 8, 8]},
        "data": {"dataset": "digits", "protocol": "gray"},
        "training": {"epochs": 1},
    }
    assert plan(load_recipe(recipe)).startswith("Would train 256 parameters on 1,297 images")


@pytest.mark.parametrize("width", [10**8, 10**12])
def test_more_than_a_billion_are_refused_and_nothing_is_allocated(family, tmp_path, width):
    zoo.register(family)(Wide)
    with pytest.raises(SpecError, match=f"the model would have {64 * width:,} parameters"):
        zoo.build(family, input_shape=(1, 8, 8), width=width)
    zoo.save(zoo.build(family, input_shape=(1, 8, 8)), tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["spec"]["width"] = width
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(SpecError, match="the zoo builds at most 1,000,000,000"):
        zoo.load(tmp_path / "model")


def test_a_file_of_another_size_is_refused_unread(family, tmp_path):
    zoo.register(family)(Wide)
    zoo.save(zoo.build(family, input_shape=(1, 8, 8)), tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["spec"]["width"] = 10**7
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(zoo.MismatchError, match="It was not read"):
        zoo.load(tmp_path / "model")


def test_a_class_that_looks_at_its_weights_is_refused(family):
    zoo.register(family)(LooksAtItsWeight)
    with pytest.raises(
        PluginError, match=r"LooksAtItsWeight\.__init__ may not read values of its weights"
    ):
        zoo.build(family, input_shape=(1, 8, 8))
