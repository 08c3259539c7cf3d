"""README.md of an exported model: what the files are, and what they were compared on."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

from zoo.export.formats import Format
from zoo.export.parts import input_dtype, parts_for
from zoo.folder.weights import weights_bytes
from zoo.io.text import printable
from zoo.models import Autoencoder
from zoo.registry import published
from zoo.registry.families import title_of
from zoo.specs.domains import Domain
from zoo.version import DISTRIBUTION, __version__


def readme(model: Autoencoder, form: Format, differences: dict[str, float], checked_on: str) -> str:
    """The text, Markdown.

    Args:
        model: what was exported.
        form: the file format.
        differences: largest difference from the model's own output, by file.
        checked_on: description of the examples compared.
    """
    domain = model.spec.domain
    dtype = str(input_dtype(domain)).removeprefix("torch.")
    sha256 = hashlib.sha256(weights_bytes(model)).hexdigest()
    rows = [
        f"| `{part.file(form.suffix)}` | `{part.takes}` {takes} | `{part.gives}` {gives} "
        f"| {differences[part.file(form.suffix)]:.1e} |"
        for part in parts_for(model.spec.domain)
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
            f"{form.note} n is any number of {domain.nouns}; {_range(domain)}. The encoder does what "
            "the model's `encode` does, the decoder what `decode` does; neither checks its input.",
            "",
            f"The difference is the largest one from the model's own output{_unit(domain)}, for "
            f"{printable(checked_on)}, run by {form.by} {version(form.by)}.",
            "",
            "```python",
            form.example.replace("EXAMPLES", domain.nouns).replace("DTYPE", dtype),
            "```",
            "",
        ]
    )


def _range(domain: Domain) -> str:
    """The dtype and range of examples."""
    if domain.is_image:
        return "images are float32 in [0, 1]"
    return (
        f"{domain.nouns} are float64, in the units of the training data: the graphs standardize them, so "
        "that a timestamp of 1.7e9 keeps its digits"
    )


def _unit(domain: Domain) -> str:
    """The unit of a difference between examples."""
    if domain.is_image:
        return ""
    column = "column" if domain.kind == "vector" else "channel"
    return f", for {domain.nouns} in standard deviations of each {column}"


def _called(model: Autoencoder, sha256: str) -> str:
    """A published name or an address on the Hub; for other models, the family."""
    origin = model.info.origin if model.info and model.info.sha256 == sha256 else ""
    is_public = origin.startswith("hf://") or published.known(origin)
    return printable(origin) if is_public else title_of(model)


def _license(model: Autoencoder) -> str:
    license = model.info.license if model.info else None
    return f"Its license is {printable(license)}." if license else "No license is on record."
