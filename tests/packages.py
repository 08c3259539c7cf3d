"""Packages for tests, made into wheels and installed for real, in a venv or a folder of their own."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

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
    likelihoods: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, project: Path) -> Package:
        """The package of a project of pure Python, by its pyproject.toml."""
        about = tomllib.loads((project / "pyproject.toml").read_text())
        tops = about["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        paths = (path for top in tops for path in (project / top).rglob("*") if path.is_file())
        files = {
            path.relative_to(project).as_posix(): path.read_bytes()
            for path in paths
            if "__pycache__" not in path.parts
        }
        points = about["project"]["entry-points"]
        groups = (
            points.get(f"{GROUP}.{g}", {})
            for g in ("families", "datasets", "registries", "likelihoods", "scores")
        )
        return cls(about["project"]["name"], about["project"]["version"], files, *groups)

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
            "likelihoods": self.likelihoods,
            "scores": self.scores,
        }
        return "".join(
            f"[{GROUP}.{group}]\n"
            + "".join(f"{name} = {target}\n" for name, target in points.items())
            for group, points in groups.items()
            if points
        )


def install(target: Path, *projects: Package | Path, by_pip: bool = False) -> None:
    """Puts packages and projects, and nothing else, into a folder of modules.

    A wheel is unpacked as pip would, and a project's package copied with what its metadata would
    say; `by_pip` has pip itself do it.
    """
    wheels = target.parent / f"{target.name}-wheels"
    if by_pip:
        paths = [p.wheel(wheels) if isinstance(p, Package) else p for p in projects]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
        options = ["--no-build-isolation", "--disable-pip-version-check", "--target", str(target)]
        subprocess.run([*pip, *options, *map(str, paths)], check=True)
        return
    for project in projects:
        package = project if isinstance(project, Package) else Package.of(project)
        with zipfile.ZipFile(package.wheel(wheels)) as wheel:
            wheel.extractall(target)


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

    def install(self, *projects: Package | Path, by_pip: bool = False) -> None:
        """As `install`, into this venv."""
        install(self.modules, *projects, by_pip=by_pip)

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
