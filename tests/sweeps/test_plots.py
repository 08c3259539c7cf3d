"""What is drawn of a sweep, and where each dot stands."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from zoo.sweeps.plan import load_plan
from zoo.sweeps.plots import draw_plots
from zoo.sweeps.table import rows as rows_of

pytest.importorskip("matplotlib")

GRID = (
    'metric = "{metric}"\nseeds = [0, 1]\n[grid]\n'
    'learning_rate = [1e-4, 1e-2]\n"model.body.hidden" = [[8], [8, 4]]\n'
)


def drawn(sweep_file, tmp_path, metric: str, numbers) -> list[str]:
    plan = load_plan(sweep_file(GRID.format(metric=metric)))
    table = rows_of(plan, [None] * len(plan.trials))
    for row in table:
        row.update(numbers(row["trial"]))
    said: list[str] = []
    paths = draw_plots(plan, table, tmp_path / "plots", said.append)
    assert not said
    for path in paths:
        with Image.open(path) as picture:
            assert picture.size[0] > 600
            assert len(picture.convert("L").getcolors() or ()) > 10
    return [path.name for path in paths]


def test_a_variational_sweep_has_rate_against_distortion(sweep_file, tmp_path):
    def numbers(n):
        return {"neg_elbo": 30.0 - n, "kl": 5.0 + n, "reconstruction": 25.0 - 2 * n}

    assert drawn(sweep_file, tmp_path, "neg_elbo", numbers) == [
        "rate-distortion.png",
        "neg_elbo-learning_rate.png",
        "neg_elbo-model.body.hidden.png",
    ]


def test_trials_without_the_metric_are_left_out(sweep_file, tmp_path):
    names = drawn(sweep_file, tmp_path, "mse", lambda n: {"mse": 0.1} if n == 3 else {})
    assert names == ["mse-learning_rate.png", "mse-model.body.hidden.png"]


@pytest.mark.parametrize("usetex", [False, True])
def test_names_are_no_formulas(sweep_file, tmp_path, usetex):
    import matplotlib

    odd = [r"./x$\frac{$/m", r"_a^{_b}\$", "50% & #1~{"]
    text = f'metric = "mse"\n[grid]\ninit = {json.dumps(odd)}\nepochs = [1, 2]\n'
    plan = load_plan(sweep_file(text))
    assert plan.trials[0].settings["init"] == odd[0]
    table = rows_of(plan, [None] * len(plan.trials))
    for row in table:
        row["mse"] = 0.1 + row["trial"] / 100
    with matplotlib.rc_context({"text.usetex": usetex}):  # as a person's own matplotlibrc may say
        paths = draw_plots(plan, table, tmp_path / "plots", print)
    assert [path.name for path in paths] == ["mse-init.png", "mse-epochs.png"]


def test_nothing_finished_draws_nothing(sweep_file, tmp_path):
    assert drawn(sweep_file, tmp_path, "mse", lambda n: {}) == []
    assert not (tmp_path / "plots").exists()
