"""torch's layers in integers: each maps activations to activations.

A sum of products has the weights' and the activations' fraction bits together; it is rounded to the
grid of activations and saturates. A layer without an integer form is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.integers import tables
from zoo.integers.forms import form_of, register_exact
from zoo.integers.grids import ACTIVATION, EXACT, LIMIT, WEIGHT, on_grid, rounded, saturated
from zoo.models.parts.bodies import (
    ACTIVATIONS,
    MLP,
    ConvDecoder,
    ConvEncoder,
    GridDecoder,
    GridEncoder,
    MLPDecoder,
    MLPEncoder,
    ResidualBlock,
)

Function = Callable[[Tensor], Tensor]
"""Maps activations `(N, ...)`, integers in float64, to activations."""


def _parameters(
    layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Integer weights `(out, in)` and biases `(out,)`. Raises InputError for sums that could be inexact."""
    weight = on_grid(weight, WEIGHT)
    bias = torch.zeros(len(weight), dtype=torch.float64)
    if layer.bias is not None:
        bias = on_grid(layer.bias, WEIGHT + ACTIVATION)
    most = float((weight.abs().sum(1) * LIMIT + bias.abs()).max())
    if not most < EXACT:
        raise InputError(
            f"The weights of a {type(layer).__name__} are too large for exact arithmetic: a sum of products "
            f"could reach {most:.2g}, and must stay below {EXACT:.2g}."
        )
    return weight, bias


@register_exact(nn.Linear)
def _linear(layer: nn.Linear) -> Function:
    weight, bias = _parameters(layer, layer.weight)

    def apply(x: Tensor) -> Tensor:
        w, b = weight.to(x.device), bias.to(x.device)
        return saturated(rounded(x @ w.T + b, WEIGHT))

    return apply


@register_exact(nn.Conv2d)
def _conv(layer: nn.Conv2d) -> Function:
    if layer.groups != 1 or isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        raise InputError(
            f"{layer} has no exact form: its groups or its padding are of another kind."
        )
    weight, bias = _parameters(layer, layer.weight.flatten(1))
    how = {"dilation": layer.dilation, "padding": layer.padding, "stride": layer.stride}

    def apply(x: Tensor) -> Tensor:
        is_pointwise = layer.kernel_size == layer.stride == (1, 1) and layer.padding == (0, 0)
        columns = (
            x.flatten(2) if is_pointwise else F.unfold(x, layer.kernel_size, **how)
        )  # (N, in, L)
        sums = weight.to(x.device) @ columns + bias.to(x.device)[:, None]
        height = _length(x.shape[2], layer, 0)
        return saturated(rounded(sums, WEIGHT)).unflatten(2, (height, -1))

    return apply


def _length(size: int, layer: nn.Conv2d, axis: int) -> int:
    padding = int(layer.padding[axis])
    dilation, kernel, stride = layer.dilation[axis], layer.kernel_size[axis], layer.stride[axis]
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


@register_exact(nn.ConvTranspose2d)
def _transposed(layer: nn.ConvTranspose2d) -> Function:
    if layer.groups != 1:
        raise InputError(f"{layer} has no exact form: its groups are of another kind.")
    own = layer.weight  # (in, out, kh, kw)
    # every product reaches an output through one of (kh kw) places: bound all of an output's together
    _, bias = _parameters(layer, own.transpose(0, 1).flatten(1))
    weight = on_grid(own.flatten(1).T, WEIGHT)  # (out kh kw, in)

    def apply(x: Tensor) -> Tensor:
        if torch.compiler.is_exporting():  # ONNX Runtime has no fold of float64
            return _transposed_by_unfold(layer, x, bias)
        size = tuple(
            (length - 1) * layer.stride[axis]
            - 2 * int(layer.padding[axis])
            + layer.dilation[axis] * (layer.kernel_size[axis] - 1)
            + layer.output_padding[axis]
            + 1
            for axis, length in enumerate(x.shape[2:])
        )
        columns = weight.to(x.device) @ x.flatten(2)  # (N, out kh kw, L)
        how = {"dilation": layer.dilation, "padding": layer.padding, "stride": layer.stride}
        sums = F.fold(columns, size, layer.kernel_size, **how) + bias.to(x.device)[:, None, None]
        return saturated(rounded(sums, WEIGHT))

    return apply


