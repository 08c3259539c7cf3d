"""Packages for tests, made into wheels and installed in a venv or a folder of their own."""

from __future__ import annotations

import contextlib
import os
import site
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hatchling.build import build_wheel

GROUP = "autoencoder_zoo"
MARK = "import os, pathlib\npathlib.Path(os.environ['MARKS'], __name__).touch()\n"
"""First lines of a module that leaves a mark when it is imported."""


@dataclass(frozen=True)
class Package:
    """A distribution of a few files, and the entry points that it declares."""

    name: str
    version: str = "1.0"
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    families: Mapping[str, str] = field(default_factory=dict)
    datasets: Mapping[str, str] = field(default_factory=dict)
    registries: Mapping[str, str] = field(default_factory=dict)

    def wheel(self, folder: Path) -> Path:
        """Its wheel, written into a folder."""
        stem = f"{self.name.replace('-', '_')}-{self.version}"
        about = f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"
        files = {
            **self.files,
            f"{stem}.dist-info/METADATA": about,
            f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{stem}.dist-info/entry_points.txt": self.entry_points(),
        }
        record = "".join(f"{name},,\n" for name in (*files, f"{stem}.dist-info/RECORD"))
        path = folder / f"{stem}-py3-none-any.whl"
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as wheel:
            for name, content in {**files, f"{stem}.dist-info/RECORD": record}.items():
                wheel.writestr(name, content)
        return path

    def entry_points(self) -> str:
        """What stands in its entry_points.txt."""
        groups = {
            "families": self.families,
            "datasets": self.datasets,
            "registries": self.registries,
        }
        return "".join(
            f"[{GROUP}.{group}]\n"
            + "".join(f"{name} = {target}\n" for name, target in points.items())
            for group, points in groups.items()
            if points
        )


def install(target: Path, *projects: Package | Path) -> None:
    """Puts packages and projects into a folder of modules as pip would, without its seconds.

    A project's wheel is built by hatchling, which pip would call; a wheel is unpacked.
    """
    for wheel in _wheels(target, projects):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)


def install_with_pip(target: Path, *projects: Package | Path) -> None:
    """Installs packages and projects with pip, and nothing else, into a folder of modules."""
    paths = [p if isinstance(p, Path) else p.wheel(_beside(target)) for p in projects]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    options = ["--no-build-isolation", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run([*pip, *options, *map(str, paths)], check=True)


def _wheels(target: Path, projects: Iterable[Package | Path]) -> Iterator[Path]:
    for project in projects:
        if isinstance(project, Package):
            yield project.wheel(_beside(target))
        else:
            _beside(target).mkdir(parents=True, exist_ok=True)
            with contextlib.chdir(project):
                yield _beside(target) / build_wheel(str(_beside(target)))


def _beside(target: Path) -> Path:
    """Where the wheels lie of what is installed in a folder."""
    return target.parent / f"{target.name}-wheels"


@dataclass(frozen=True)
class Place:
    """A venv of its own, which borrows the zoo and what it depends on from this one."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> Place:
        """A new one."""
        venv.create(folder, with_pip=False)
        place = cls(folder)
        borrowed = "; ".join(f"site.addsitedir({path!r})" for path in site.getsitepackages())
        (place.modules / "borrowed.pth").write_text(f"import site; {borrowed}\n")
        return place

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def modules(self) -> Path:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.folder / "lib" / version / "site-packages"

    @property
    def marks(self) -> set[str]:
        """Names of the modules that began with MARK and were imported here."""
        folder = self.folder / "marks"
        return set(os.listdir(folder)) if folder.is_dir() else set()

    def install(self, *projects: Package | Path) -> None:
        """As `install`, into this venv."""
        install(self.modules, *projects)

    def install_with_pip(self, *projects: Package | Path) -> None:
        """As `install_with_pip`, into this venv."""
        install_with_pip(self.modules, *projects)

    def run(
        self, *words: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs this venv's Python."""
        (self.folder / "marks").mkdir(exist_ok=True)
        own = {"MARKS": str(self.folder / "marks"), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [str(self.python), *map(str, words)],
            env={**os.environ, **own, **(env or {})},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def zoo(self, *words: str | Path, **options) -> subprocess.CompletedProcess[str]:
        """Runs the command line here."""
        return self.run("-m", "zoo", *words, **options)
