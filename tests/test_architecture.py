"""The house: which package may import which, no circle anywhere, and how large a file may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ORDER = [
    "version",
    "errors",
    "io",
    "runtime",
    "datasets",
    "specs",
    "plugins",
    "distributions",
    "likelihoods",
    "models",
    "families",
    "registry",
    "integers",
    "cards",
    "folder",
    "hub",
    "data",
    "evaluation",
    "training",
    "detection",
    "coding",
    "restoration",
    "bench",
    "sweeps",
    "api",
    "testing",
    "export",
    "page",
    "gallery",
    "sklearn",
    "__init__",
    "release",
    "cli",
    "__main__",
]
"""Each imports only what stands above it here, lazily, by its name as text, and for types too."""
ROOT = Path(__file__).resolve().parent.parent
ZOO = ROOT / "zoo"
FILES = sorted(p for p in ZOO.rglob("*.py") if "template" not in p.parts)
MODULES = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in FILES}
MODULES = {name.removesuffix(".__init__"): path for name, path in MODULES.items()}


def package(path: Path) -> str:
    return path.relative_to(ZOO).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[Path]:
    """Every file of the zoo that a file imports, anywhere in it, under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and node.value in MODULES.keys() - {"zoo"}:
            names = [node.value]  # by importlib, or in a process of its own
        for name in names:
            module = name if name in MODULES else name.rpartition(".")[0]
            if module in MODULES:
                yield MODULES[module]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ZOO)))
def test_a_module_imports_only_what_stands_above_it(path):
    here = package(path)
    for there in map(package, imports(path)):
        allowed = ORDER.index(there) <= ORDER.index(here)
        assert allowed, f"{path.relative_to(ZOO)} imports from zoo.{there}"


def test_no_files_import_each_other_in_a_circle():
    arrows = {path: set(imports(path)) - {path} for path in FILES}
    while ends := [path for path, there in arrows.items() if not there & arrows.keys()]:
        for path in ends:
            del arrows[path]
    assert not arrows, sorted(str(path.relative_to(ZOO)) for path in arrows)


def test_every_package_has_its_place():
    assert {package(path) for path in FILES} == set(ORDER)
    assert len(list(ZOO.glob("*.py"))) <= 10


def test_the_readme_lists_the_packages_in_this_order():
    table = (ROOT / "README.md").read_text().partition("| package | what is in it |")[2]
    named = re.findall(
        r"`(\w+)/?`[,\s]", "\n".join(re.findall(r"^\| (`.*?) \|", table, re.M)) + "\n"
    )
    assert named == [one for one in ORDER if one in named]
    assert {path.parent.name for path in ZOO.glob("*/__init__.py")} <= set(named)


def test_listing_needs_no_torch():
    code = """
import sys, zoo, zoo.cli, zoo.registry.families, zoo.registry.sources, zoo.cards.card
import zoo.training.recipe, zoo.hub.find
zoo.list_models(), zoo.list_families(), zoo.info("vae-mnist-20")
heavy = {"torch", "torchvision", "accelerate", "sklearn", "torchmetrics"} & set(sys.modules)
print(*heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ZOO)))
def test_a_file_holds_one_thing(path):
    assert len(path.read_text().splitlines()) <= 350
