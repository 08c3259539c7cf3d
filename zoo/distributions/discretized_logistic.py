"""Mixtures of discretized logistics over the 256 levels of an image (PixelCNN++, Salimans et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution

HALF = 1 / 255
"""Half the width of a level, for values scaled to [-1, 1]."""
LOG_SCALES = (-7.0, 7.0)
"""Bounds of log-scales; the lower one is PixelCNN++'s."""
FIRST_LOG_SCALE = -1.3
"""Offset of the decoder's log-scales: roughly the spread of pixel values in photographs. A much wider logistic
has nearly all its mass at black and white, and learns slowly."""


class DiscretizedLogisticImage(Distribution):
    """A mixture of K discretized logistics per pixel, over images of levels v / 255.

    A pixel's channels share the component; within one, the mean of a channel is shifted by the
    preceding channels times couplings in [-1, 1] (eq. 3). A level's probability is the logistic's mass
    within half a level of it; the first and the last level include the tails (eq. 2). Values between
    levels are rounded to the nearest one.

    Args:
        outputs: decoder outputs, `(*batch, K (C + 1) (C + 2) / 2, H, W)`: per component the logit of
            its weight, C means, C log-scales minus FIRST_LOG_SCALE, and C (C - 1) / 2 couplings before the tanh.
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
        """The mean image `(*batch, C, H, W)` in [0, 1].

        Logistics are clipped at black and white, which is exact up to the width of a level. Coupled
        channels use the means of the preceding channels.
        """
        scales, expected = self.log_scales.exp(), []
        for channel in range(self.channels):
            scale = scales[..., channel, :, :]  # (*batch, K, H, W)
            center = self._moved(channel, expected)
            above, below = F.softplus((center + 1) / scale), F.softplus((center - 1) / scale)
            expected.append(
                (scale * (above - below) - 1).clamp(-1, 1)
            )  # mean of the clipped logistic
        image = torch.stack(expected, -3)  # (*batch, K, C, H, W)
        weights = self.log_weights.exp()[..., None, :, :]
        return ((weights * image).sum(-4) / 2 + 0.5).clamp(0, 1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability in nats of each image `(..., C, H, W)`, summed over its values."""
        return self.per_pixel(value).sum((-2, -1))

    def per_pixel(self, value: Tensor) -> Tensor:
        """Log-probability in nats of each pixel, all channels together: `(..., H, W)`."""
        levels = (value * 255).round()
        x = (levels / 127.5 - 1).unsqueeze(-4)  # (..., 1, C, H, W)
        before = list(x.unbind(-3))  # (..., 1, H, W) each
        moved = [self._moved(channel, before[:channel]) for channel in range(self.channels)]
        centers = torch.stack(torch.broadcast_tensors(*moved), -3)  # (..., K, C, H, W)
        precision = torch.exp(-self.log_scales)
        upper = precision * (x - centers + HALF)  # (..., K, C, H, W)
        lower = precision * (x - centers - HALF)
        first, last = x < -1 + HALF, x > 1 - HALF
        # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), which avoids cancellation
        below = F.logsigmoid(upper).masked_fill(last, 0.0)
        above = F.logsigmoid(-lower).masked_fill(first, 0.0)
        inside = torch.log(-torch.expm1(-2 * HALF * precision)).masked_fill(first | last, 0.0)
        scores = (below + above + inside).sum(-3)  # (..., K, H, W)
        return torch.logsumexp(scores + self.log_weights, -3)

    def sample(self, sample_shape: Sequence[int] | torch.Size = ()) -> Tensor:
        """Sampled images of levels v / 255, `(*sample_shape, *batch, C, H, W)`."""
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
        """A channel's means `(..., K, H, W)`, shifted by the preceding channels, which are in [-1, 1]."""
        center = self.means[..., channel, :, :]
        first = channel * (channel - 1) // 2
        for offset, x in enumerate(before):
            center = center + self.couplings[..., first + offset, :, :] * x
        return center


def logistics_of(mean: Tensor, components: int) -> Tensor:
    """Decoder outputs `(K (C + 1) (C + 2) / 2, H, W)` for wide logistics around an image `(C, H, W)`."""
    channels = len(mean)
    weight = torch.zeros_like(mean[:1])
    scales = torch.zeros_like(mean)
    couplings = torch.zeros_like(mean[:1]).expand(channels * (channels - 1) // 2, -1, -1)
    one = torch.cat([weight, 2 * mean - 1, scales, couplings])  # (each, H, W)
    return one.repeat(components, 1, 1)
