"""The family `vq`: a VQ-VAE (van den Oord et al. 2017, arXiv:1711.00937).

An encoder turns an image into a small picture of vectors, each vector is replaced by the nearest of
a codebook's, and a decoder turns those back into an image. A code is that small picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent

import zoo


class VQSpec(zoo.Spec):
    """A VQ-VAE: convolutions around a codebook."""

    codes: int = Field(default=64, ge=2, le=65_536, description="vectors in the codebook")
    embedding_dim: int = Field(default=4, ge=1, le=1024, description="numbers in a vector")
    channels: int = Field(
        default=64, ge=1, le=1024, description="of every hidden layer of encoder and decoder"
    )
    halvings: int = Field(
        default=2,
        ge=0,
        le=4,
        description="4x4 convolutions of stride 2, each of which halves height and width",
    )
    residual_blocks: int = Field(
        default=2, ge=0, le=32, description="of a 3x3 and a 1x1 convolution, at the smallest size"
    )
    commitment: float = Field(
        default=0.25, ge=0, le=100, description="weight of the commitment term: the paper's beta"
    )

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        _, height, width = self.input_shape
        return (self.embedding_dim, height >> self.halvings, width >> self.halvings)

    @model_validator(mode="after")
    def _image_can_be_halved(self):
        _, height, width = self.input_shape
        most = min(height, width).bit_length() - 1
        if self.halvings > most:
            raise ValueError(
                f"halvings is {self.halvings}; {height} x {width} pixels can be halved {most} times"
            )
        return self


class VQVAE(zoo.Autoencoder):
    """A VQ-VAE whose pixels are scored by their cross-entropy against gray levels."""

    Spec = VQSpec
    spec: VQSpec
    own_metrics: ClassVar = {"codebook_usage": "of the codes", "perplexity": "codes"}
    own_pictures: ClassVar = {
        "codebook": "Each vector of the codebook at every place, the most used ones first."
    }

    def __init__(self, spec: VQSpec) -> None:
        super().__init__(spec)
        image, *size = spec.input_shape
        hidden, vector = spec.channels, spec.embedding_dim
        odd = [(size[0] >> i & 1, size[1] >> i & 1) for i in range(spec.halvings)]
        self.encoder = nn.Sequential(
            nn.Conv2d(image, hidden, 3, padding=1),
            *(Halving(hidden) for _ in odd),
            *(Residual(hidden) for _ in range(spec.residual_blocks)),
            nn.ReLU(),
            nn.Conv2d(hidden, vector, 1),
        )
        # Near the encoder's first outputs: a vector far from all of them is never the nearest.
        self.codebook = nn.Parameter(0.2 * torch.randn(spec.codes, vector))  # (K, D)
        self.decoder = nn.Sequential(
            nn.Conv2d(vector, hidden, 3, padding=1),
            *(Residual(hidden) for _ in range(spec.residual_blocks)),
            *(Doubling(hidden, rest) for rest in reversed(odd)),
            nn.ReLU(),
            nn.Conv2d(hidden, image, 3, padding=1),
        )

    def set_output_mean(self, mean: Tensor) -> None:
        last = self.decoder[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        with torch.no_grad():
            last.bias.copy_(torch.logit(mean, eps=1e-3).mean(dim=(1, 2)))  # (C,)

    def _encode(self, x: Tensor) -> Tensor:
        return self._vectors(self._nearest(self.encoder(x)))  # (N, D, h, w)

    def _likelihood(self, z: Tensor) -> Distribution:
        """Independent Bernoulli pixels; a gray image gets its cross-entropy."""
        logits = self.decoder(z.reshape(-1, *z.shape[-3:]))  # (prod(batch), C, H, W)
        logits = logits.float().reshape(*z.shape[:-3], *logits.shape[1:])  # (*batch, C, H, W)
        pixels = Bernoulli(logits=logits, validate_args=False)
        return Independent(pixels, 3, validate_args=False)

    def _loss(self, batch: zoo.Batch, noise: Tensor) -> zoo.Loss:
        h = self.encoder(batch.input)  # (N, D, h, w)
        z = self._vectors(self._nearest(h))  # (N, D, h, w)
        likelihood = self._likelihood(h + (z - h).detach())  # gradients skip the codebook
        terms = {  # eq. 3
            "reconstruction": -likelihood.log_prob(batch.target.float()),  # (N,)
            "codebook": _squared_distance(z, h.detach()),
            "commitment": _squared_distance(h, z.detach()),
        }
        return zoo.Loss(terms, weights={"commitment": self.spec.commitment})

    def _nearest(self, h: Tensor) -> Tensor:
        """The number of the nearest vector at each place, `(N, h, w)` int64."""
        with torch.autocast(h.device.type, enabled=False):
            codebook = self.codebook.float()  # (K, D)
            product = torch.einsum("ndhw,kd->nhwk", h.float(), codebook)  # (N, h, w, K)
            return (product - codebook.square().sum(1) / 2).argmax(-1)  # (N, h, w)

    def _vectors(self, numbers: Tensor) -> Tensor:
        return F.embedding(numbers, self.codebook).movedim(-1, 1)  # (N, D, h, w)

    def _uses(self, batches: Iterable[Tensor]) -> Tensor:
        """How often each vector is the nearest one, `(K,)` int64."""
        uses = torch.zeros(self.spec.codes, dtype=torch.int64, device=self.codebook.device)  # (K,)
        for x in batches:
            numbers = self._nearest(self.encoder(x))  # (N, h, w)
            uses += numbers.flatten().bincount(minlength=self.spec.codes)  # (K,)
        return uses

    def _measure(self, batches: Iterable[Tensor]) -> dict[str, float]:
        uses = self._uses(batches).double()  # (K,)
        entropy = torch.special.entr(uses / uses.sum()).sum()
        return {
            "codebook_usage": (uses > 0).double().mean().item(),
            "perplexity": entropy.exp().item(),
        }

    def _draw(self, x: Tensor) -> dict[str, Tensor]:
        columns = min(8, self.spec.codes)
        rows = min(8, self.spec.codes // columns)
        order = self._uses([x]).argsort(descending=True, stable=True)[: rows * columns]
        _, height, width = self.latent_shape
        everywhere = order[:, None, None].expand(-1, height, width)  # (rows * columns, h, w)
        images = self._decode(self._vectors(everywhere))  # (rows * columns, C, H, W)
        return {"codebook": images.unflatten(0, (rows, columns))}  # (rows, columns, C, H, W)


class Residual(nn.Module):
    """x + ReLU, 3x3 convolution, ReLU, 1x1 convolution: the paper's block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(F.relu(x))  # (N, channels, H, W)
        return x + self.second(F.relu(h))  # (N, channels, H, W)


class Halving(nn.Conv2d):
    """ReLU and a 4x4 convolution that halves height and width, an odd one rounded down."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 4, stride=2, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.relu(input))  # (N, channels, H // 2, W // 2)


class Doubling(nn.ConvTranspose2d):
    """The mirror of Halving; `rest` are the rows and columns that it rounded off."""

    def __init__(self, channels: int, rest: tuple[int, int]) -> None:
        super().__init__(channels, channels, 4, stride=2, padding=1, output_padding=rest)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return super().forward(F.relu(input), output_size)  # (N, channels, 2 H + rest, 2 W + rest)


def _squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Between vectors at the same place, summed over places: `(N,)`, float32."""
    return (a.float() - b.float()).square().sum(dim=(1, 2, 3))
