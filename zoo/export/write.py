"""A model -> a folder with its encoder and decoder, compared with the model before they are written."""

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
    """The result of an export."""

    folder: Path
    checked_on: str
    """The examples on which graphs and model were compared, such as `64 test images of mnist`."""
    differences: dict[str, float]
    """Largest difference from the model's own output, by file; of rows and series in standard
    deviations of each column or channel."""


def export_onnx(model: Autoencoder, folder: str | Path) -> Exported:
    """Exports `encode` and `decode` as ONNX: encoder.onnx, decoder.onnx and a README.md.

    The encoder takes `images`, float32 `(n, C, H, W)` in [0, 1], or `rows` `(n, D)` or `series`
    `(n, C, L)`, float64 in the user's units, and gives `codes`, float32 `(n, *latent_shape)`; the
    decoder takes `codes` and gives examples. n is any number of them. Neither checks its input.
    Before anything is written, onnxruntime runs both, and their outputs are compared with the model's,
    on test examples of its recipe's dataset or, if that is not available locally, on random ones. The
    tolerance is 1e-5, times the largest output value if that is above 1. Rows and series are compared
    standardized.

    Args:
        model: any model; it is exported in float32 and not changed.
        folder: new or empty.

    Raises:
        InputError: for a folder that is not empty, or without `autoencoder-zoo[export]`.
        ExportError: for a model that cannot be exported, naming the unsupported operator, or whose
            graph computes something else.
        ZooError: if the disk is full or read-only.
    """
    return _export(model, with_home(folder), ONNX)


def export_torch(model: Autoencoder, folder: str | Path) -> Exported:
    """Like `export_onnx`, but writes `torch.export` programs, encoder.pt2 and decoder.pt2; needs no extra."""
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
        raise InputError(f"{str(folder)!r} is not empty. Choose a new or empty folder.")


@contextmanager
def in_a_sentence(part: Part) -> Iterator[None]:
    """Turns any exception of torch or onnxruntime into an ExportError."""
    try:
        yield
    except ZooError:
        raise
    except Exception as failure:
        raise ExportError(
            f"This model cannot be exported: the graph of its {part.name} fails ({cause(failure)})."
        ) from failure


def difference(
    model: Autoencoder, part: Part, given: Tensor, run: Callable[[Tensor], Tensor]
) -> float:
    """The largest difference, as in `gap`. Raises ExportError if it is too large."""
    found, most = gap(model, part, given, run)
    if not found <= most:
        raise ExportError(
            f"This model cannot be exported: the graph of its {part.name} differs from it by "
            f"{found:.1e}, more than {most:.0e}. Nothing was written."
        )
    return found


def gap(
    model: Autoencoder, part: Part, given: Tensor, run: Callable[[Tensor], Tensor]
) -> tuple[float, float]:
    """The largest difference between a graph and the model, for one example and for all at once; and
    the tolerance. Rows and series are compared standardized."""
    own = Unchecked(model, part)
    expected = torch.cat([own(given[:1]), own(given)])
    found = torch.cat([run(given[:1]), run(given)])
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return math.inf, 0.0
    if model.standardization is not None and part.gives != "codes":
        expected, found = map(model.standardization, (expected, found))
    return float((found - expected).abs().max()), CLOSE * max(1.0, float(expected.abs().max()))
