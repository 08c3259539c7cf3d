"""Where diffusers is not installed: its families are listed, and say what to install."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from nets import saved

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


def test_its_families_are_not_installed_rather_than_broken(zoo_without):
    rows = json.loads(zoo_without("plugins", "--json").stdout)
    ours = [row for row in rows if row["package"] == "autoencoder-zoo"]
    assert {row["state"] for row in ours} == {"not installed"}
    assert all(ASKED in row["problem"] for row in ours)
    table = zoo_without("plugins").stdout
    assert table.count(ASKED) == 1
    assert "broken" not in table


@pytest.mark.parametrize(
    "words",
    [
        "show {}",
        *[
            pytest.param(words, marks=pytest.mark.slow)
            for words in ("show autoencoder-kl", "eval {} {}", "compare {} digits")
        ],
    ],
)
def test_who_asks_for_one_is_told_what_to_install(words, zoo_without, tmp_path):
    folder = saved("tiny", tmp_path / "net")
    done = zoo_without(*words.format(folder, folder).split())
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    error = done.stderr.splitlines()[-1]
    assert error.startswith("Error: Families autoencoder-kl, -tiny, -dc and vq-model are")
    assert error.endswith(ASKED)
