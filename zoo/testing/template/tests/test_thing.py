"""What the zoo relies on, and that the recipe runs."""

from __future__ import annotations

import zoo
import zoo.testing


def test_the_family_does_what_the_zoo_relies_on():
    zoo.testing.check_family("thing")


def test_the_recipe_trains_a_model_that_loads(tmp_path):
    run = zoo.train("thing-digits-8", out=tmp_path / "run", overrides={"epochs": 1})
    zoo.load(run.folder / "model")
    assert zoo.info(run.folder / "model").family == "thing"
