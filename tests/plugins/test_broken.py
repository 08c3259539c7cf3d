"""Broken packages, all installed at once: each is said in a sentence, and everything else works."""

from __future__ import annotations

import json

import pytest
from broken import AT_BUILD, AT_IMPORT, AT_SAVE, GOOD, IN_TRAINING, all_packages, package
from packages import MARK, Package, Place

TRY_ALL = """
import json, sys, zoo
said = {}
for name in json.loads(sys.argv[1]):
    try:
        model = zoo.build(name, image_shape=(1, 8, 8))
        zoo.save(model, "saved-" + name)
        said[name] = "nothing"
    except zoo.ZooError as wrong:
        said[name] = f"{type(wrong).__name__}: {wrong}"
print(json.dumps(said))
"""
TRY_IN_TIME = """
import json
from zoo.testing import probe
probe.SECONDS = 12.0
said = {one.plugin.name: (one.state, one.problem) for one in probe.try_plugins()}
print(json.dumps(said))
"""
EVERY = {**AT_IMPORT, **AT_BUILD, **AT_SAVE}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory) -> Place:
    """A venv with every broken package, and one that works."""
    place = Place.made(tmp_path_factory.mktemp("crowd") / "venv")
    place.install(*all_packages(), by_pip=True)
    return place


LATE = """
import contextlib, io, json, sys
from zoo.cli import main
said = {}
for name in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as err, contextlib.redirect_stdout(err):
        try:
            main(["train", name])
        except SystemExit as end:
            code = end.code
    said[name] = [code, err.getvalue()]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def late(crowd) -> dict[str, tuple[int, str]]:
    """Exit code and output of `zoo train` of each family that fails late."""
    done = crowd.run("-c", LATE, json.dumps(list(IN_TRAINING)), cwd=crowd.folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def listed(crowd) -> dict[tuple[str, str], dict]:
    """What `zoo plugins --json` says, by package and name."""
    done = crowd.zoo("plugins", "--json", cwd=crowd.folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return {(one["package"], one["name"]): one for one in json.loads(done.stdout)}


@pytest.fixture(scope="module")
def said(crowd) -> dict[str, str]:
    """What building and saving a model of each family raises."""
    names = [*EVERY, "Bad Name!", "bad-target", "twin", "works"]
    done = crowd.run("-c", TRY_ALL, json.dumps(names), cwd=crowd.folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_listing_works_beside_them_and_imports_none(crowd, tmp_path):
    other = Place(crowd.folder)
    before = other.marks
    done = other.zoo("list", "--json")
    assert done.returncode == 0, done.stderr
    names = [line["name"] for line in json.loads(done.stdout)]
    assert "vae-mnist-20" in names
    assert "Plugin 'none' of bad-registry 1.0 cannot be used" in done.stderr
    assert "Plugin 'bad' of bad-registry" not in done.stdout
    done = other.zoo("list", "--families", "--json")
    families = {line["name"]: line["summary"] for line in json.loads(done.stdout)}
    assert families["works"] == "from works 1.0"
    assert families["twin"] == "from one-twin 1.0 and other-twin 2.0"
    assert families["vae"] == "variational autoencoder"
    assert "Bad Name!" not in families
    assert other.zoo("list", "--recipes").returncode == 0
    assert other.zoo("--help").returncode == 0
    assert other.marks == before


def test_other_models_load_beside_them(crowd):
    code = "import zoo; print(tuple(zoo.load('vae-mnist-20').sample(2, seed=0).shape))"
    done = crowd.run("-c", code)
    assert (done.stdout, done.stderr) == ("(2, 1, 28, 28)\n", "")


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


def test_names_that_cannot_be_are_said_with_their_package(listed, said):
    about = "Plugin 'Bad Name!' of bad-name 1.0 cannot be used: a family is named in lower-case"
    assert listed["bad-name", "Bad Name!"]["problem"].startswith(about)
    assert about in said["Bad Name!"]
    assert "its entry point is 'bad target', not module:name" in said["bad-target"]
    assert "'vae' is the zoo's own family" in listed["takes-vae", "vae"]["problem"]
    assert "'mnist' is the zoo's own dataset" in listed["bad-data", "mnist"]["problem"]


def test_two_packages_with_one_name_are_both_named(listed, said):
    both = "Family 'twin' is provided by one-twin 1.0 and other-twin 2.0. Uninstall one."
    assert listed["one-twin", "twin"]["problem"] == both
    assert listed["other-twin", "twin"]["problem"] == both
    assert said["twin"] == f"PluginError: {both}"


def test_broken_datasets_and_registries_are_said_too(listed):
    assert "OSError: no data" in listed["bad-data", "bad-data"]["problem"]
    assert "is no model's name" in listed["bad-registry", "bad"]["problem"]
    assert "no folder 'bad_registry.nothing'" in listed["bad-registry", "none"]["problem"]


def test_what_works_is_ready_and_works(listed, said):
    assert listed["works", "works"]["state"] == "ready"
    assert said["works"] == "nothing"


def test_the_table_says_what_is_broken_in_a_line_each(crowd):
    done = crowd.zoo("plugins")
    assert done.returncode == 0
    assert "Traceback" not in done.stdout + done.stderr
    assert "Plugin 'syntax' of broken-syntax 0.3 failed to load: SyntaxError" in done.stdout


@pytest.mark.parametrize("name", IN_TRAINING)
def test_a_package_that_fails_late_is_a_sentence_on_the_command_line(late, name):
    code, output = late[name]
    assert code == 1
    last = output.splitlines()[-1]
    assert last.startswith("Error: ")
    assert f"fails-{name} 1.0" in last
    assert IN_TRAINING[name][1] in last
    assert "Traceback" not in output


def test_debug_shows_the_traceback_of_a_package(crowd, tmp_path):
    done = crowd.zoo("--debug", "train", "late", cwd=tmp_path)
    assert "Traceback" in done.stderr
    assert "KeyError: 'here'" in done.stderr


@pytest.mark.slow
def test_packages_that_end_hold_up_or_copy_their_process_end_no_listing(place):
    good = GOOD + "Model = Good"
    place.install(
        package("a-first", good),
        package("b-exits", "import os; os._exit(3)"),
        package(
            "c-forks-and-exits",
            "import os, time\nif os.fork() == 0: time.sleep(100)\nelse: os._exit(0)",
        ),
        package("d-forks", f"{good}\nimport os; os.fork()"),
        package("e-bad", "1 / 0"),
        package("f-hangs", "import time; time.sleep(1000)"),
        package("g-asks", "input('name?')\n" + good),
        package("z-last", good),
    )
    done = place.run("-c", TRY_IN_TIME)
    said = json.loads(done.stdout)
    states = {name: state for name, (state, _) in said.items()}
    ready = {"a-first", "d-forks", "z-last"}
    assert states == {name: "ready" if name in ready else "broken" for name in said}
    for name in ("b-exits", "c-forks-and-exits"):
        assert "the process ended while it was imported" in said[name][1]
    assert "it is still being imported after" in said["f-hangs"][1]
    assert "EOFError" in said["g-asks"][1]


def test_a_broken_family_breaks_the_saving_of_no_other(crowd, tmp_path):
    code = """
