"""The two parts of a model that are exported, and a `torch.export` program of each."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import GraphModule

from zoo.errors import ExportError
from zoo.models import Autoencoder
from zoo.plugins.guards import cause
from zoo.specs.base import Spec
from zoo.specs.domains import Domain


@dataclass(frozen=True)
class Part:
    """A function of a model, with the names of its file, its input and its output."""

    name: str
    takes: str
    gives: str
    apply: Callable[[Autoencoder, Tensor], Tensor]

    def file(self, suffix: str) -> str:
        return f"{self.name}{suffix}"

    def shapes(self, spec: Spec) -> tuple[str, str]:
        """Shapes of input and output, such as `(n, 20)`: n is any number of examples."""
        of = {spec.domain.nouns: spec.input_shape, "codes": spec.latent_shape}
        shown = {what: f"(n, {', '.join(map(str, shape))})" for what, shape in of.items()}
        return shown[self.takes], shown[self.gives]


def parts_for(domain: Domain) -> tuple[Part, Part]:
    """Encoder and decoder: examples in the user's units on one side, codes on the other."""
    return (
        Part("encoder", domain.nouns, "codes", _codes),
        Part("decoder", "codes", domain.nouns, _examples),
    )


def input_dtype(domain: Domain) -> torch.dtype:
    """Dtype of examples: float64 keeps the digits of a timestamp until the graph standardizes it."""
    return torch.float64 if domain.is_real else torch.float32


def _codes(model: Autoencoder, x: Tensor) -> Tensor:
    return model._encode(model.standardized(x))


def _examples(model: Autoencoder, z: Tensor) -> Tensor:
    return model._restored(model._decode(z))


class Unchecked(nn.Module):
    """One part of a model as a module, without input checks, which cannot be exported."""

    def __init__(self, model: Autoencoder, part: Part) -> None:
        super().__init__()
        self.model, self.part = model, part
        self.eval()

    def forward(self, given: Tensor) -> Tensor:
        return self.part.apply(self.model, given)


def program_of(model: Autoencoder, part: Part, given: Tensor) -> ExportedProgram:
    """The `torch.export` program of a part, for any number of examples.

    Args:
        model: on the CPU, float32, in eval mode.
        part: the part.
        given: example input, `(n, ...)`.

    Raises ExportError, which gives the line of the model at which torch failed.
    """
    example = given[:1].repeat(2, *[1] * (given.dim() - 1))  # a batch of 1 would become a constant
    dynamic = ({0: torch.export.Dim("n", min=1)},)
    try:
        with warnings.catch_warnings(action="ignore"):
            program = torch.export.export(
                Unchecked(model, part), (example,), dynamic_shapes=dynamic, strict=False
            )
    except Exception as failure:
        raise ExportError(
            f"This model cannot be exported: torch.export cannot trace its {part.name}"
            f"{_line_of(failure)}: {cause(failure)}."
        ) from failure
    for graph in program.graph_module.modules():
        for node in graph.graph.nodes if isinstance(graph, GraphModule) else ():
            node.meta.pop("stack_trace", None)  # it contains paths on this machine
    return program


def _line_of(failure: Exception) -> str:
    """The line of the model at which torch failed, or ""."""
    inside = (Path(torch.__file__).parent, Path(__file__))
    for frame in reversed(traceback.extract_tb(failure.__traceback__)):
        if not any(Path(frame.filename).is_relative_to(place) for place in inside):
            return f" at `{frame.line}` ({Path(frame.filename).name}, line {frame.lineno})"
    return ""
