"""File formats of a graph: ONNX and `torch.export`."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.export import ExportedProgram

from zoo.errors import ExportError
from zoo.export.parts import Part

OPSET = 18
"""ONNX opset: the one that torch's exporter translates to directly."""


@dataclass(frozen=True)
class Format:
    """A file format: how to write programs to it and run them from it."""

    name: str
    suffix: str
    by: str
    """The distribution that runs it in the comparison."""
    needs: tuple[str, ...]
    """Modules of the extra `export`."""
    bytes_of: Callable[[ExportedProgram, Part], bytes]
    """Raises ExportError."""
    opened: Callable[[bytes, Part], Callable[[Tensor], Tensor]]
    """The graph in these bytes, as a function."""
    note: str
    """What the README says about the files."""
    example: str
    """Python that turns examples into `codes` and back; `EXAMPLES` stands for their name in the graphs."""


def _onnx_bytes(program: ExportedProgram, part: Part) -> bytes:
    try:
        with warnings.catch_warnings(action="ignore"):
            made = torch.onnx.export(
                program,
                dynamo=True,
                input_names=[part.takes],
                output_names=[part.gives],
                dynamic_shapes=({0: "n"},),
                opset_version=OPSET,
                verbose=False,
            )
    except Exception as failure:
        found = re.search(r"op='([\w.:]+)'", str(failure))
        operator = found.group(1) if found else "an operator"
        raise ExportError(
            f"This model cannot be exported to ONNX: its {part.name} uses {operator}, which torch "
            f"cannot translate to opset {OPSET}. A torch.export program may still work."
        ) from failure
    assert made is not None
    return made.model_proto.SerializeToString()


def _run_onnx(data: bytes, part: Part) -> Callable[[Tensor], Tensor]:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])

    def run(given: Tensor) -> Tensor:
        [found] = session.run([part.gives], {part.takes: given.numpy()})
        return torch.from_numpy(found)

    return run


def _torch_bytes(program: ExportedProgram, part: Part) -> bytes:
    file = io.BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


def _run_torch(data: bytes, part: Part) -> Callable[[Tensor], Tensor]:
    return torch.export.load(io.BytesIO(data)).module()


ONNX = Format(
    name="ONNX",
    suffix=".onnx",
    by="onnxruntime",
    needs=("onnx", "onnxscript", "onnxruntime"),
    bytes_of=_onnx_bytes,
    opened=_run_onnx,
    note=f"Opset {OPSET}, standard operators alone; weights and codes are float32, the weights within the file.",
    example="""\
import onnxruntime

encoder, decoder = (onnxruntime.InferenceSession(f"{part}.onnx") for part in ("encoder", "decoder"))
[codes] = encoder.run(["codes"], {"EXAMPLES": EXAMPLES})  # EXAMPLES: a NumPy array, DTYPE
[EXAMPLES] = decoder.run(["EXAMPLES"], {"codes": codes})""",
)

TORCH = Format(
    name="torch.export",
    suffix=".pt2",
    by="torch",
    needs=(),
    bytes_of=_torch_bytes,
    opened=_run_torch,
    note="Programs of `torch.export`; weights and codes are float32; each has all the model's weights.",
    example="""\
import torch

encoder, decoder = (torch.export.load(f"{part}.pt2").module() for part in ("encoder", "decoder"))
codes = encoder(EXAMPLES)  # EXAMPLES: a tensor, DTYPE
EXAMPLES = decoder(codes)""",
)
