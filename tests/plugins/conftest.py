"""What the tests of plugins share: a package that works, and a venv full of packages that do not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packages import Package, Place, install, install_with_pip

collect_ignore_glob = ["acme-vq/*"]  # its own tests run where it is installed


@pytest.fixture(scope="session")
def acme_vq(checkout) -> Path:
    """The project of the example package."""
    return checkout / "tests" / "plugins" / "acme-vq"


@pytest.fixture
def place(tmp_path) -> Place:
    """A venv with the zoo and nothing else."""
    return Place.made(tmp_path / "venv")


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Iterator[Callable[..., None]]:
    """`installed(package, ..., with_pip=False)`: installs packages for this process, until the test ends."""
    before = set(sys.modules)
    folders = []

    def add(*packages: Package | Path, with_pip: bool = False) -> None:
        folder = tmp_path / f"site-{len(folders)}"
        folders.append(folder)
        (install_with_pip if with_pip else install)(folder, *packages)
        monkeypatch.syspath_prepend(folder)

    yield add
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if any(file.startswith(str(folder)) for folder in folders):
            del sys.modules[name]
