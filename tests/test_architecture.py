"""The house: which module may import which, and how large a file may be."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

LAYERS = [
    ["version", "errors"],
    ["text", "protocols", "files", "validation", "layout", "licences", "report"],
    ["digests", "specs", "record"],
    ["guards"],
    ["plugins"],
    ["registries"],
    ["families", "published"],
    ["provenance"],
    ["sources", "folder"],
    ["front_matter", "authorship"],
    ["card"],
    ["devices", "models"],
    ["store", "data"],
    ["figures", "evaluation"],
    ["training"],
    ["testing"],
    ["hub"],
    ["release", "api", "probe", "start"],
    ["cli"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
ZOO = Path(__file__).resolve().parent.parent / "zoo"
FILES = sorted(ZOO.rglob("*.py"))
NO_TORCH = (
    "errors",
    "text",
    "specs",
    "plugins",
    "families",
    "published",
    "registries",
    "provenance",
    "sources",
    "folder",
    "card",
    "record",
)
HEAVY = {"torch", "torchvision", "accelerate", "sklearn", "torchmetrics"}


def room(path: Path) -> str:
    return path.relative_to(ZOO).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it but under TYPE_CHECKING."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "zoo":
            found |= {f"zoo.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ZOO)))
def test_a_module_imports_only_what_stands_below_it(path):
    here = room(path)
    if here in ("__init__", "__main__"):
        return
    for module in imports(path):
        there = module.removeprefix("zoo.").partition(".")[0]
        if module.startswith("zoo.") and there in RANK and there != here:
            allowed = RANK[there] < RANK[here]
            lazily_built = (here, there) == ("families", "models")  # only when a family is used
            assert allowed or lazily_built, f"{here} imports {there}"


def test_every_room_has_its_floor():
    rooms = {room(path) for path in FILES} - {"__init__", "__main__"}
    assert rooms == set(RANK)


@pytest.mark.parametrize("name", NO_TORCH)
def test_listing_needs_no_torch(name):
    tree = ast.parse((ZOO / f"{name}.py").read_text())
    tops = {
        alias.name.partition(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    tops |= {(n.module or "").partition(".")[0] for n in tree.body if isinstance(n, ast.ImportFrom)}
    assert not tops & HEAVY


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ZOO)))
def test_a_file_holds_one_thing(path):
    assert len(path.read_text().splitlines()) <= 310
