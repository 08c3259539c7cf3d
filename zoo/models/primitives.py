"""`Primitives`: the methods of a family that objectives are written over. Inputs are already checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zoo.likelihoods.fitting import accepts_missing, likelihood_of
from zoo.models.loss import Batch, Code, Loss
from zoo.models.standardization import Standardization
from zoo.specs import base


def full_precision(device: torch.device) -> torch.autocast:
    """Disables autocast: log-probabilities, KL terms and sums stay float32."""
    return torch.autocast(device.type, enabled=False)


@dataclass(frozen=True)
class Inference:
    """Posterior samples, with their KL terms and likelihood."""

    z: Tensor
    """`(*draws, N, *latent_shape)`"""
    kl: dict[str, Tensor]
    """KL of each group of latents to its prior, `(N,)` or `(*draws, N)` in nats."""
    likelihood: Distribution
    """p(x | z), batch `(*draws, N)`."""


class Primitives(nn.Module):
    """The methods of a family, on images in [0, 1] or standardized rows and series.

    A family implements some of them, which determine its parts: see `parts_of`. All tensor arguments
    have been checked.
    """

    Spec: ClassVar[type[base.Spec]]
    grouped: ClassVar[bool] = False
    """Whether latents form groups, each with a posterior conditioned on the groups before it."""
    standardization: Standardization | None

    def __init__(self, spec: base.Spec) -> None:
        super().__init__()
        self.spec = spec
        self.standardization = _standardization_of(spec) if spec.domain.is_real else None

    if TYPE_CHECKING:  # defined by variational families only

        def prior(self) -> Distribution: ...

    @property
    def device(self) -> torch.device:
        """Device of its weights."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of its weights."""
        return next(self.parameters()).dtype

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one example's code."""
        return self.spec.latent_shape

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """The Spec's constant weights of the loss's terms, by name."""
        return self.spec.loss_weights

    def standardized(self, x: Tensor) -> Tensor:
        """Examples `(N, *input_shape)` on the model's device, in its dtype; rows and series standardized.

        Images are in [0, 1]; rows and series are in the user's units.
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
        """Decoder output before clamping, on which the `pixels` objective trains."""
        return self._decode(z)

    def _posterior(self, x: Tensor) -> Distribution:
        """q(z | x) of `(N, *input_shape)`: batch `(N,)`, event `latent_shape`.

        For example `Independent(Normal(mean, std, validate_args=False), len(latent_shape))`.
        """
        raise NotImplementedError

    def _likelihood(self, z: Tensor) -> Distribution:
        """p(x | z) of codes `(*batch, *latent_shape)`, batch may be (): event `input_shape`.

        For example `Independent(Bernoulli(logits=..., validate_args=False), 3)`: without validation,
        because a Bernoulli is also evaluated at values between 0 and 1. Its mean is the
        reconstruction.
        """
        raise NotImplementedError

    def _code(self, x: Tensor, noise: Tensor | None) -> Code:
        """The code that gradients pass through, and the family's regularizers.

        Args:
            x: `(N, *input_shape)`.
            noise: the rows of `_code_noise` for these examples; None when measured.
        """
        return Code(self._encode(x))

    def _infer(self, x: Tensor, noise: Tensor, stl: bool = False) -> Inference:
        """Codes at standard normal noise `(*draws, N, *latent_shape)`, their KL and p(x | z).

        With `stl` the KL is estimated at the samples, with the posterior's density detached.
        """
        raise NotImplementedError

    def _infer_top(self, x: Tensor, noise: Tensor, groups: int) -> Inference:
        """As `_infer`, with the first `groups` groups from the posterior and the others from the prior.

        Args:
            x: `(N, *input_shape)`.
            noise: standard normal, `(N, *latent_shape)`.
            groups: number of groups, from the top, whose KL is also the inference's.
        """
        raise NotImplementedError

    def _discriminate(self, z: Tensor, learns: bool) -> Tensor:
        """A discriminator's logits `(M, 1)` for codes `(M, d)`; its weights are detached unless `learns`."""
        raise NotImplementedError

    def _loss(self, batch: Batch, noise: Tensor) -> Loss:
        """The family's own loss, replacing the built-in objectives.

        Args:
            batch: input and reconstruction target, `(N, *input_shape)` each.
            noise: standard normal, `(N, *latent_shape)`: use it instead of sampling, so that
                results do not depend on the number of processes.
        """
        raise NotImplementedError

    def _prior_over(self, z: Tensor) -> Distribution:
        """The prior over codes shaped like `z`, `(N, *shape)`."""
        return self.prior()

    def _noise(self, code: tuple[int, ...], size: int, generator: torch.Generator | None) -> Tensor:
        """Standard normal noise for the codes of a whole batch, `(size, *code)`, on the generator's device."""
        device = generator.device if generator else self.device
        return torch.empty(size, *code, device=device).normal_(generator=generator)

    def _code_noise(self, size: int, generator: torch.Generator | None) -> Tensor | None:
        """The random numbers of `_code` for a whole batch, one row per example; None if it uses none."""
        return None

    def _learn(self, statistics: Mapping[str, Tensor]) -> None:
        """Updates buffers from a loss's `statistics`; in a training, after the optimizer step.

        Args:
            statistics: means over the batch, over all processes.
        """


def _standardization_of(spec: base.Spec) -> Standardization:
    """The standardization of rows or series, of the columns that the Spec's likelihood names."""
    likelihood = likelihood_of(spec)
    columns = likelihood.standardized(spec.input_shape) if likelihood else None
    return Standardization(spec.domain, columns, accepts_missing(spec))


_METHODS = {
    "code": ("_encode", "_posterior"),
    "posterior": ("_posterior",),
    "prior": ("prior",),
    "likelihood": ("_likelihood",),
    "loss": ("_loss",),
    "discriminator": ("_discriminate",),
    "latent groups": ("_infer_top",),
}
"""Methods by part; any one of them provides it."""


def parts_of(cls: type[Primitives]) -> frozenset[str]:
    """The parts that a family offers to objectives: those whose methods it implements."""

    def has(method: str) -> bool:
        own = getattr(cls, method, None)
        return own is not None and own is not getattr(Primitives, method, None)

    parts = {part for part, methods in _METHODS.items() if any(map(has, methods))}
    if "posterior" in parts and not cls.grouped:
        parts.add("ungrouped posterior")
    return frozenset(parts)
