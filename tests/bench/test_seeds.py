"""A recipe with several seeds: what is trained, what is measured, and what is not done twice."""

from __future__ import annotations

import statistics

import pytest

from zoo.bench.seeds import train_with_seeds
from zoo.errors import RecipeError
from zoo.specs.record import SeedRuns
from zoo.training.recipe import Recipe

GOOD = {
    "model": {
        "family": "vae",
        "input_shape": [1, 8, 8],
        "latent_dim": 3,
        "body": {"kind": "mlp", "hidden": [5]},
    },
    "data": {"dataset": "digits", "protocol": "binarized"},
    "training": {"epochs": 1},
}


@pytest.fixture
def file(tmp_path) -> str:
    """A recipe that trains in a second, with a seed of its own."""
    path = tmp_path / "small.toml"
    sections = GOOD | {"training": {"epochs": 1, "seed": 7}}
    path.write_text(Recipe.parse(sections).to_toml())
    return str(path)


def test_every_seed_is_trained_and_measured_and_its_spread_is_that_of_the_seeds(file, tmp_path):
    said: list[str] = []
    found = train_with_seeds(file, 3, tmp_path / "runs", limit=50, device="cpu", say=said.append)
    assert [run.seed for run in found.runs] == [7, 8, 9]
    assert len({run.weights_sha256 for run in found.runs}) == 3
    binarized, gray = found.seeds
    assert (binarized.protocol, gray.protocol) == ("binarized", "gray")
    assert (binarized.split, binarized.n_examples, binarized.seeds) == ("test", 50, (7, 8, 9))
    values = [run.measured[0].neg_elbo or 0.0 for run in found.runs]
    spread = binarized.metrics["neg_elbo"]
    assert spread.mean == pytest.approx(statistics.fmean(values))
    assert spread.std == pytest.approx(statistics.stdev(values))
    errors = [run.measured[0].neg_elbo_se or 0.0 for run in found.runs]
    assert spread.se == pytest.approx(statistics.fmean(errors))
    assert SeedRuns.model_validate_json(found.model_dump_json()) == found
    assert said[0] == "small, seed 7: 1 of 3 ..."
    assert "the rest takes about" in said[1]
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {
        f"small-seed-{n}" for n in (7, 8, 9)
    }


def test_what_a_folder_has_is_not_trained_again_and_another_recipe_is_refused(
    file, tmp_path, monkeypatch
):
    def trained(count: int) -> SeedRuns:
        runs = tmp_path / "runs"
        return train_with_seeds(file, count, runs, limit=20, device="cpu", say=lambda text: None)

    first = trained(2)
    with monkeypatch.context() as patch:
        patch.setattr("zoo.training.run.fit_recipe", None)
        assert trained(2) == first
    assert trained(3).runs[:2] == first.runs
    path = tmp_path / "small.toml"
    path.write_text(path.read_text().replace("epochs = 1", "epochs = 2"))
    with pytest.raises(RecipeError, match="was started with another recipe"):
        trained(2)
