"""The network that all arms train, 784-512-256-20, as a tutorial writes it; and who judges it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PIXELS, LATENT = 784, 20
IMAGES_AT_ONCE = 500


class PlainVAE(nn.Module):
    """784-512-256-20, ReLU, a Bernoulli of each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(784, 512), nn.Linear(512, 256)
        self.mu, self.logvar = nn.Linear(256, 20), nn.Linear(256, 20)
        self.fc3, self.fc4, self.fc5 = nn.Linear(20, 256), nn.Linear(256, 512), nn.Linear(512, 784)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images `(N, 784)` or `(N, 1, 28, 28)` -> mu and logvar `(N, 20)`."""
        h = F.relu(self.fc2(F.relu(self.fc1(x.view(-1, 784)))))
        return self.mu(h), self.logvar(h)

    def decode(self, z: Tensor) -> Tensor:
        """Codes `(N, 20)` -> logits `(N, 784)`."""
        return self.fc5(F.relu(self.fc4(F.relu(self.fc3(z)))))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images `(N, 784)` or `(N, 1, 28, 28)` -> logits `(N, 784)`, mu and logvar `(N, 20)`."""
        mu, logvar = self.encode(x)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return self.decode(z), mu, logvar


def copy_weights(source: Iterable[Tensor], target: Iterable[Tensor]) -> None:
    """Copies tensor after tensor, which have the same shapes in the same order."""
    with torch.no_grad():
        for value, parameter in zip(source, target, strict=True):
            parameter.copy_(value)


def judge(
    encode: Callable[[Tensor], tuple[Tensor, Tensor]],
    decode: Callable[[Tensor], Tensor],
    pixels: Tensor,
) -> tuple[float, float]:
    """BCE + KL of gray images with one posterior draw each: mean and standard error, in nats.

    The draws are the same for everyone who is judged; sums are in float64.

    Args:
        encode: images `(N, 1, 28, 28)` in [0, 1] -> mean and log-variance of the posterior,
            `(N, 20)` each.
        decode: codes `(N, 20)` -> the expected images, N x 784 values in [0, 1] of any shape.
        pixels: `(N, 1, 28, 28)` uint8.
    """
    noise = torch.randn(len(pixels), LATENT, generator=torch.Generator().manual_seed(0))
    nats = []
    with torch.no_grad():
        for levels, draw in zip(
            pixels.split(IMAGES_AT_ONCE), noise.split(IMAGES_AT_ONCE), strict=True
        ):
            x = levels.float() / 255
            mu, logvar = encode(x)
            means = decode(mu + draw * torch.exp(0.5 * logvar)).reshape(len(x), PIXELS)
            bce = F.binary_cross_entropy(means, x.reshape(len(x), PIXELS), reduction="none")
            kl = -0.5 * (1 + logvar - mu.square() - logvar.exp())
            nats.append(bce.double().sum(1) + kl.double().sum(1))
    values = torch.cat(nats)
    return values.mean().item(), values.std().item() / math.sqrt(len(values))
