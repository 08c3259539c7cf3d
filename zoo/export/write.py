"""A model -> a folder with its encoder and its decoder, compared with it before they are written."""

from __future__ import annotations

import copy
import importlib
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from zoo.errors import ExportError, InputError, ZooError
from zoo.export.examples import examples_for_check
from zoo.export.formats import ONNX, TORCH, Format
from zoo.export.parts import Part, Unchecked, parts_for, program_of
from zoo.export.readme import readme
from zoo.io.files import staged, with_home, write_atomically
from zoo.models import Autoencoder
from zoo.models.contract import unwrapped
from zoo.plugins.guards import cause
from zoo.registry import families

CLOSE = 1e-5


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    folder: Path
    checked_on: str
    """The examples on which graphs and model were compared, such as `64 test images of mnist`."""
    differences: dict[str, float]
    """Largest difference from the model's own output, by file; of rows and series in standard
    deviations of each column or channel."""


def export_onnx(model: Autoencoder, folder: str | Path) -> Exported:
    """Writes what `encode` and `decode` do as ONNX: encoder.onnx, decoder.onnx and a README.md.

    The encoder takes `images`, float32 `(n, C, H, W)` in [0, 1], or `rows` `(n, D)` or `series`
    `(n, C, L)`, float64 in the user's units, and gives `codes`, float32 `(n, *latent_shape)`; the
    decoder takes `codes` and gives examples. n is any number of them. Neither checks its input.
    Before anything is written onnxruntime runs both beside the model, on test examples of the dataset
    of its recipe or, where that is not here, on random ones: they may differ by 1e-5, times the
    largest number of the output where that is above 1. Rows and series are compared standardized.

    Args:
        model: any model; it is exported in float32, and is not changed.
        folder: new or empty.

    Raises:
        InputError: for a folder that holds something, or without `autoencoder-zoo[export]`.
        ExportError: for a model that cannot be exported, with the operator that is in the way, or
            whose graph computes something else.
        ZooError: where the disk is full or read-only.
    """
    return _export(model, with_home(folder), ONNX)


def export_torch(model: Autoencoder, folder: str | Path) -> Exported:
    """As `export_onnx`, as programs of `torch.export`, encoder.pt2 and decoder.pt2, without an extra."""
    return _export(model, with_home(folder), TORCH)


def _export(model: Autoencoder, folder: Path, form: Format) -> Exported:
    model = unwrapped(model)
    check_installed(form)
    _check_empty(folder)
    plain = copy.deepcopy(model).to("cpu", torch.float32).eval().requires_grad_(False)
    x, checked_on = examples_for_check(model)
    with families.guarded(model, "failed to encode"):
        codes = plain._encode(plain.standardized(x))
    files, differences = {}, {}
    for part, given in zip(parts_for(model.spec.domain), (x, codes), strict=True):
        name = part.file(form.suffix)
        with in_a_sentence(part):
            files[name] = form.bytes_of(program_of(plain, part, given), part)
            differences[name] = difference(plain, part, given, form.opened(files[name], part))
    files["README.md"] = readme(plain, form, differences, checked_on).encode()
    with staged(folder) as stage:
        for name, content in files.items():
            write_atomically(stage / name, content)
    return Exported(folder, checked_on, differences)


def check_installed(form: Format) -> None:
    try:
        for name in form.needs:
            importlib.import_module(name)
    except ImportError as absent:
        raise InputError(
            f"{form.name} needs {absent.name}: pip install 'autoencoder-zoo[export]'"
        ) from None


def _check_empty(folder: Path) -> None:
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise InputError(f"{str(folder)!r} is a file; an export needs a folder.")
    if os.path.isdir(folder) and os.listdir(folder):
        raise InputError(f"{str(folder)!r} is not empty. Name a new or empty folder.")


@contextmanager
def in_a_sentence(part: Part) -> Iterator[None]:
    """Makes an ExportError of whatever torch or onnxruntime raises."""
    try:
        yield
    except ZooError:
        raise
    except Exception as failure:
        raise ExportError(
            f"This model cannot be exported: its {part.name} fails as a graph ({cause(failure)})."
        ) from failure


def difference(
    model: Autoencoder, part: Part, given: Tensor, run: Callable[[Tensor], Tensor]
) -> float:
    """As `gap`. Raises ExportError where it is too large."""
    found, most = gap(model, part, given, run)
    if not found <= most:
        raise ExportError(
            f"This model cannot be exported: its {part.name} as a graph differs from it by "
            f"{found:.1e}, more than {most:.0e}. Nothing was written."
        )
    return found


def gap(
    model: Autoencoder, part: Part, given: Tensor, run: Callable[[Tensor], Tensor]
) -> tuple[float, float]:
    """The largest difference between a graph and the model, one example being given and all at once;
    and what rounding explains. Rows and series are compared standardized."""
    own = Unchecked(model, part)
    expected = torch.cat([own(given[:1]), own(given)])
    found = torch.cat([run(given[:1]), run(given)])
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return math.inf, 0.0
    if model.standardization is not None and part.gives != "codes":
        expected, found = map(model.standardization, (expected, found))
    return float((found - expected).abs().max()), CLOSE * max(1.0, float(expected.abs().max()))
