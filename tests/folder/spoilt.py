"""What is done to a model's folder, and how a refusal reads."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import zoo
from zoo.errors import (
    ZooError,
)

METRICS = {
    "measured": [
        {"dataset": "digits", "split": "test", "protocol": "gray", "n_examples": 3, "seed": 0}
    ]
}


def config_of(here: Path) -> dict:
    return json.loads((here / "config.json").read_text())


def with_config(here: Path, **changes) -> None:
    (here / "config.json").write_text(json.dumps({**config_of(here), **changes}))


def with_spec(here: Path, **changes) -> None:
    with_config(here, spec={**config_of(here)["spec"], **changes})


def refused(here: Path, error: type[ZooError]) -> str:
    """The message, which is the same whether the weights are read or not."""
    messages = set()
    for use in (zoo.load, zoo.info):
        with pytest.raises(error) as caught:
            use(here)
        assert type(caught.value) is error
        messages.add(str(caught.value))
    (message,) = messages
    return message


def put(kind: str, path: Path) -> None:
    path.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path.name)
    else:
        path.symlink_to({"zero": "/dev/zero", "random": "/dev/random", "nothing": "/nowhere"}[kind])