def _transposed_by_unfold(layer: nn.ConvTranspose2d, x: Tensor, bias: Tensor) -> Tensor:
    """The same sums by a convolution of x with zeros between its values."""
    pads = []
    for axis in (1, 0):
        reach = layer.dilation[axis] * (layer.kernel_size[axis] - 1) - int(layer.padding[axis])
        pads += [reach, reach + layer.output_padding[axis] - layer.stride[axis] + 1]
    down, right = layer.stride
    spread = F.pad(x[:, :, :, None, :, None], (0, right - 1, 0, 0, 0, down - 1))
    spread = F.pad(spread.flatten(4).flatten(2, 3), pads)  # (N, in, H + reach, W + reach)
    columns = F.unfold(spread, layer.kernel_size, dilation=layer.dilation)
    flipped = on_grid(layer.weight.flip(2, 3).transpose(0, 1).flatten(1), WEIGHT)
    height = spread.shape[2] - layer.dilation[0] * (layer.kernel_size[0] - 1)
    sums = flipped.to(x.device) @ columns + bias.to(x.device)[:, None]
    return saturated(rounded(sums, WEIGHT)).unflatten(2, (height, -1))


def activation_form(function: Function) -> Function:
    """The integer form of a body's activation function."""
    name = next((name for name, one in ACTIVATIONS.items() if one is function), None)
    if name is None:
        raise InputError(f"The activation function {function!r} has no exact form.")
    return lambda x: tables.activated(name, x)


@register_exact(MLP)
def _mlp(layer: MLP) -> Function:
    layers, activate = [form_of(one) for one in layer], activation_form(layer.activate)

    def apply(x: Tensor) -> Tensor:
        for number, one in enumerate(layers):
            x = one(activate(x) if number else x)
        return x

    return apply


@register_exact(MLPEncoder)
def _mlp_encoder(layer: MLPEncoder) -> Function:
    dense, activate = _mlp(layer), activation_form(layer.activate)

    def apply(x: Tensor) -> Tensor:
        h = dense(x.flatten(1))
        return activate(h) if len(layer) else h

    return apply


@register_exact(MLPDecoder)
def _mlp_decoder(layer: MLPDecoder) -> Function:
    dense = _mlp(layer)
    return lambda z: dense(z).unflatten(-1, layer.input_shape)


@register_exact(ResidualBlock)
def _residual(layer: ResidualBlock) -> Function:
    first, second = form_of(layer.first), form_of(layer.second)
    activate = activation_form(layer.activate)
    return lambda x: saturated(x + second(activate(first(activate(x)))))


@register_exact(ConvEncoder)
def _conv_encoder(layer: ConvEncoder) -> Function:
    grid, summary = encoder_grid(layer), encoder_summary(layer)
    return lambda x: summary(grid(x))


@register_exact(GridEncoder)
def encoder_grid(layer: GridEncoder) -> Function:
    """Its feature map of images."""
    down, blocks = _all(layer.down), in_turn(*layer.blocks)
    activate = activation_form(layer.activate)

    def apply(x: Tensor) -> Tensor:
        for number, one in enumerate(down):
            x = one(activate(x) if number else x)
        return activate(blocks(x))

    return apply


def encoder_summary(layer: ConvEncoder) -> Function:
    """Its features of a feature map."""
    dense, activate = form_of(layer.dense), activation_form(layer.activate)
    if not len(layer.dense):
        return lambda grid: grid.flatten(1)
    return lambda grid: activate(dense(grid.flatten(1)))


@register_exact(ConvDecoder)
def _conv_decoder(layer: ConvDecoder) -> Function:
    grid, image = decoder_grid(layer), decoder_image(layer)
    return lambda z: image(grid(z))


def decoder_grid(layer: ConvDecoder) -> Function:
    """Its feature map of codes."""
    dense, blocks = form_of(layer.dense), in_turn(*layer.blocks)
    return lambda z: blocks(dense(z).unflatten(-1, layer.small))


@register_exact(GridDecoder)
def _grid_decoder(layer: GridDecoder) -> Function:
    blocks, image = in_turn(*layer.blocks), decoder_image(layer)
    return lambda h: image(blocks(h))


def decoder_image(layer: GridDecoder) -> Function:
    """Its outputs from a feature map."""
    up, activate = _all(layer.up), activation_form(layer.activate)

    def apply(h: Tensor) -> Tensor:
        for one in up:
            h = one(activate(h))
        return h

    return apply


def in_turn(*layers: nn.Module) -> Function:
    """The forms of layers, one after another."""
    forms = [form_of(layer) for layer in layers]

    def apply(x: Tensor) -> Tensor:
        for form in forms:
            x = form(x)
        return x

    return apply


def _all(layers: nn.ModuleList) -> list[Function]:
    return [form_of(one) for one in layers]
