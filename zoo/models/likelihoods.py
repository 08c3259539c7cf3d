"""Likelihoods: from a decoder's logits to a distribution over images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import ContinuousBernoulli, Distribution, Independent, Normal

from zoo import specs

MIN_SCALE = 1 / 256
"""Least scale of a Gaussian pixel: one grey level. Without a floor the density is unbounded."""


class BernoulliImage(Distribution):
    """Independent coins over the pixels of an image, by their logits `(*batch, C, H, W)`.

    The log-probability is linear in the image, so a grey image gets its cross-entropy. It is
    computed as `x . logits - sum softplus(logits)`: a product and one pass over the logits, for
    any number of codes per image at once.
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        super().__init__(logits.shape[:-3], logits.shape[-3:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Probability of each pixel, `(*batch, C, H, W)`."""
        return torch.sigmoid(self.logits)

    def sample(self, sample_shape: Sequence[int] | torch.Size = ()) -> Tensor:
        """Images of zeros and ones, `(*sample_shape, *batch, C, H, W)`."""
        with torch.no_grad():
            return torch.bernoulli(self.mean.expand(*sample_shape, *self.logits.shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats of each image `(..., C, H, W)`, summed over its pixels."""
        logits = self.logits.flatten(-3)  # (*batch, D)
        chosen = torch.einsum("...d,...d->...", logits, value.flatten(-3))
        return chosen - F.softplus(logits).sum(-1)


class Bernoulli(nn.Module):
    """Logits -> coins."""

    def forward(self, logits: Tensor) -> Distribution:
        return BernoulliImage(logits)

    def logits_of(self, mean: Tensor) -> Tensor:
        """Logits whose expected image is `mean`."""
        return torch.logit(mean, eps=1e-3)


class ContinuousBernoulliPixels(Bernoulli):
    """Logits -> continuous Bernoulli pixels on [0, 1] (Loaiza-Ganem & Cunningham 2019, eq. 5)."""

    def forward(self, logits: Tensor) -> Distribution:
        pixels = ContinuousBernoulli(logits=logits, validate_args=False)
        return Independent(pixels, 3, validate_args=False)


class Gaussian(Bernoulli):
    """Logits -> Gaussian pixels around their sigmoid, with one learnt scale for all."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(0.1)))

    def forward(self, logits: Tensor) -> Distribution:
        scale = MIN_SCALE + self.log_scale.float().exp()
        return Independent(Normal(torch.sigmoid(logits), scale, validate_args=False), 3, False)


def build_likelihood(
    likelihood: specs.BernoulliLikelihood
    | specs.ContinuousBernoulliLikelihood
    | specs.GaussianLikelihood,
) -> Bernoulli:
    """The module that turns logits `(*batch, C, H, W)` into a distribution over images."""
    kinds = {
        "bernoulli": Bernoulli,
        "continuous-bernoulli": ContinuousBernoulliPixels,
        "gaussian": Gaussian,
    }
    return kinds[likelihood.kind]()
