"""The wheel: what is in it, that it needs no checkout, and that a wheel from the sdist is the same."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parents[1]

CODE = """
import zoo, zoo.registry.index, pathlib
print(pathlib.Path(zoo.__file__).parent)
print(zoo.registry.index.own_registry().models)
print(tuple(zoo.load("vae-mnist-20").sample(2, seed=0).shape))
print(",".join(zoo.list_models()))
"""


@pytest.fixture(scope="module")
def wheels(checkout, tmp_path_factory) -> dict[str, Path]:
    """A wheel built from the checkout, and one built from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir"]
    subprocess.run([*build, str(out / "direct"), "--wheel", str(checkout)], check=True)
    subprocess.run(
        [*build, str(out / "sdist"), str(checkout)], check=True
    )  # the sdist, then from it
    return {
        "wheel": next((out / "direct").glob("*.whl")),
        "wheel from the sdist": next((out / "sdist").glob("*.whl")),
    }


def run_in(place: Path, python: Path | str, code: str, extra_path: str = "") -> list[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "ZOO_DATA")}
    if extra_path:
        environment["PYTHONPATH"] = extra_path
    done = subprocess.run(
        [str(python), "-c", code], cwd=place, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


@pytest.mark.slow
def test_the_wheel_stays_under_forty_megabytes(wheels):
    assert wheels["wheel"].stat().st_size < 40e6


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "wheel from the sdist"])
def test_a_wheel_loads_a_model_away_from_the_checkout(wheels, kind, tmp_path):
    """Installed alone in a venv of its own, which borrows only the dependencies from this one."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    site = run_in(tmp_path, python, "import site; print(site.getsitepackages()[0])")[0]
    with zipfile.ZipFile(wheels[kind]) as wheel:
        wheel.extractall(site)
    ours = run_in(
        tmp_path,
        sys.executable,
        "import torch, pathlib as p; print(p.Path(torch.__file__).parents[1])",
    )
    borrowed = tmp_path / "borrowed"
    borrowed.mkdir()
    for entry in Path(ours[0]).iterdir():
        if "autoencoder_zoo" not in entry.name and entry.name != "zoo":
            (borrowed / entry.name).symlink_to(entry)
    there, registry, shape, names = run_in(tmp_path, python, CODE, str(borrowed))[:4]
    assert Path(there).parent == Path(site)
    assert Path(registry) == Path(there) / "_registry"
    assert shape == "(2, 1, 28, 28)"
    assert "vae-digits-8" in names.split(",")


@pytest.mark.slow
def test_the_two_wheels_hold_the_same_and_stay_small(wheels):
    contents = []
    for path in wheels.values():
        assert path.stat().st_size < 40e6
        with zipfile.ZipFile(path) as wheel:
            names = {n for n in wheel.namelist() if not n.endswith("/RECORD")}
            contents.append({n: wheel.read(n) for n in names})
    assert contents[0] == contents[1]
    assert "zoo/py.typed" in contents[0]
    assert "zoo/_recipes/vae-mnist-20.toml" in contents[0]


def _imported() -> dict[str, str]:
    """Each top-level package that the zoo imports anywhere, and a file that does."""
    found: dict[str, str] = {}
    for path in sorted((CHECKOUT / "zoo").rglob("*.py")):
        if "template" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            found |= {name.partition(".")[0]: str(path.relative_to(CHECKOUT)) for name in names}
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names}


def _declared() -> dict[str, str]:
    """Each distribution that pyproject.toml names, and where: `zoo` or an extra."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    groups = {"zoo": project["dependencies"], **project["optional-dependencies"]}
    return {
        canonicalize_name(Requirement(line).name): group
        for group in reversed(groups)
        for line in groups[group]
    }


PROVIDERS = {"torch_fidelity": "torch-fidelity", "trackio": "trackio", "umap": "umap-learn"}
"""Whose imports these are, where they are not installed."""


def test_everything_that_is_imported_is_declared():
    known = packages_distributions()
    declared = _declared()
    for name, path in _imported().items():
        if name == "zoo":
            continue
        providers = known.get(name) or [PROVIDERS[name]]
        assert {*map(canonicalize_name, providers)} & declared.keys(), f"{path} imports {name}"


def test_what_a_plain_install_imports_is_no_extra():
    """Nothing that only an extra brings is imported by every command, or by loading a model."""
    extras = {name for name, group in _declared().items() if group != "zoo"}
    code = "import sys, zoo.cli; zoo.load('vae-digits-8'); print(*{n.partition('.')[0] for n in sys.modules})"
    loaded = run_in(CHECKOUT, sys.executable, code)[0].split()
    known = packages_distributions()
    brought = {canonicalize_name(one) for name in loaded for one in known.get(name, ())}
    assert not brought & extras


def test_a_checkout_reads_its_own_folders(checkout):
    from zoo.registry import index

    assert index.own_registry().models == checkout / "registry"


def test_a_stale_packed_copy_beside_a_checkout_is_not_preferred(tmp_path, checkout):
    """What an editable install may leave behind."""
    (tmp_path / "zoo" / "_registry").mkdir(parents=True)
    (tmp_path / "zoo" / "_registry" / "index.toml").write_text("")
    (tmp_path / "registry").mkdir()
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "autoencoder-zoo"\n')
    shutil.copytree(checkout / "zoo", tmp_path / "zoo", dirs_exist_ok=True)
    code = "import zoo.registry.index as p; print(p.own_registry().models)"
    assert run_in(tmp_path, sys.executable, code)[0] == str(tmp_path / "registry")
