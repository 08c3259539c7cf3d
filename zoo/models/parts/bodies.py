"""Encoders and decoders: layers from an example to its features, and from a code to decoder outputs."""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.specs.parts import ConvBody, GridBody, MLPBody

ACTIVATIONS = {
    "relu": F.relu,
    "leaky-relu": F.leaky_relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
}


def build_encoder(body: MLPBody | ConvBody, input_shape: tuple[int, ...]) -> Encoder:
    """The layers from examples `(N, *input_shape)` to features `(N, F)`."""
    if isinstance(body, MLPBody):
        return MLPEncoder(body, input_shape)
    return ConvEncoder(body, input_shape)


def build_decoder(
    body: MLPBody | ConvBody, input_shape: tuple[int, ...], latent_dim: int
) -> Decoder:
    """The layers from codes `(N, latent_dim)` to outputs `(N, *input_shape)`."""
    if isinstance(body, MLPBody):
        return MLPDecoder(body, input_shape, latent_dim)
    return ConvDecoder(body, input_shape, latent_dim)


class MLP(nn.ModuleList):
    """Linear layers of the given sizes, with an activation between them but not after the last."""

    def __init__(self, sizes: list[int], activation: str) -> None:
        super().__init__(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.activate = ACTIVATIONS[activation]

    def forward(self, h: Tensor, /) -> Tensor:
        for i, layer in enumerate(self):
            h = layer(self.activate(h) if i else h)
        return h  # (N, sizes[-1])


class MLPEncoder(MLP):
    """Flattens the example; an activation follows every layer, including the last."""

    def __init__(self, body: MLPBody, input_shape: tuple[int, ...]) -> None:
        sizes = [math.prod(input_shape), *body.hidden]
        super().__init__(sizes, body.activation)
        self.features = sizes[-1]

    def forward(self, x: Tensor, /) -> Tensor:
        h = super().forward(x.flatten(1))  # (N, F)
        return self.activate(h) if len(self) else h


class MLPDecoder(MLP):
    """The encoder's layers in reverse, then a linear layer to the output shape."""

    def __init__(self, body: MLPBody, input_shape: tuple[int, ...], latent_dim: int) -> None:
        super().__init__(
            [latent_dim, *reversed(body.hidden), math.prod(input_shape)], body.activation
        )
        self.input_shape = input_shape

    def forward(self, z: Tensor, /) -> Tensor:
        return super().forward(z).unflatten(-1, self.input_shape)  # (N, *input_shape)

    def set_output_bias(self, logits: Tensor) -> None:
        """Sets the last layer's bias to these outputs `(*input_shape)`."""
        last = self[-1]
        assert isinstance(last, nn.Linear)
        last.bias.copy_(logits.flatten())


def bounded(values: Tensor, bound: float) -> Tensor:
    """Soft clamp to (-bound, bound); close to the identity near zero."""
    return bound * torch.tanh(values / bound)


class ResidualBlock(nn.Module):
    """x + two 3x3 convolutions, each after an activation (He et al. 2016, "pre-activation")."""

    def __init__(self, channels: int, activation: str) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.activate = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(self.activate(x))  # (N, channels, H, W)
        return x + self.second(self.activate(h))


class GridEncoder(nn.Module):
    """Strided convolutions and residual blocks, each followed by an activation."""

    def __init__(self, body: ConvBody | GridBody, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        widths = [input_shape[0], *body.channels]
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise(widths)
        )
        self.blocks = nn.ModuleList(
            ResidualBlock(widths[-1], body.activation) for _ in range(body.residual_blocks)
        )
        self.activate = ACTIVATIONS[body.activation]

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for i, layer in enumerate(self.down):
            h = layer(self.activate(h) if i else h)
        for block in self.blocks:
            h = block(h)
        return self.activate(h)  # (N, channels[-1], h, w)


class ConvEncoder(GridEncoder):
    """Strided convolutions, residual blocks and dense layers, each followed by an activation."""

    def __init__(self, body: ConvBody, input_shape: tuple[int, ...]) -> None:
        super().__init__(body, input_shape)
        height, width = body.sizes(*input_shape[1:])[-1]
        flat = body.channels[-1] * height * width
        self.dense = MLP([flat, *body.hidden], body.activation)
        self.features = body.hidden[-1] if body.hidden else flat

    def forward(self, x: Tensor) -> Tensor:
        return self.summary(self.grid(x))

    def grid(self, x: Tensor) -> Tensor:
        """Feature map `(N, channels[-1], h, w)` of images."""
        return super().forward(x)

    def summary(self, grid: Tensor) -> Tensor:
        """Features `(N, F)` of a feature map."""
        h = grid.flatten(1)
        return self.activate(self.dense(h)) if len(self.dense) else h  # (N, F)


class GridDecoder(nn.Module):
    """Mirror of GridEncoder: residual blocks, strided transposed convolutions."""

    def __init__(self, body: ConvBody | GridBody, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self._add_convolutions(body, input_shape)

    def _add_convolutions(self, body: ConvBody | GridBody, input_shape: tuple[int, ...]) -> None:
        channels, *size = input_shape
        widths = [channels, *body.channels]
        sizes = body.sizes(*size)
        self.blocks = nn.ModuleList(
            ResidualBlock(widths[-1], body.activation) for _ in range(body.residual_blocks)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(
                widths[i + 1],
                widths[i],
                4,
                stride=2,
                padding=1,
                output_padding=(sizes[i][0] % 2, sizes[i][1] % 2),  # an odd size was rounded down
            )
            for i in reversed(range(len(body.channels)))
        )
        self.activate = ACTIVATIONS[body.activation]

    def forward(self, h: Tensor, /) -> Tensor:
        return self.image(self.refined(h))

    def refined(self, h: Tensor) -> Tensor:
        """A feature map `(N, channels[-1], h, w)` after the residual blocks."""
        for block in self.blocks:
            h = block(h)
        return h

    def image(self, h: Tensor) -> Tensor:
        """Outputs `(N, C, H, W)` from a feature map."""
        for layer in self.up:
            h = layer(self.activate(h))
        return h  # (N, C, H, W)

    def set_output_bias(self, logits: Tensor) -> None:
        """Sets the last layer's bias to the channel means of these outputs `(C, H, W)`."""
        last = self.up[-1]
        assert isinstance(last, nn.ConvTranspose2d)
        assert last.bias is not None
        last.bias.copy_(logits.mean(dim=(1, 2)))


class ConvDecoder(GridDecoder):
    """Mirror of ConvEncoder: dense layers, residual blocks, strided transposed convolutions."""

    def __init__(self, body: ConvBody, input_shape: tuple[int, ...], latent_dim: int) -> None:
        nn.Module.__init__(
            self
        )  # dense layers first: seeding and optimizer state depend on the order
        self.small = (body.channels[-1], *body.sizes(*input_shape[1:])[-1])
        self.dense = MLP(
            [latent_dim, *reversed(body.hidden), math.prod(self.small)], body.activation
        )
        self._add_convolutions(body, input_shape)

    def forward(self, z: Tensor, /) -> Tensor:
        return self.image(self.grid(z))

    def grid(self, z: Tensor) -> Tensor:
        """Feature map `(N, channels[-1], h, w)` from codes."""
        return self.refined(self.dense(z).unflatten(-1, self.small))


Encoder = MLPEncoder | ConvEncoder
Decoder = MLPDecoder | ConvDecoder
