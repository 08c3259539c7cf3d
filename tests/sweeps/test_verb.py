"""`zoo sweep` and `zoo sweep show`, as a person types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small import written

from zoo.cli import main
from zoo.sweeps.folder import opened
from zoo.sweeps.outcome import Outcome, failed
from zoo.sweeps.plan import load_plan

GRID = (
    'metric = "neg_elbo"\n[overrides]\nepochs = 1\n[grid]\n'
    'learning_rate = [0.001, 0.1]\n"model.latent_dim" = [2, 4]\n"model.heads" = ["joint", "separate"]\n'
)


@pytest.fixture
def run(capsys):
    """Runs `zoo sweep ...`; gives its exit code, standard output and standard error."""

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(["sweep", *map(str, words)])
        code = end.value.code or 0
        assert isinstance(code, int)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def swept(tmp_path) -> Path:
    """A sweep's folder whose trials were not trained: all ended, but one."""
    plan = load_plan(written(tmp_path, GRID))
    with opened(plan, tmp_path / "out") as folder:
        for trial in plan.trials[:6]:
            loss = 50.0 - trial.number - trial.seed
            numbers = {"neg_elbo": loss, "neg_elbo_se": 0.31, "reconstruction": loss - 5, "kl": 5.0}
            numbers |= {"mse": 0.05, "codes_used": 3.0}
            folder.end(
                trial,
                Outcome(state="finished", epochs=1, metrics=numbers, weights_sha256="ab" * 32),
            )
        folder.end(plan.trials[6], failed("The loss is not\n  finite: at once."))
    return tmp_path / "out"


def test_show_lists_the_best_first_and_says_why_a_trial_failed(run, swept):
    code, out, _ = run("show", swept)
    lines = [line.split() for line in out.splitlines() if line[:2].strip().isdigit()]
    assert code == 0
    assert [int(line[0]) for line in lines] == [5, 4, 3, 2, 1, 0, 6, 7]
    assert lines[0] == [
        "5",
        "0.1",
        "2",
        "separate",
        "0",
        "finished",
        "1",
        "45.00",
        "40",
        "5",
        "0.05",
    ]
    assert lines[-1][5:7] == ["waiting", "-"]
    assert "trial 6 failed: The loss is not finite: at once." in out


def test_show_says_which_is_best_and_where_its_model_is(run, swept):
    _, out, _ = run("show", swept)
    assert "Best: learning_rate = 0.1, model.latent_dim = 2, model.heads = separate" in out
    assert f"Its model: {swept}/trials/005/model\n" in out


def test_the_table_is_printed_before_anything_is_drawn(run, swept, monkeypatch):
    def fail(*arguments: object) -> None:
        raise OSError("no room for pictures")

    file = swept.parent / "sweep.toml"
    plan = load_plan(file)
    with opened(plan, swept) as folder:
        for trial in plan.trials[6:]:
            folder.end(trial, Outcome(state="finished", metrics={"neg_elbo": 40.0}))
    monkeypatch.setattr("zoo.sweeps.plots.draw_plots", fail)
    code, out, err = run(file, "--out", swept)
    assert code == 1
    assert "Best: " in out
    assert "no room for pictures" in err


def test_windows_is_a_sentence(run, sweep_file, monkeypatch):
    file = sweep_file(GRID)
    monkeypatch.setattr("zoo.sweeps.run.os", type("Windows", (), {"name": "nt"}))
    code, out, err = run(file, "--out", "out")
    assert (code, out) == (1, "")
    assert "zoo sweep does not run on Windows" in err


def test_show_as_json_has_all_numbers(run, swept):
    code, out, _ = run("show", "--json", swept)
    rows = json.loads(out)
    assert code == 0
    assert len(rows) == 8
    assert rows[0]["neg_elbo_se"] == 0.31
    assert rows[0]["codes_used"] == 3.0
    assert rows[-1]["state"] == "waiting"
    assert {*map(tuple, rows)} == {tuple(rows[0])}


