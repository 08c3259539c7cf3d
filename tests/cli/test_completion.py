"""What the shell completes, as click documents it, and that nobody waits for torch meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

import zoo
from zoo.cli import cli
from zoo.datasets import NAMED
from zoo.plugins import entry_points as plugins
from zoo.registry import families, published


def completed(*words: str) -> list[str]:
    """What the last word may become."""
    *before, incomplete = words
    items = ShellComplete(cli, {}, "zoo", "_ZOO_COMPLETE").get_completions(before, incomplete)
    return [item.value if item.type == "plain" else item.type for item in items]


def test_verbs_and_options():
    assert completed("ver") == ["verify"]
    assert completed("list", "--fam") == ["--families"]
    assert completed("plugins", "ch") == ["check"]
    assert completed("nothing", "x") == []


@pytest.mark.parametrize(
    "words",
    [
        ["encode"],
        ["draw"],
        ["eval"],
        ["pull"],
        ["card"],
        ["export"],
        ["page"],
        ["bench"],
        ["bench", "ae-mnist-64"],
        ["verify"],
        ["verify", "ae-mnist-64"],
    ],
    ids=" ".join,
)
def test_models(words):
    assert completed(*words, "") == zoo.list_models()
    assert completed(*words, "vae-d") == ["vae-digits-8"]


def test_what_show_takes():
    assert {*zoo.list_models(), *zoo.list_families(), "recipe"} == set(completed("show", ""))


def test_recipes_and_their_overrides():
    assert completed("train", "") == published.list_recipes()
    assert completed("train", "vae-digits-8", "ep") == []


def test_families():
    assert completed("plugins", "check", "") == zoo.list_families()
    assert completed("plugins", "check", "vae", "conv") == ["conv-ae", "conv-vae"]


@pytest.mark.parametrize("verb", ["draw", "eval"])
def test_datasets(verb):
    assert completed(verb, "vae-mnist-20", "--dataset", "") == [*NAMED]


def test_reserved_names_are_those_of_the_zoo():
    assert plugins._reserved["family"] == {*families.BUILT_IN, *families.PRESETS}
    assert plugins._reserved["dataset"] == set(NAMED)


def test_paths_where_no_name_fits():
    assert completed("show", "./runs/v") == ["dir"]
    assert completed("train", "my-rec") == ["file"]
    assert completed("eval", "./model", "--dataset", "./pict") == ["file"]


def ask(words: str, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    count = str(len(words.split()) - 1)
    asked = {"_ZOO_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": count}
    env = {**os.environ, **asked, **more}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)


def test_the_command_completes_without_torch():
    done = ask("zoo eval vae", sys.executable, "-X", "importtime", "-m", "zoo")
    assert done.stdout.splitlines() == [f"plain,{name}" for name in published.list_models("vae*")]
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "zoo.registry.published" in imported
    assert not {"torch", "rich", "huggingface_hub"} & imported
    for words in ("zoo show v", "zoo train v", "zoo plugins check v", "zoo eval x --dataset m"):
        done = ask(words, sys.executable, "-X", "importtime", "-m", "zoo")
        assert done.returncode == 0
        assert done.stdout.startswith("plain,")
        assert " torch\n" not in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_calls_the_command(shell):
    script = Path(sys.executable).with_name("zoo")
    if not script.exists():
        pytest.skip("the command is not installed beside this Python")
    if shell == "bash" and not shutil.which("bash"):
        pytest.skip("click asks bash for its version")
    done = ask("zoo", str(script), _ZOO_COMPLETE=f"{shell}_source")
    assert done.returncode == 0, done.stderr
    assert f"_ZOO_COMPLETE={shell}_complete" in done.stdout
