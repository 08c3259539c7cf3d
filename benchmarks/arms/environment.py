"""The peers' environment: a virtual one of their own, with pinned versions, made when it is lacking."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

PINS = Path(__file__).with_name("requirements.txt")
SHARED = ("torch", "torchvision")
"""Of these the peers have the zoo's own versions."""

_LIST = """
import importlib.metadata, json, platform
found = {d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions()}
print(json.dumps({"python": platform.python_version(), **found}))
"""


def pins() -> dict[str, str]:
    """What the environment is to hold: the version of each distribution."""
    lines = [line.strip() for line in PINS.read_text().splitlines()]
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    return pinned | {name: _public(version(name)) for name in SHARED}


def default_folder() -> Path:
    """Where the environment lies when nobody says: the platform's cache folder."""
    import platformdirs

    return platformdirs.user_cache_path("autoencoder-zoo") / "peers-venv"


def prepare_environment(folder: Path) -> tuple[Path, dict[str, str]]:
    """The environment's Python, and the version of everything in it; makes and fills it if need be.

    Ends the program, with a sentence, where that fails.
    """
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            sys.exit(
                f"{folder} is there and is no virtual environment. Give another folder with --venv."
            )
        print(f"Makes an environment for the peers in {folder}.", flush=True)
        _run([sys.executable, "-m", "venv", str(folder)], folder)
    if lacking := missing(pins(), _versions(python, folder)):
        print(f"Installs {', '.join(lacking)} into it, by pip.", flush=True)
        _run([str(python), "-m", "pip", "install", "--quiet", *lacking], folder)
    return python, _versions(python, folder)


def own_versions() -> dict[str, str]:
    """The versions of the environment that this program runs in."""
    return json.loads(
        subprocess.run([sys.executable, "-c", _LIST], capture_output=True, check=True).stdout
    )


def missing(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    """What is to be installed, as pip takes it. A build's own mark, `+cpu`, does not count."""
    have = {_plain(name): _public(number) for name, number in found.items()}
    return [f"{name}=={v}" for name, v in wanted.items() if have.get(_plain(name)) != v]


def alone() -> dict[str, str]:
    """Variables with which a process of the environment sees nothing but it."""
    return {"PYTHONPATH": "", "PYTHONNOUSERSITE": "1", "TQDM_DISABLE": "1"}


def _versions(python: Path, folder: Path) -> dict[str, str]:
    return json.loads(_run([str(python), "-c", _LIST], folder))


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | alone())
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        sys.exit(
            f"The peers could not be installed into {folder}: {lines[-1].strip()} They come from the "
            "package registry that pip is set up for: check the network, or give an environment that "
            "has them with --venv PATH."
        )
    return done.stdout


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _public(number: str) -> str:
    return number.split("+")[0]