import zoo
for name in ("forward", "works"):
    try:
        zoo.build(name, image_shape=(1, 8, 8))
    except zoo.PluginError:
        pass
zoo.save(zoo.build("works", image_shape=(1, 8, 8)), "saved")
model = zoo.build("vae", image_shape=(1, 8, 8), latent_dim=2)
zoo.save(model, "ours")
"""
    assert crowd.run("-c", code, cwd=tmp_path).returncode == 0


def test_a_package_without_the_family_that_it_is_said_to_have_is_named(place, tmp_path):
    place.install(Package("typo", "1.0", {"typo.py": GOOD}))
    info = next(place.modules.glob("typo-1.0.dist-info"))
    (info / "entry_points.txt").write_text("[autoencoder_zoo.family]\ngood = typo:Good\n")
    said = place.zoo("plugins").stdout
    assert "typo 1.0 has entry points 'autoencoder_zoo.family', which is no group." in said
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
    done = place.zoo("show", tmp_path / "model")
    assert "comes from typo 2.0; typo 1.0, which is here, brings no such family." in done.stderr


def test_bench_goes_on_beside_a_family_that_cannot_be_measured(place, acme_vq):
    place.install(acme_vq)
    [model] = place.modules.glob("acme_vq/model.py")
    model.write_text(
        model.read_text().replace("def _measure(self, batches", "def _measure(self, b")
    )
    done = place.zoo("bench", "vq-digits-4x4", "vae-digits-8", "--limit", "9")
    assert done.returncode == 1
    assert "vq-digits-4x4: not measured. Plugin 'vq' of acme-vq 0.3 failed to" in done.stdout
    assert "-149" in done.stdout or "vae-digits-8    digits" in done.stdout


def test_listing_fifty_packages_imports_none(place):
    fifty = [
        Package(f"many-{n}", "1.0", {f"many_{n}.py": MARK + GOOD}, {f"many-{n}": f"many_{n}:Good"})
        for n in range(50)
    ]
    place.install(*fifty)
    assert place.zoo("list").returncode == 0
    done = place.zoo("list", "--families", "--json")
    assert len([one for one in json.loads(done.stdout) if one["name"].startswith("many-")]) == 50
    assert place.zoo("show", "vae").returncode == 0
    assert place.marks == set()
