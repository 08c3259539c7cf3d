"""`zoo bench`, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zoo.cli import main
from zoo.errors import OfflineError


@pytest.fixture
def run(capsys):
    """Runs `zoo bench ...`; gives its exit code, standard output and standard error."""

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(["bench", *words])
        code = end.value.code or 0
        assert isinstance(code, int)
        return code, *capsys.readouterr()

    return run


def test_a_table_fits_80_columns_and_says_its_ground(run):
    code, out, _ = run("vae-digits-8", "--nll-samples", "3", "--device", "cpu")
    assert code == 0
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 80
    assert "digits, test split, 300 images, dequantized protocol, seed 0" in out
    assert "nll: K = 3, first 300 images" in out
    assert out.split("Beside the published numbers")[1].split()[-1:] != ["differ"]
    assert "agree" in out


def test_numbers_of_other_images_are_not_said_to_agree(run):
    _, out, _ = run("vae-digits-8", "--limit", "20", "--device", "cpu")
    assert "agree" not in out
    assert "Published numbers of other examples than these (-) do not compare." in out


def test_plots_and_a_page_are_written_where_they_are_asked_for(run):
    pytest.importorskip("matplotlib")
    words = ("--plot", "plots", "--html", "a/page.html", "--limit", "20", "--device", "cpu")
    code, out, _ = run("vae-digits-8", *words)
    assert code == 0
    names = {"digits-dequantized-rate-distortion", "digits-dequantized-neg_elbo", "digits-mse"}
    assert {path.stem for path in Path("plots").iterdir()} == names
    page = Path("a/page.html").read_text()
    assert "zoo bench vae-digits-8 --limit 20 --html page.html" in page
    assert str(Path.cwd()) not in page
    assert "The page: a/page.html" in out


def test_a_plot_across_protocols_is_refused_before_any_work(run):
    code, out, err = run("vae-digits-8", "vae-mnist-20", "--plot", "plots")
    assert (code, out) == (1, "")
    assert "share no dataset and protocol, so their numbers do not compare" in err
    assert "vae-digits-8: digits, dequantized" in err
    assert not Path("plots").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seeds", "3"], "--seeds trains recipes: say which"),
        (["vae-digits-8", "--seeds", "1"], "1 is not in the range x>=2"),
        (["vae-digits-8", "--seeds", "2", "--html", "a"], "are of published models"),
        (["--runs", "a"], "--runs keeps the runs of --seeds"),
        (["--nll-samples", "-1"], "-1 is not in the range"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(run, words, said):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert said in err


def test_a_misspelled_recipe_is_named_before_any_is_trained(run):
    code, out, err = run("vae-digits-8", "vae-digist-8", "--seeds", "2")
    assert (code, out) == (1, "")
    assert "No recipe named 'vae-digist-8'. Did you mean 'vae-digits-8'?" in err


def test_seeds_print_mean_and_spread_and_write_each_seeds_numbers(run):
    Path("small.toml").write_text(
        '[model]\nfamily = "ae"\ninput_shape = [1, 8, 8]\nlatent_dim = 2\n'
        'body = {kind = "mlp", hidden = [4]}\n'
        '[data]\ndataset = "digits"\nprotocol = "gray"\n[training]\nepochs = 1\n'
    )
    code, out, err = run("small.toml", "--seeds", "2", "--json", "s.json", "--device", "cpu")
    assert code == 0
    assert "small, seeds 0 to 1: digits, test split, 300 images, gray protocol" in out
    assert "over seeds" in out
    assert "Nothing was chosen: every seed counts." in out
    assert "small, seed 1: 2 of 2 ..." in err
    [found] = json.loads(Path("s.json").read_text())
    assert [one["seed"] for one in found["runs"]] == [0, 1]
    assert found["seeds"][0]["metrics"]["mse"]["std"] > 0
    assert sorted(path.name for path in Path().iterdir()) == ["s.json", "small.toml"]


def test_a_bench_that_measures_nothing_fails_and_writes_nothing(run, monkeypatch):
    def absent(*args, **options):
        raise OfflineError("mnist is not here.")

    monkeypatch.setattr("zoo.bench.entries.examples_for", absent)
    code, out, err = run("vae-mnist-20", "--json", "all.json", "--device", "cpu")
    assert (code, out) == (1, "vae-mnist-20: not measured. mnist is not here.\n")
    assert "nothing was measured, for no model's data are here" in err
    assert not Path("all.json").exists()
