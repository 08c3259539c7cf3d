"""Broken packages, all installed at once: each is said in a sentence, and everything else works."""

from __future__ import annotations

import json
import re

import pytest
from broken import (
    AT_BUILD,
    AT_IMPORT,
    AT_SAVE,
    GOOD,
    IN_TRAINING,
    all_packages,
    unpack,
    without_measure,
)
from packages import Package, Place

import zoo
from zoo.cli import main, probe
from zoo.plugins import entry_points as plugins
from zoo.plugins.entry_points import Plugin

pytestmark = pytest.mark.xdist_group("crowd")  # they share a venv

TRY_ALL = """
import json, os, sys, zoo
said = {"other": str(tuple(zoo.load('vae-mnist-20').sample(2, seed=0).shape))}
said["imported"] = " ".join(os.listdir(os.environ["MARKS"]))
for name in json.loads(sys.argv[1]):
    try:
        model = zoo.build(name, input_shape=(1, 8, 8))
        zoo.save(model, "saved-" + name)
        said[name] = "nothing"
    except zoo.ZooError as wrong:
        said[name] = f"{type(wrong).__name__}: {wrong}"
zoo.save(zoo.build("vae", input_shape=(1, 8, 8), latent_dim=2), "ours")
print(json.dumps(said))
"""
TYPE_ALL = """
import contextlib, io, json, sys, traceback
from zoo.cli import main
said = []
for words in json.loads(sys.argv[-1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as end:
            said.append((end.code, out, err))
        except Exception:
            traceback.print_exc()
            said.append((1, out, err))
print(json.dumps([(code, out.getvalue(), err.getvalue()) for code, out, err in said]))
"""
EVERY = {**AT_IMPORT, **AT_BUILD, **AT_SAVE}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory, acme_vq) -> Place:
    """A venv with every broken package, and one that works."""
    place = Place.made(tmp_path_factory.mktemp("crowd") / "venv")
    unpack(place.modules, *all_packages(), without_measure(acme_vq))
    return place


