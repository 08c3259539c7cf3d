"""`LikelihoodHead`: the end of a decoder, which turns its outputs into a distribution over examples."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zoo.errors import PluginError
from zoo.likelihoods import registry
from zoo.likelihoods.base import Likelihood
from zoo.plugins.guards import blamed


class LikelihoodHead(nn.Module):
    """A likelihood and its learned parameters, each a tensor of the head's by its name.

    Args:
        likelihood: of the Spec.
        shape: of one example.

    Attributes:
        outputs: shape of what a decoder gives for one code.

    Raises:
        PluginError: for a package's likelihood that fails, or gives something of the wrong shape.
    """

    def __init__(self, likelihood: Likelihood, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.likelihood, self.shape = likelihood, tuple(shape)
        cls = type(likelihood)
        self._blamed = "" if cls.__module__.startswith("zoo.") else registry.title_of(cls)
        with self._guarded("failed to give its outputs"):
            self.outputs = tuple(likelihood.outputs(self.shape))
        with self._guarded("failed to give its parameters"):
            own = likelihood.parameters(self.shape)
            for name, start in own.items():
                self.register_parameter(name, nn.Parameter(start))
        self._own = tuple(own)

    def distribution(self, outputs: Tensor) -> Distribution:
        """Distribution over examples `(*batch, *shape)` from decoder outputs `(*batch, *outputs)`."""
        own = {name: getattr(self, name).float() for name in self._own}
        if not self._blamed or torch.compiler.is_compiling():  # a graph needs no guard
            return self.likelihood.distribution(outputs, self.shape, **own)
        with self._guarded("failed to give its distribution"):
            found = self.likelihood.distribution(outputs, self.shape, **own)
        return self._checked(found, outputs)

    def outputs_for(self, mean: Tensor) -> Tensor:
        """Decoder outputs whose expected example is `mean`, of shape `shape`."""
        with self._guarded("failed to give its outputs_for"):
            return self.likelihood.outputs_for(mean)

    def extra_repr(self) -> str:
        return repr(self.likelihood)

    def _checked(self, found: Distribution, outputs: Tensor) -> Distribution:
        """What a package's likelihood gave, if it is a distribution over examples."""
        is_one = isinstance(found, Distribution)
        gave = (*found.batch_shape, "|", *found.event_shape) if is_one else type(found).__name__
        batch = outputs.shape[: outputs.dim() - len(self.outputs)]
        if gave != (wanted := (*batch, "|", *self.shape)):
            raise PluginError(
                f"{self._blamed} gave a distribution of shape (batch | event) {gave}, not {wanted}."
            )
        return found

    def _guarded(self, doing: str) -> AbstractContextManager[None]:
        return blamed(self._blamed, doing) if self._blamed else contextlib.nullcontext()
