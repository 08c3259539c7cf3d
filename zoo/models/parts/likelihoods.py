"""`LikelihoodHead`: converts decoder outputs to a distribution over examples."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zoo.errors import PluginError
from zoo.likelihoods.base import Likelihood
from zoo.likelihoods.registry import LIKELIHOODS
from zoo.plugins.guards import plugin_errors


class LikelihoodHead(nn.Module):
    """A likelihood with its learned parameters, registered by name.

    Args:
        likelihood: the Spec's likelihood.
        shape: shape of one example.

    Attributes:
        outputs: shape of the decoder's output for one code.

    `features` is what an encoder is given, and `distribution` what a decoder's outputs become.

    Raises:
        PluginError: if a package's likelihood fails or returns a distribution of the wrong shape.
    """

    def __init__(self, likelihood: Likelihood, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.likelihood, self.shape = likelihood, tuple(shape)
        cls = type(likelihood)
        self._plugin = "" if cls.__module__.startswith("zoo.") else LIKELIHOODS.title_of(cls)
        with self._guarded("failed to return its outputs"):
            self.outputs = tuple(likelihood.outputs(self.shape))
        with self._guarded("failed to return its parameters"):
            own = likelihood.parameters(self.shape)
            for name, start in own.items():
                self.register_parameter(name, nn.Parameter(start))
        self._own = tuple(own)
        with self._guarded("failed to return its constants"):
            constants = likelihood.constants(self.shape)
            for name, tensor in constants.items():
                self.register_buffer(name, tensor, persistent=False)
        self._constant = tuple(constants)

    def features(self, x: Tensor) -> Tensor:
        """What the encoder sees of examples `(N, *shape)`, as `likelihood.inputs` says."""
        if not self._plugin or torch.compiler.is_compiling():
            return self.likelihood.features(x, self.shape, **self._constants())
        with self._guarded("failed to return its features"):
            return self.likelihood.features(x, self.shape, **self._constants())

    def distribution(self, outputs: Tensor) -> Distribution:
        """Distribution over examples `(*batch, *shape)` from decoder outputs `(*batch, *outputs)`."""
        own = {name: getattr(self, name).float() for name in self._own} | self._constants()
        if not self._plugin or torch.compiler.is_compiling():
            return self.likelihood.distribution(outputs, self.shape, **own)
        with self._guarded("failed to return its distribution"):
            found = self.likelihood.distribution(outputs, self.shape, **own)
        return self._checked(found, outputs)

    def outputs_for(self, mean: Tensor) -> Tensor:
        """Decoder outputs whose expected example is `mean`, of shape `shape`."""
        with self._guarded("failed in outputs_for"):
            return self.likelihood.outputs_for(mean)

    def _constants(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in self._constant}

    def extra_repr(self) -> str:
        return repr(self.likelihood)

    def _checked(self, found: Distribution, outputs: Tensor) -> Distribution:
        """`found`, if it is a distribution over examples. Raises PluginError."""
        is_one = isinstance(found, Distribution)
        got = (*found.batch_shape, "|", *found.event_shape) if is_one else type(found).__name__
        batch = outputs.shape[: outputs.dim() - len(self.outputs)]
        if got != (wanted := (*batch, "|", *self.shape)):
            raise PluginError(
                f"{self._plugin} returned a distribution of shape (batch | event) {got}, not {wanted}."
            )
        return found

    def _guarded(self, doing: str) -> AbstractContextManager[None]:
        return plugin_errors(self._plugin, doing) if self._plugin else contextlib.nullcontext()