@pytest.fixture(scope="module")
def listed(crowd) -> dict[tuple[str, str], dict]:
    """What `zoo plugins --json` says, by package and name."""
    done = crowd.zoo("plugins", "--json", cwd=crowd.folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return {(one["package"], one["name"]): one for one in json.loads(done.stdout)}


@pytest.fixture(scope="module")
def asked(crowd) -> tuple[dict[str, str], dict[str, tuple[int, str, str]]]:
    """What building and saving a model of each family raises, and what verbs say that use one."""
    marks = crowd.folder / "marks of these"
    marks.mkdir()
    names = [*EVERY, "Bad Name!", "bad-target", "twin", "works"]
    lines = [
        *(["train", name] for name in IN_TRAINING),
        ["--debug", "train", "late"],
        ["bench", "vq-digits-4x4", "vae-digits-8", "--limit", "9"],
    ]
    code = TRY_ALL + TYPE_ALL
    words = json.dumps(names), json.dumps(lines)
    done = crowd.run("-c", code, *words, env={"MARKS": str(marks)}, cwd=crowd.folder)
    assert done.returncode == 0, done.stderr
    said, typed = map(json.loads, done.stdout.splitlines())
    return said, {" ".join(line): found for line, found in zip(lines, typed, strict=True)}


@pytest.fixture(scope="module")
def said(asked) -> dict[str, str]:
    """What building and saving a model of each family raises."""
    return asked[0]


@pytest.fixture(scope="module")
def typed(asked) -> dict[str, tuple[int, str, str]]:
    """What the command line exits with and prints, by the words that are typed."""
    return asked[1]


def test_listing_works_beside_them_and_imports_none(crowd):
    before = crowd.marks
    lines = ["list --json", "list --families --json", "list --recipes", "show vae", "--help"]
    done = crowd.run("-c", TYPE_ALL, json.dumps([line.split() for line in lines]))
    said = json.loads(done.stdout)
    assert [code for code, _, _ in said] == [0] * len(lines)
    _, out, err = said[0]
    assert "vae-mnist-20" in [line["name"] for line in json.loads(out)]
    assert "Plugin 'none' of bad-registry 1.0 cannot be used" in err
    assert "Plugin 'bad' of bad-registry" not in out
    families = {line["name"]: line["summary"] for line in json.loads(said[1][1])}
    assert families["works"] == "from works 1.0"
    assert families["twin"] == "from one-twin 1.0 and other-twin 2.0"
    assert families["vae"] == "variational autoencoder"
    assert "Bad Name!" not in families
    assert crowd.marks == before


def test_other_models_load_beside_them_and_import_none(said):
    assert said["other"] == "(2, 1, 28, 28)"
    assert said["imported"] == ""


@pytest.mark.parametrize("name", AT_IMPORT)
def test_what_fails_at_import_is_listed_with_its_cause(listed, name):
    one = listed[f"broken-{name}", name]
    assert (one["kind"], one["version"], one["state"]) == ("family", "0.3", "broken")
    assert one["problem"].startswith(f"Plugin {name!r} of broken-{name} 0.3")
    assert AT_IMPORT[name][1] in one["problem"]
    assert "\n" not in one["problem"]


@pytest.mark.parametrize("name", EVERY)
def test_whatever_fails_is_a_sentence_that_names_the_package(said, name):
    assert f"Plugin {name!r} of broken-{name} 0.3" in said[name]
    assert EVERY[name][1] in said[name]
    assert said[name].startswith("PluginError: ")


def test_a_package_that_ends_its_process_is_named_and_the_others_are_tried(listed):
    problem = listed["broken-dies", "dies"]["problem"]
    assert problem.endswith("failed to load: its process ended, or took more than 60 s.")
    assert listed["works", "works"]["state"] == "ready"


@pytest.mark.slow
def test_a_package_that_never_ends_is_given_up(tmp_path, monkeypatch):
    code = "import time\ntime.sleep(1_000)\n"
    unpack(tmp_path / "site", Package("hangs", "1.0", {"hangs.py": code}, {"hangs": "hangs:Model"}))
    monkeypatch.syspath_prepend(tmp_path / "site")
    [one] = [one for one in probe.try_plugins(seconds=1) if one.plugin.name == "hangs"]
    assert one.problem == (
        "Plugin 'hangs' of hangs 1.0 failed to load: its process ended, or took more than 1 s."
    )


def test_names_that_cannot_be_are_said_with_their_package(listed, said):
    about = "Plugin 'Bad Name!' of bad-name 1.0 cannot be used: a family's name is lower-case"
    assert listed["bad-name", "Bad Name!"]["problem"].startswith(about)
    assert about in said["Bad Name!"]
    assert "Plugin 'bad-target' of bad-target 1.0 failed to load: " in said["bad-target"]
    assert "'vae' is the zoo's own family" in listed["takes-vae", "vae"]["problem"]
    assert "'mnist' is the zoo's own dataset" in listed["bad-data", "mnist"]["problem"]


def test_two_packages_with_one_name_are_both_named(listed, said):
    both = "Family 'twin' is provided by one-twin 1.0 and other-twin 2.0. Uninstall one."
    assert listed["one-twin", "twin"]["problem"] == both
    assert listed["other-twin", "twin"]["problem"] == both
    assert said["twin"] == f"PluginError: {both}"


def test_broken_datasets_and_registries_are_said_too(listed):
    assert "OSError: no data" in listed["bad-data", "bad-data"]["problem"]
    assert "is not a valid name for a model" in listed["bad-registry", "bad"]["problem"]
    assert "no folder 'bad_registry.nothing'" in listed["bad-registry", "none"]["problem"]


def test_what_works_is_ready_and_works(listed, said):
    assert listed["works", "works"]["state"] == "ready"
    assert said["works"] == "nothing"


def test_the_table_says_what_is_broken_in_a_line_each(monkeypatch, capsys):
    plugin = Plugin("family", "vq", "acme_vq:VQVAE", "acme-vq", "0.3")
    tried = [probe.PluginStatus(plugin, f"{plugin} failed to load: SyntaxError.", "broken")]
    monkeypatch.setattr(probe, "try_plugins", lambda: tried)
    with pytest.raises(SystemExit):
        main(["plugins"])
    *_, row, empty, problem = capsys.readouterr().out.splitlines()
    assert row.split() == ["family", "vq", "acme-vq", "0.3", "broken"]
    assert (empty.strip(), problem) == (
        "",
        "Plugin 'vq' of acme-vq 0.3 failed to load: SyntaxError.",
    )


@pytest.mark.parametrize("name", IN_TRAINING)
def test_a_package_that_fails_late_is_a_sentence_on_the_command_line(typed, name):
    code, _, err = typed[f"train {name}"]
    assert code == 1
    last = err.splitlines()[-1]
    assert last.startswith("Error: ")
    assert f"fails-{name} 1.0" in last
    assert IN_TRAINING[name][1] in last
    assert "Traceback" not in err


def test_debug_shows_the_traceback_of_a_package(typed):
    _, _, err = typed["--debug train late"]
    assert "Traceback" in err
    assert "KeyError: 'here'" in err


def test_bench_goes_on_beside_a_family_that_cannot_be_measured(typed):
    code, out, _ = typed["bench vq-digits-4x4 vae-digits-8 --limit 9"]
    assert code == 1
    assert "vq-digits-4x4: not measured. Plugin 'vq' of acme-vq 0.3 failed to" in out
    assert re.search(r"vae-digits-8 +dequantized", out)


def test_a_package_without_the_family_that_it_is_said_to_have_is_named(
    tmp_path, monkeypatch, capsys
):
    site = tmp_path / "site"
    unpack(site, Package("typo", "1.0", {"typo.py": GOOD}))
    points = "[autoencoder_zoo.family]\ngood = typo:Good\n"
    (site / "typo-1.0.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(site)
    with pytest.raises(SystemExit):
        main(["plugins"])
    said = capsys.readouterr().out
    assert "typo 1.0 has entry points in 'autoencoder_zoo.family', which the zoo does" in said
    assert "Did you mean 'autoencoder_zoo.families'?" in said
    config = {
        "format": "autoencoder-zoo/1",
        "family": "good",
        "spec": {},
        "weights_sha256": "0" * 64,
        "provider": {"distribution": "typo", "version": "2.0"},
    }
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(zoo.PluginError) as caught:
        zoo.info(tmp_path / "model")
    assert "comes from typo 2.0; the installed typo 1.0 has no such" in str(caught.value)


@pytest.mark.parametrize(
    "points",
    [b"\xff\xfe", b"[autoencoder_zoo.families]\nno equals sign\n", b"[console_scripts]\n???\n"],
    ids=["not text", "a damaged line", "of an unrelated package"],
)
def test_damaged_metadata_of_one_package_lose_no_other(tmp_path, monkeypatch, points):
    site = tmp_path / "site"
    good = Package("good", "1.0", {"good_one.py": GOOD}, {"good": "good_one:Good"})
    unpack(site, Package("damaged", "1.0"), good)
    (site / "damaged-1.0.dist-info" / "entry_points.txt").write_bytes(points)
    monkeypatch.syspath_prepend(site)
    assert "good" in zoo.list_families()
    assert "vae-mnist-20" in zoo.list_models()


def test_of_a_package_that_is_installed_twice_the_first_on_the_path_counts(tmp_path, monkeypatch):
    for version in ("1.0", "2.0"):
        site = tmp_path / version
        unpack(site, Package("twice", version, {}, {f"of-{version[0]}": "twice:Good"}))
        monkeypatch.syspath_prepend(site)
    found = [plugin.name for plugin in plugins.installed("family")]
    assert [name for name in found if name.startswith("of-")] == ["of-2"]
