"""The prior of a model as a graph: standard normal noise -> codes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.export.formats import ONNX
from zoo.export.parts import Part, program_of
from zoo.export.write import in_a_sentence
from zoo.models import Autoencoder, VariationalAutoencoder

COUNT = 256
PRIOR = Part("prior", "noise", "codes", lambda model, noise: model._prior_codes(noise))


@dataclass(frozen=True)
class Prior:
    """How the page draws codes."""

    noise: list[int]
    """Shape of the noise of one code; its last number chooses a component where it has one more than the code."""
    graph: bytes | None
    """ONNX; None for a standard normal, whose noise is the code."""
    codes: Tensor
    """Some codes drawn from it, `(n, d)`."""


def prior_of(model: Autoencoder) -> Prior | None:
    """The prior of a variational model, on the processor in eval mode; None for any other one.

    Raises ExportError where it cannot be a graph.
    """
    if not isinstance(model, VariationalAutoencoder):
        return None
    shape = model._prior_noise_shape
    noise = torch.randn(COUNT, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        codes = model._prior_codes(noise)
    is_noise = codes.shape == noise.shape and torch.equal(codes, noise)
    graph = None
    if not is_noise:
        with in_a_sentence(PRIOR):
            graph = ONNX.bytes_of(program_of(model, PRIOR, noise), PRIOR)
    return Prior(list(shape), graph, codes.flatten(1))
