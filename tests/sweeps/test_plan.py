"""sweep.toml -> trials: which there are, and what is refused before any is run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from zoo.errors import RecipeError, UnknownNameError, ZooError
from zoo.sweeps.plan import load_plan
from zoo.sweeps.settings import draw

METRIC = 'metric = "neg_elbo"\n'


def refused(path, error: type[ZooError] = RecipeError) -> str:
    with pytest.raises(error) as caught:
        load_plan(path)
    return str(caught.value)


def test_a_grid_is_all_combinations_with_every_seed(sweep_file):
    plan = load_plan(
        sweep_file(
            METRIC + "seeds = [3, 4]\n[overrides]\nepochs = 5\n"
            '[grid]\nlearning_rate = [0.001, 0.01]\n"model.body.hidden" = [[4], [8, 4]]\n'
        )
    )
    assert [trial.number for trial in plan.trials] == list(range(8))
    assert [trial.seed for trial in plan.trials] == [3, 4] * 4
    last = plan.trials[-1]
    assert last.settings == {"learning_rate": 0.01, "model.body.hidden": [8, 4]}
    assert last.recipe.spec.body.hidden == (8, 4)
    assert (last.recipe.training.epochs, last.recipe.training.seed) == (5, 4)
    assert last.name == "007"


def test_a_sweep_of_seeds_alone_needs_no_grid(sweep_file):
    assert len(load_plan(sweep_file(METRIC + "seeds = [0, 1, 2]")).trials) == 3


def test_random_settings_stay_in_their_ranges(sweep_file):
    plan = load_plan(
        sweep_file(
            METRIC + "[random]\ntrials = 60\n[random.settings]\n"
            "learning_rate = {low = 1e-4, high = 1e-2, log = true}\n"
            'batch_size = {low = 5, high = 7}\n"model.body.hidden" = [[4], [8]]\n'
            "clip_norm = {low = 1, high = 2.0}\n"
        )
    )
    drawn = [trial.settings for trial in plan.trials]
    assert len(drawn) == 60
    assert {one["batch_size"] for one in drawn} == {5, 6, 7}
    assert {tuple(one["model.body.hidden"]) for one in drawn} == {(4,), (8,)}
    assert all(1e-4 <= one["learning_rate"] <= 1e-2 for one in drawn)
    assert 15 < sum(one["learning_rate"] < 1e-3 for one in drawn) < 45
    assert all(isinstance(one["clip_norm"], float) for one in drawn)


def test_a_draw_depends_on_seed_number_and_setting_alone():
    how = {"low": 0.0, "high": 1.0}
    assert draw(0, 5, "learning_rate", how) == draw(0, 5, "training.learning_rate", how) == 0.645385
    assert len({draw(seed, n, key, how) for seed in (0, 1) for n in (0, 1) for key in "ab"}) == 8


def test_whole_numbers_are_drawn_evenly_up_to_the_greatest():
    drawn = [draw(0, n, "x", {"low": 1, "high": 4}) for n in range(400)]
    assert all(70 < drawn.count(value) < 130 for value in (1, 2, 3, 4))
    assert {draw(0, n, "x", {"low": 1, "high": 9, "log": True}) for n in range(400)} == {
        *range(1, 10)
    }


EVERY_KIND = """
metric = "neg_ebo"
seeds = [0, 0]
[overrides]
"training.learning_rate" = 0.1
"mdel.latent_dim" = 3
[grid]
learning_rate = [0.1, -1]
"model.latnt_dim" = [2]
epochs = ["many"]
"training.seed" = [1]
"""


def test_every_problem_is_told_at_once_with_the_nearest_right_name(sweep_file):
    said = refused(sweep_file(EVERY_KIND))
    for line in (
        "metric: there is no metric 'neg_ebo'. Did you mean 'neg_elbo'?",
        "seeds: a seed stands twice",
        "training.seed: goes into seeds = [0, 1, ...]",
        "training.learning_rate: is set twice",
        "mdel: unknown section. Did you mean 'model'?",
        "model.latnt_dim: unknown field. Did you mean 'latent_dim'?",
        "training.epochs: input should be a valid integer, not 'many'",
        "training.learning_rate: input should be greater than 0, not -1",
    ):
        assert said.count(f"\n  {line}") == 1, said
    assert "has 8 problems:" in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("metirc = 'mse'", "metirc: unknown field. Did you mean 'metric'?"),
        ("", "metric: missing"),
        ('metric = "nll"', "a training does not measure the nll"),
        ('metric = "ssim"', "ssim is not measured of all these trials; what is: active_units"),
        ('metric = "mse"\nseeds = []', "seeds: a list without values"),
        (METRIC + "[grid]\nepochs = []", "grid.epochs: a list without values"),
        (METRIC + "[grid]\nepochs = 3", "grid.epochs: input should be a valid"),
        (METRIC + "[grid]\nepochs = [3, 3]", "trials 0 and 1 are the same training"),
        (METRIC + f"[grid]\nepochs = {list(range(1, 10_002))}", "10,001 trials are too many"),
        (
            METRIC + "[grid]\nepochs = [1]\n[random]\ntrials = 1\nsettings.epochs = [1]",
            "has one of",
        ),
        (METRIC + "[random]\ntrials = 1\n[random.settings]\nepochs = 3", "{low = ..., high = ...}"),
        (
            METRIC + "[random]\ntrials = 1\n[random.settings]\nepochs = {lo = 1, high = 2}",
            "random.settings.epochs.lo: unknown field. Did you mean 'low'?",
        ),
        (
            METRIC + "[random]\ntrials = 1\n[random.settings]\nepochs = {low = 2, high = 1}",
            "low should be less than high",
        ),
        (
            METRIC
            + "[random]\ntrials = 1\n[random.settings]\nclip_norm = {low = 0, high = 1, log = true}",
            "low should be greater than 0",
        ),
        (METRIC + '[overrides]\n"data.fit" = "train+validation"', "data.fit: a sweep chooses"),
        (METRIC + '[grid]\n"data.protocol" = ["binarized", "gray"]', "do not compare"),
        (
            METRIC + '[overrides]\n"model.family" = "beta-vae"\n'
            '[grid]\n"model.beta" = [1.0, 4.0]\n[asha]',
            "asha: trials of different model.beta",
        ),
        (
            METRIC + '[resources]\ndevice = "gpu"',
            "resources.device: input should be 'cpu' or 'cuda'",
        ),
        (METRIC + "[resources]\nthreads = 0", "resources.threads: input should be greater than"),
        (METRIC + "[resources]\ngpus = 1", "resources.gpus: unknown field"),
        ("metric = [", "is not TOML"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(sweep_file, text, why):
    assert why in refused(sweep_file(text))


def test_an_unknown_recipe_gets_the_nearest(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text('recipe = "vae-digit-8"\nmetric = "mse"')
    assert "Did you mean 'vae-digits-8'?" in refused(path, UnknownNameError)


def test_planning_needs_no_torch(sweep_file):
    path = str(sweep_file(METRIC + "seeds = [0, 1]"))
    code = (
        "import sys, zoo.sweeps.plan, zoo.sweeps.folder, zoo.sweeps.embedded\n"
        "zoo.sweeps.plan.load_plan(sys.argv[1])\n"
        "print({'torch', 'ray', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
