"""The prior of a model as a graph: standard normal noise -> codes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zoo.export.formats import ONNX
from zoo.export.parts import Part, program_of
from zoo.models import Autoencoder, VariationalAutoencoder

PRIOR = Part("prior", "noise", "codes", "_prior_codes")


@dataclass(frozen=True)
class Prior:
    """How the page draws codes."""

    noise: list[int]
    """Shape of the noise of one code; its last number chooses a component where it has one more than the code."""
    graph: bytes | None
    """ONNX; None for a standard normal, whose noise is the code."""


def prior_of(model: Autoencoder) -> Prior | None:
    """The prior of a variational model, on the processor in eval mode; None for any other one.

    Raises ExportError where it cannot be a graph.
    """
    if not isinstance(model, VariationalAutoencoder):
        return None
    shape = model._prior_noise_shape
    noise = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    if tuple(shape) == tuple(model.latent_shape) and torch.equal(model._prior_codes(noise), noise):
        return Prior(list(shape), None)
    return Prior(list(shape), ONNX.bytes_of(program_of(model, PRIOR, noise), PRIOR))
