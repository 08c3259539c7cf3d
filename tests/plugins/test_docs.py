"""docs/plugins.md: its package is built, installed and used as it is printed, by public names alone."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from packages import install

BLOCK = re.compile(r"<!-- (.+?) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEXT = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def page(checkout) -> str:
    return (checkout / "docs" / "plugins.md").read_text()


def test_the_package_of_the_page_is_trained_loaded_measured_and_checked(page, place, tmp_path):
    blocks = dict(BLOCK.findall(page))
    script = blocks.pop("run")
    for name, text in blocks.items():
        path = tmp_path / "acme-sparse" / name.removeprefix("file: ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    install(place.modules, tmp_path / "acme-sparse")
    done = place.run("-c", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert printed[0] == TEXT.findall(page)[0].strip()
    assert float(printed[1]) > 0


def test_it_is_short_and_imports_no_private_name(page):
    import zoo

    source = dict(BLOCK.findall(page))["file: acme_sparse/__init__.py"]
    lines = [line for line in source.splitlines() if line.strip()]
    assert len(lines) < 60
    tree = ast.parse(source)
    froms = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [module for module in froms if module and module.startswith("zoo")]
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "zoo"
    }
    assert used <= set(zoo.__all__)


def test_every_method_that_a_family_may_write_is_on_the_page(page):
    from zoo.models import Autoencoder, Code, Loss
    from zoo.models.primitives import Primitives

    internal = {
        "_infer",
        "_infer_top",
        "_prior_over",
        "_noise",
        "_inputs",
        "_codes",
        "_restored",
    }
    own = {
        name
        for cls in (Primitives, Autoencoder)
        for name, value in vars(cls).items()
        if re.fullmatch(r"_[a-z]\w*", name) and callable(value)
    }
    assert not [name for name in own - internal if f"`{name}(" not in page]
    assert Code.__name__ in page
    assert Loss.__name__ in page


def test_links_lead_somewhere(page, checkout):
    for target in re.findall(r"\]\(([^)#]+)\)", page):
        assert (checkout / "docs" / Path(target)).exists(), target
