"""Mixtures of discretized logistics over the 256 levels of an image (PixelCNN++, Salimans et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution

HALF = 1 / 255
"""Half the width of a level, where levels go from -1 to 1."""
LOG_SCALES = (-7.0, 7.0)
"""Least and largest logarithm of a logistic's scale; the least is PixelCNN++'s."""
FIRST_LOG_SCALE = -1.3
"""Where a decoder's log-scale of 0 lies: about as wide as photographs' values are spread. A logistic that is much
wider has nearly all its mass in black and white, and is slow to leave there."""


class DiscretizedLogisticImage(Distribution):
    """Images of levels v / 255, by a mixture of K discretized logistics for each pixel.

    A pixel's channels share the component; within one, the mean of a channel is moved by the
    channels before it, times a coupling within plus or minus 1 (eq. 3). A level has the logistic's
    mass between half a level below and half a level above it, the first and the last one also all
    that lies beyond (eq. 2). Values between levels are taken at the nearest one.

    Args:
        outputs: what a decoder gives, `(*batch, K (C + 1) (C + 2) / 2, H, W)`: for each component
            its weight's logit, C means, C log-scales less FIRST_LOG_SCALE, and C (C - 1) / 2 couplings before the tanh.
        components: K.
    """

    def __init__(self, outputs: Tensor, components: int) -> None:
        each = outputs.shape[-3] // components  # (C + 1) (C + 2) / 2
        channels = (math.isqrt(8 * each + 1) - 3) // 2
        parts = outputs.unflatten(-3, (components, each))  # (*batch, K, each, H, W)
        weight, means, scales, couplings = parts.split(
            [1, channels, channels, each - 1 - 2 * channels], -3
        )
        self.log_weights = F.log_softmax(weight.squeeze(-3), dim=-3)  # (*batch, K, H, W)
        self.means = means  # (*batch, K, C, H, W)
        self.log_scales = (scales + FIRST_LOG_SCALE).clamp(*LOG_SCALES)  # (*batch, K, C, H, W)
        self.couplings = torch.tanh(couplings)  # (*batch, K, C (C - 1) / 2, H, W)
        self.channels = channels
        event = torch.Size((channels, *outputs.shape[-2:]))
        super().__init__(outputs.shape[:-3], event, validate_args=False)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.log_weights.shape[-3]} components: {tuple(self.batch_shape + self.event_shape)})"

    @property
    def mean(self) -> Tensor:
        """The expected image `(*batch, C, H, W)` in [0, 1].

        Of each logistic what is beyond black or white counts as that: exact but for the width of a
        level. A coupled channel is taken at what is expected of those before it.
        """
        scales, expected = self.log_scales.exp(), []
        for channel in range(self.channels):
            scale = scales[..., channel, :, :]  # (*batch, K, H, W)
            center = self._moved(channel, expected)
            above, below = F.softplus((center + 1) / scale), F.softplus((center - 1) / scale)
            expected.append((scale * (above - below) - 1).clamp(-1, 1))  # the clipped one's mean
        image = torch.stack(expected, -3)  # (*batch, K, C, H, W)
        weights = self.log_weights.exp()[..., None, :, :]
        return ((weights * image).sum(-4) / 2 + 0.5).clamp(0, 1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats of the mass of each image `(..., C, H, W)`, summed over its values."""
        levels = (value * 255).round()
        x = (levels / 127.5 - 1).unsqueeze(-4)  # (..., 1, C, H, W)
        before = list(x.unbind(-3))  # (..., 1, H, W) each
        moved = [self._moved(channel, before[:channel]) for channel in range(self.channels)]
        centers = torch.stack(torch.broadcast_tensors(*moved), -3)  # (..., K, C, H, W)
        precision = torch.exp(-self.log_scales)
        upper = precision * (x - centers + HALF)  # (..., K, C, H, W)
        lower = precision * (x - centers - HALF)
        first, last = x < -1 + HALF, x > 1 - HALF
        # sigmoid(a) - sigmoid(b) is sigmoid(a) sigmoid(-b) (1 - exp(b - a)): no difference of near ones
        below = F.logsigmoid(upper).masked_fill(last, 0.0)
        above = F.logsigmoid(-lower).masked_fill(first, 0.0)
        inside = torch.log(-torch.expm1(-2 * HALF * precision)).masked_fill(first | last, 0.0)
        scores = (below + above + inside).sum(-3)  # (..., K, H, W)
        return torch.logsumexp(scores + self.log_weights, -3).sum((-2, -1))

    def sample(self, sample_shape: Sequence[int] | torch.Size = ()) -> Tensor:
        """Images of levels v / 255, `(*sample_shape, *batch, C, H, W)`."""
        with torch.no_grad():
            shape = (*sample_shape, *self.log_weights.shape)
            uniform = torch.rand(shape, device=self.log_weights.device)
            gumbel = -torch.log(-torch.log(uniform))
            chosen = (self.log_weights + gumbel).argmax(-3, keepdim=True)  # (..., 1, H, W)
            drawn = []
            for channel in range(self.channels):
                center = self._moved(channel, drawn).expand(shape).gather(-3, chosen)
                log_scale = self.log_scales[..., channel, :, :].expand(shape).gather(-3, chosen)
                noise = torch.logit(torch.rand_like(center), eps=1e-7)
                x = center + log_scale.exp() * noise  # (..., 1, H, W)
                drawn.append(((x + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1)
            return ((torch.cat(drawn, -3) + 1) / 2).clamp(0, 1)

    def _moved(self, channel: int, before: Sequence[Tensor]) -> Tensor:
        """A channel's means `(..., K, H, W)`, moved by the channels before it, which go from -1 to 1."""
        center = self.means[..., channel, :, :]
        first = channel * (channel - 1) // 2
        for offset, x in enumerate(before):
            center = center + self.couplings[..., first + offset, :, :] * x
        return center


def logistics_of(mean: Tensor, components: int) -> Tensor:
    """What a decoder gives, `(K (C + 1) (C + 2) / 2, H, W)`, for wide logistics around an image `(C, H, W)`."""
    channels = len(mean)
    weight = torch.zeros_like(mean[:1])
    scales = torch.zeros_like(mean)
    couplings = torch.zeros_like(mean[:1]).expand(channels * (channels - 1) // 2, -1, -1)
    one = torch.cat([weight, 2 * mean - 1, scales, couplings])  # (each, H, W)
    return one.repeat(components, 1, 1)
