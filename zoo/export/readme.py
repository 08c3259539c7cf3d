"""README.md of an exported model: what the files are, and what they were compared on."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

from zoo.export.formats import Format
from zoo.export.parts import PARTS
from zoo.folder.weights import weights_bytes
from zoo.io.text import printable
from zoo.models import Autoencoder
from zoo.registry import published
from zoo.registry.families import title_of
from zoo.version import DISTRIBUTION, __version__


def readme(model: Autoencoder, form: Format, differences: dict[str, float], checked_on: str) -> str:
    """The text, Markdown.

    Args:
        model: what was exported.
        form: the kind of file.
        differences: largest difference from the model's own output, by file.
        checked_on: on which images.
    """
    sha256 = hashlib.sha256(weights_bytes(model)).hexdigest()
    rows = [
        f"| `{part.file(form.suffix)}` | `{part.takes}` {takes} | `{part.gives}` {gives} "
        f"| {differences[part.file(form.suffix)]:.1e} |"
        for part in PARTS
        for takes, gives in [part.shapes(model.spec)]
    ]
    return "\n".join(
        [
            f"# {_called(model, sha256)}, as {form.name}",
            "",
            f"Written by {DISTRIBUTION} {__version__} and torch {version('torch')} from weights "
            f"whose model.safetensors has the sha256 `{sha256}`. {_license(model)}",
            "",
            "| file | input | output | difference |",
            "|---|---|---|---|",
            *rows,
            "",
            f"{form.note} n is any number of images; images are floats in [0, 1]. The encoder does "
            "what the model's `encode` does, the decoder what `decode` does; neither checks its "
            "input.",
            "",
            f"The difference is the largest one from the model's own output, of {printable(checked_on)}, run "
            f"by {form.by} {version(form.by)}.",
            "",
            "```python",
            form.example,
            "```",
            "",
        ]
    )


def _called(model: Autoencoder, sha256: str) -> str:
    """A published name, or where it is on the Hub; another model goes by its family."""
    origin = model.info.origin if model.info and model.info.sha256 == sha256 else ""
    is_public = origin.startswith("hf://") or published.known(origin)
    return printable(origin) if is_public else title_of(model)


def _license(model: Autoencoder) -> str:
    license = model.info.license if model.info else None
    return f"Its license is {printable(license)}." if license else "No license is on record."
