"""diffusers' families are the zoo's own: listed without the library, which is imported when one is built."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from nets import NETS, make, saved
from packages import Package, install

import zoo
from zoo.families.diffusers.format import CLASSES
from zoo.plugins import entry_points as plugins

ASKED = "pip install 'autoencoder-zoo[diffusers]'"


@pytest.fixture
def zoo_without(tmp_path):
    """The command in a process where diffusers cannot be found."""
    hidden = tmp_path / "diffusers"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError('No module named diffusers')\n")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
        return subprocess.run(
            [sys.executable, "-m", "zoo", *words],
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
        )

    return run


def test_its_families_are_the_zoos_own_and_no_plugins(zoo_without):
    listed = {row["name"] for row in json.loads(zoo_without("list", "--families", "--json").stdout)}
    assert set(CLASSES.values()) <= listed
    assert "latent_channels" in zoo_without("show", "autoencoder-kl").stdout


@pytest.mark.parametrize(
    "name", ["kl", "asymmetric", "flux2", "hunyuan", "kvae", "tiny", "dc", "vq"]
)
def test_what_is_known_of_a_model_needs_neither_diffusers_nor_torch(name, tmp_path):
    folder = saved(name, tmp_path / "net")
    code = """
import sys, zoo
info = zoo.info(sys.argv[1])
print(info.family, info.spec.input_shape[0], sorted({"torch", "diffusers"} & sys.modules.keys()))
print(info.parameters, sorted({"torch", "diffusers"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True)
    count = sum(parameter.numel() for parameter in make(name).parameters())
    family = CLASSES[NETS[name][0]]
    assert done.stdout.splitlines() == [f"{family} 3 []", f"{count} ['diffusers', 'torch']"]


def test_another_packages_claim_of_its_name_changes_nothing(tmp_path, monkeypatch):
    folder = saved("kl", tmp_path / "net")
    install(
        tmp_path / "site", Package("rival", "1", {"rival.py": ""}, {"autoencoder-kl": "rival:X"})
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    [claim] = [p for p in plugins.installed("family") if p.distribution == "rival"]
    assert claim.problem == "'autoencoder-kl' is the zoo's own family"
    assert zoo.load(folder).info.provider.distribution == "autoencoder-zoo"


@pytest.mark.parametrize(
    "words",
    [
        "show {}",
        *[
            pytest.param(words, marks=pytest.mark.slow)
            for words in ("eval {} {}", "compare {} digits", "plugins check vq-model")
        ],
    ],
)
def test_who_asks_for_one_is_told_what_to_install(words, zoo_without, tmp_path):
    folder = saved("tiny", tmp_path / "net")
    done = zoo_without(*words.format(folder, folder).split())
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    error = done.stderr.splitlines()[-1]
    assert error.startswith("Error: This family needs the diffusers library")
    assert error.endswith(ASKED)