def test_the_table_is_in_order_of_the_trials(swept):
    lines = (swept / "sweep.csv").read_text().splitlines()
    assert lines[0] == (
        "trial,learning_rate,model.latent_dim,model.heads,seed,state,epochs,neg_elbo,neg_elbo_se,"
        "reconstruction,kl,mse,codes_used,validation_loss,weights_sha256,error"
    )
    assert lines[1].startswith("0,0.001,2,joint,0,finished,1,50.0,0.31,45.0,5.0,0.05,3.0,,abab")
    assert lines[7] == "6,0.1,4,joint,0,failed,,,,,,,,,,The loss is not finite: at once."
    assert lines[8] == "7,0.1,4,separate,0,waiting,,,,,,,,,,"


def test_a_dry_run_lists_the_trials_and_writes_nothing(run, sweep_file, tmp_path):
    file = sweep_file(GRID)
    before = sorted(tmp_path.iterdir())
    for words in ([file, "--dry-run"], ["--dry-run", file]):
        code, out, _ = run(*words)
        assert code == 0
        assert "Would run 8 trials, and compare neg_elbo. The first:\nWould train " in out
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ('"data.dataset" = "digist"', "No dataset named 'digist'. Did you mean 'digits'?"),
        ('"model.input_shape" = [1, 9, 9]', "the images of digits are (1, 8, 8)"),
    ],
)
def test_data_that_do_not_fit_are_a_sentence_before_any_trial(run, sweep_file, setting, why):
    file = sweep_file(GRID.replace("[overrides]", f"[overrides]\n{setting}"))
    code, out, err = run(file, "--out", "out")
    assert (code, out) == (1, "")
    assert why in err
    assert not Path("out/trials").exists()


def test_help_tells_of_both(run):
    code, out, _ = run("--help")
    assert code == 0
    for said in (
        "Usage: zoo sweep [OPTIONS] FILE",
        "zoo sweep show [--json] FOLDER",
        "--ray ADDRESS",
    ):
        assert said in out


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["nowhere.toml"], 1, "Cannot open 'nowhere.toml'"),
        (["show", "nowhere"], 1, "There is no sweep in 'nowhere': it has no sweep.toml."),
        (["show"], 2, "Missing argument 'FOLDER'"),
        (["x.toml", "--processes", "0"], 2, "Invalid value for '--processes'"),
        (["x.toml", "--ray", "auto", "--processes", "2"], 2, "a cluster has its own"),
        (["x.toml", "--rya", "auto"], 2, "No such option"),
        (["x.toml", "y.toml"], 2, "unexpected extra argument"),
    ],
    ids=str,
)
def test_a_mistake_is_a_sentence(run, words, code, why):
    found, out, err = run(*words)
    assert (found, out) == (code, "")
    assert why in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("absent", "extra"), [("ray", "autoencoder-zoo[ray]"), ("matplotlib", "autoencoder-zoo[plots]")]
)
def test_a_missing_extra_is_a_sentence_that_names_it(swept, absent, extra):
    """A stand-in for a machine without it: the import fails as it does there."""
    code = (
        f"import sys; sys.modules[{absent!r}] = None; from zoo.cli import main; main(sys.argv[1:])"
    )
    file = swept.parent / "sweep.toml"
    words = ["sweep", str(file), "--out", "new", "--ray", "127.0.0.1:1"]
    if absent == "matplotlib":  # nothing is left but to draw
        words = ["sweep", str(file), "--out", str(swept)]
        plan = load_plan(file)
        with opened(plan, swept) as folder:
            for trial in plan.trials[6:]:
                folder.end(trial, Outcome(state="finished", metrics={"neg_elbo": 40.0}))
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert extra in done.stderr
    assert "Traceback" not in done.stderr
    assert (done.returncode == 0) == (absent != "ray")
