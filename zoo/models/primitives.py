"""`Primitives`: what a family is made of, before its inputs are checked. Objectives are written over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zoo.models.loss import Batch, Code, Loss
from zoo.models.standardization import Standardization
from zoo.specs import base


def full_precision(device: torch.device) -> torch.autocast:
    """Turns autocast off: log-probabilities, KL terms and sums stay float32 whatever the networks do."""
    return torch.autocast(device.type, enabled=False)


@dataclass(frozen=True)
class Inference:
    """Codes drawn from posteriors, with all that a bound needs there."""

    z: Tensor
    """`(*draws, N, *latent_shape)`"""
    kl: dict[str, Tensor]
    """KL of each group of latents to its prior, `(N,)` or `(*draws, N)` in nats."""
    likelihood: Distribution
    """p(x | z), batch `(*draws, N)`."""


class Primitives(nn.Module):
    """A model as objectives see it: values are images in [0, 1], or standardized rows and series.

    A family implements some of these methods. Its parts, by name, are what it implements: see
    `parts_of`. Every tensor that they are given was checked.
    """

    Spec: ClassVar[type[base.Spec]]
    grouped: ClassVar[bool] = False
    """Whether latents are in groups, each with a posterior given the groups before it."""
    standardization: Standardization | None

    def __init__(self, spec: base.Spec) -> None:
        super().__init__()
        self.spec = spec
        self.standardization = Standardization(spec.domain) if spec.domain.is_real else None

    if TYPE_CHECKING:  # what some families lack has no method: hasattr tells

        def prior(self) -> Distribution: ...

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        return next(self.parameters()).dtype

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one example's code."""
        return self.spec.latent_shape

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Constant weights of the loss's terms, by name: the Spec's."""
        return self.spec.loss_weights

    def standardized(self, x: Tensor) -> Tensor:
        """Values `(N, *input_shape)` as the model computes on them, on its device and in its dtype.

        Images are in [0, 1] already; rows and series come in the user's units.
        """
        if self.standardization is not None:
            x = self.standardization(x).to(self.dtype)
        return x.to(device=self.device, dtype=self.dtype)

    def _encode(self, x: Tensor) -> Tensor:
        """Codes `(N, *latent_shape)` of `(N, *input_shape)`, deterministic; N may be 0."""
        raise NotImplementedError

    def _decode(self, z: Tensor) -> Tensor:
        """The expected examples `(*batch, *input_shape)` of codes `(*batch, *latent_shape)`.

        Images are in [0, 1]; batch may be (). By default, the mean of the likelihood.
        """
        return self._likelihood(z).mean.to(z.dtype)

    def _output(self, z: Tensor) -> Tensor:
        """What the decoder gives for codes, before it is clamped: what an error of values trains on."""
        return self._decode(z)

    def _posterior(self, x: Tensor) -> Distribution:
        """q(z | x) of `(N, *input_shape)`: batch `(N,)`, event `latent_shape`.

        Such as `Independent(Normal(mean, std, validate_args=False), len(latent_shape))`.
        """
        raise NotImplementedError

    def _likelihood(self, z: Tensor) -> Distribution:
        """p(x | z) of codes `(*batch, *latent_shape)`, batch may be (): event `input_shape`.

        Such as `Independent(Bernoulli(logits=..., validate_args=False), 3)`: without validation,
        because a Bernoulli is also asked for the log-probability of values between 0 and 1. Its mean
        is what `decode` gives.
        """
        raise NotImplementedError

    def _code(self, x: Tensor, noise: Tensor | None) -> Code:
        """The code that gradients pass through, and the terms that the family adds to its loss.

        Args:
            x: `(N, *input_shape)`.
            noise: the rows of these examples of what `_code_noise` gives for a whole batch.
        """
        return Code(self._encode(x))

    def _infer(self, x: Tensor, noise: Tensor, stl: bool = False) -> Inference:
        """Codes at standard normal noise `(*draws, N, *latent_shape)`, their KL and p(x | z).

        With `stl` the KL is taken at the draw, without the gradient of the posterior's density.
        """
        raise NotImplementedError

    def _discriminate(self, z: Tensor, learns: bool) -> Tensor:
        """A discriminator's logits `(M, 1)` of codes `(M, d)`; its weights are fixed unless it learns."""
        raise NotImplementedError

    def _loss(self, batch: Batch, noise: Tensor) -> Loss:
        """A loss of the family's own, in place of the zoo's objectives.

        Args:
            batch: what the model is shown and what it is to give back, `(N, *input_shape)` each.
            noise: standard normal, `(N, *latent_shape)`: use it instead of drawing, so that
                draws do not depend on the number of processes.
        """
        raise NotImplementedError

    def _prior_over(self, z: Tensor) -> Distribution:
        """The prior over codes of the shape of these, `(N, *shape)`."""
        return self.prior()

    def _noise(self, code: tuple[int, ...], size: int, generator: torch.Generator | None) -> Tensor:
        """Standard normal noise for the codes of a whole batch, `(size, *code)`, on the generator's device."""
        device = generator.device if generator else self.device
        return torch.empty(size, *code, device=device).normal_(generator=generator)

    def _code_noise(self, size: int, generator: torch.Generator | None) -> Tensor | None:
        """The random numbers of `_code` for a whole batch, a row per example; None where it has none."""
        return None

    def _learn(self, statistics: Mapping[str, Tensor]) -> None:
        """Changes buffers by a loss's `statistics`: in a training, those of the whole batch, after its step.

        Args:
            statistics: means over all examples of the batch, over all processes.
        """


_METHODS = {
    "code": ("_encode", "_posterior"),
    "posterior": ("_posterior",),
    "prior": ("prior",),
    "likelihood": ("_likelihood",),
    "loss": ("_loss",),
    "discriminator": ("_discriminate",),
}
"""The methods of which one gives a part."""


def parts_of(cls: type[Primitives]) -> frozenset[str]:
    """What a family gives to objectives: the names of the parts whose methods it implements."""

    def has(method: str) -> bool:
        own = getattr(cls, method, None)
        return own is not None and own is not getattr(Primitives, method, None)

    parts = {part for part, methods in _METHODS.items() if any(map(has, methods))}
    if "posterior" in parts and not cls.grouped:
        parts.add("ungrouped posterior")
    return frozenset(parts)
