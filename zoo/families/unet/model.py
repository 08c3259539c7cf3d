"""The family `unet`: an encoder and a decoder with a skip connection at each level, without biases."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.families.unet.spec import UNetSpec
from zoo.models.interface import Autoencoder


class UNet(Autoencoder):
    """A U-Net whose code is the encoder's features of all levels, `(sum of c_i s_i^2, h, w)`.

    A level of c channels that is s times as high and wide as the last one is folded into c s^2
    channels there (pixel unshuffling), so that an image of any size has one feature map as its code,
    and `decode` needs nothing else. Without biases and with ReLU activations, scaling an image by
    a > 0 scales the output before clamping by a, which lets a model denoise noise levels that it was not
    trained on (Mohan et al. 2020).
    """

    Spec = UNetSpec
    spec: UNetSpec

    def __init__(self, spec: UNetSpec) -> None:
        super().__init__(spec)
        widths, blocks = spec.channels, spec.residual_blocks
        image = 4 * spec.input_shape[0]  # the image's 2 x 2 squares
        self.head = _convolution(image, widths[0])
        self.encoder = nn.ModuleList(_Level(width, blocks) for width in widths)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 2, stride=2, bias=False) for a, b in itertools.pairwise(widths)
        )
        self.decoder = nn.ModuleList(_Level(width, blocks) for width in widths[:-1])
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, stride=2, bias=False) for a, b in itertools.pairwise(widths)
        )
        self.tail = _convolution(widths[0], image)

    def _encode(self, x: Tensor) -> Tensor:
        return self._folded(self._features(x))

    def _decode(self, z: Tensor) -> Tensor:
        return self._output(z).clamp(0, 1)

    def _output(self, z: Tensor) -> Tensor:
        codes = z.reshape(-1, *z.shape[-3:])  # (prod(batch), c, h, w)
        image = self._image(self._unfolded(codes))
        return image.reshape(*z.shape[:-3], *image.shape[1:])

    def _features(self, x: Tensor) -> list[Tensor]:
        """The encoder's features of each level, `(N, channels[i], H / 2^(i + 1), W / 2^(i + 1))`."""
        h = self.head(folded(x, 2).contiguous(memory_format=torch.channels_last))
        levels = []
        for i, level in enumerate(self.encoder):
            h = level(self.down[i - 1](h) if i else h)
            levels.append(h)
        return levels

    def _image(self, levels: Sequence[Tensor]) -> Tensor:
        """Images `(N, C, H, W)`, not clamped, from the features of each level."""
        *skips, h = levels
        for i in reversed(range(len(skips))):
            h = self.decoder[i](self.up[i](h) + skips[i])
        return unfolded(self.tail(h), 2)

    def _folded(self, levels: Sequence[Tensor]) -> Tensor:
        """All levels as one feature map of the last one's height and width."""
        last = len(levels) - 1
        return torch.cat([folded(h, 2 ** (last - i)) for i, h in enumerate(levels)], 1)

    def _unfolded(self, z: Tensor) -> list[Tensor]:
        """The levels of a code."""
        last = len(self.spec.channels) - 1
        sides = [2 ** (last - i) for i in range(last + 1)]
        counts = [n * side**2 for n, side in zip(self.spec.channels, sides, strict=True)]
        parts = z.split(counts, 1)
        return [unfolded(part, side) for part, side in zip(parts, sides, strict=True)]


def folded(x: Tensor, side: int) -> Tensor:
    """Squares of an image `(N, C, H, W)` as channels, `(N, C s^2, H / s, W / s)`; N may be 0, unlike torch's pixel_unshuffle."""
    n, channels, height, width = x.shape
    squares = x.reshape(n, channels, height // side, side, width // side, side)
    return squares.permute(0, 1, 3, 5, 2, 4).reshape(
        n, channels * side**2, height // side, width // side
    )


def unfolded(x: Tensor, side: int) -> Tensor:
    """The inverse of `folded`."""
    n, channels, height, width = x.shape
    squares = x.reshape(n, channels // side**2, side, side, height, width)
    return squares.permute(0, 1, 4, 2, 5, 3).reshape(
        n, channels // side**2, height * side, width * side
    )


class _Level(nn.Sequential):
    """Residual blocks of two convolutions: x + conv(relu(conv(x)))."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__(*(_Block(channels) for _ in range(blocks)))


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = _convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x)))


def _convolution(channels: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(channels, outputs, 3, padding=1, bias=False)
