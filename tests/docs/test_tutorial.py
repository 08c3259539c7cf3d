"""docs/tutorial.md, anomalies.md, compression.md and restoration.md: every block is run, in order, in a new folder, and what it prints is printed.

A comment before a block, which no reader sees, says what to do with it: `not run`, or `file: NAME`
for what the reader is told to write there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hub"))
from loopback import LoopbackHub
from processes import environment

BLOCK = re.compile(r"(?:<!-- (.+?) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = {"sh": ["sh", "-e", "-c"], "python": [sys.executable, "-c"]}
HUB = "https://huggingface.co"


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Of somebody called `you`, who has a Hub, a token, and `zoo` on the path."""
    command = tmp_path / "bin" / "zoo"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zoo "$@"\n')
    command.chmod(0o755)
    with LoopbackHub() as hub:
        hub.add_token("hf_you", user="you")
        yield {
            **environment(hub.url, tmp_path / "home"),
            "HF_TOKEN": "hf_you",
            "PATH": f"{command.parent}:{os.environ['PATH']}",
        }


def without_digits(text: str) -> str:
    """What stays the same on any machine: numbers, hashes and the width of columns do not."""
    text = re.sub(r"\b[0-9a-f]{40}\b|-?\d[\d.]*", "#", text)
    return re.sub(r"[ \t]+", " ", text)


@pytest.mark.slow
def test_every_block_of_the_tutorial_does_what_it_says(checkout, env, tmp_path):
    assert run_page(checkout / "docs" / "tutorial.md", env, tmp_path / "new") == [
        "pip install -e '.[export]'        # in a checkout: there is no release yet\n",
        "hf auth login\n",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("page", ["anomalies.md", "compression.md", "restoration.md"])
def test_every_block_of_a_page_does_what_it_says(page, checkout, env, tmp_path):
    assert not run_page(checkout / "docs" / page, env, tmp_path / "new")


def run_page(page: Path, env: dict[str, str], folder: Path) -> list[str]:
    """Runs the blocks of a page in a new folder; returns those that are not to be run."""
    folder.mkdir()
    printed, left_out = "", []
    for note, kind, text in BLOCK.findall(page.read_text()):
        if note == "not run":
            left_out.append(text)
        elif kind == "text":
            for line in filter(str.strip, without_digits(text).splitlines()):
                before, found, printed = printed.partition(line.strip())
                assert found, f"{line!r} is not printed; after what was found:\n{before}"
        elif kind == "toml":
            (folder / note.removeprefix("file: ")).write_text(text)
        else:
            printed = without_digits(ran(COMMANDS[kind], text, env, folder))
    return left_out


def ran(command: list[str], text: str, env: dict[str, str], folder: Path) -> str:
    """What a block prints."""
    done = subprocess.run(
        [*command, text], env=env, cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return (done.stderr + done.stdout).replace(env["HF_ENDPOINT"], HUB)
