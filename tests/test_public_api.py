"""What `import zoo` gives, and what it costs."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

import zoo


@pytest.mark.parametrize("name", zoo.__all__)
def test_everything_that_is_promised_is_there(name):
    assert getattr(zoo, name) is not None
    assert name in dir(zoo)


def test_type_checkers_are_told_the_same(checkout):
    stub = ast.parse((checkout / "zoo" / "__init__.pyi").read_text())
    told = {alias.asname for node in stub.body for alias in node.names}
    assert told == {*zoo.__all__, "sklearn", "testing"}


def test_every_error_is_exported():
    from zoo import errors

    raised = {
        n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, Exception)
    }
    assert raised <= set(zoo.__all__)


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        zoo.lod  # noqa: B018


@pytest.mark.parametrize(
    "code",
    [
        "import zoo",
        "import zoo; zoo.list_models(); zoo.list_families()",
        "import zoo; zoo.info('vae-mnist-20')",
        "from zoo.cli import main; main(['list'])",
        "from zoo.cli import main; main(['--help'])",
        "from zoo.cli import main; main(['show', 'vae'])",
        "from zoo.cli import main; main(['show', 'vae-mnist-20'])",
    ],
)
def test_what_needs_no_tensor_imports_no_torch(code):
    check = (
        "import sys, atexit\n"
        "def heavy():\n"
        "    found = {'torch', 'torchvision', 'sklearn', 'accelerate'} & set(sys.modules)\n"
        "    print('HEAVY', sorted(found))\n"
        f"atexit.register(heavy)\n{code}"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr


def test_the_command_and_the_module_are_one():
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "--version"], capture_output=True, text=True
    )
    assert done.stdout.strip() == f"zoo, version {zoo.__version__}"
