"""A decoder of compressed images in Python and NumPy alone, written from docs/compression.md.

For fully connected VAEs with a standard normal prior, joint heads and ReLU, of black and white images or of gray
levels. It shares no code with the zoo.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import sys
import zlib
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

SUPPLY, MASS, CELLS, CELL_DIGITS = 2**14, 2**24, 2**12, 6
ROOT_TWO_PI = (2 * Decimal("3.14159265358979323846264338327950288")).sqrt(Context(prec=30))


def decimals(function, numbers, unit):
    with localcontext(Context(prec=30, rounding=ROUND_HALF_EVEN)):
        return [int(function(Decimal(n) / unit).to_integral_value()) for n in numbers]


def phi(x):
    if x < 0:
        return 1 - phi(-x)
    term = total = x
    n = 1
    while abs(term) > Decimal(10) ** -30:
        n += 2
        term = term * x * x / n
        total += term
    return Decimal("0.5") + total * (-x * x / 2).exp() / ROOT_TWO_PI


def quantile(p):
    x = Decimal(0)
    for _ in range(60):
        step = (phi(x) - p) * ROOT_TWO_PI / (-x * x / 2).exp()
        x = min(max(x - max(min(step, Decimal(1)), Decimal(-1)), Decimal(0)), Decimal(9))
        if abs(step) < Decimal(10) ** -15:
            break
    return int((x * 2**20).to_integral_value())


class Stack:
    """Words of 32 bits below a state of 64 bits."""

    def __init__(self, words):
        self.bulk = [int(word) for word in words]
        self.state = self.bulk.pop()
        self.state = self.state << 32 | self.bulk.pop()

    def pop(self, bounds):
        quantile = self.state % MASS
        symbol = int(np.searchsorted(bounds, quantile, side="right")) - 1
        left, mass = int(bounds[symbol]), int(bounds[symbol + 1] - bounds[symbol])
        self.state = (self.state >> 24) * mass + quantile - left
        if self.state < 2**32:
            self.state = self.state << 32 | self.bulk.pop()
        return symbol

    def push(self, symbol, bounds):
        left, mass = int(bounds[symbol]), int(bounds[symbol + 1] - bounds[symbol])
        if self.state >> 40 >= mass:
            self.bulk.append(self.state % 2**32)
            self.state >>= 32
        self.state = (self.state // mass) * MASS + self.state % mass + left

    def words(self):
        return [*self.bulk, self.state % 2**32, self.state >> 32]


class Model:
    """The networks in whole numbers: Python's and NumPy's int64."""

    def __init__(self, folder: Path) -> None:
        self.tensors = load_file(folder / "model.safetensors")
        spec = json.loads((folder / "config.json").read_text())["spec"]
        self.shape, self.hidden = spec["input_shape"], len(spec["body"]["hidden"])
        self.clamp = None
        if spec["log_variance_bound"] != "off":
            bound = Decimal(repr(float(spec["log_variance_bound"])))
            self.clamp = decimals(
                lambda x: 2**12 * bound * (2 / (1 + (-2 * x / bound).exp()) - 1),
                range(int(7 * bound) * 2**12 + 1),
                2**12,
            )
        self.scales = decimals(
            lambda v: max(Decimal(1), 2**20 * (min(v, Decimal(24)) / 2).exp()),
            range(-128 * 64, 128 * 64 + 1),
            64,
        )
        self.one = decimals(
            lambda x: min(max(MASS / (1 + (-x).exp()), Decimal(1)), Decimal(MASS - 1)),
            range(-18 * 1024, 18 * 1024 + 1),
            1024,
        )
        upper = [*decimals(lambda x: 2**28 * phi(x), range(8 * 256), 256), 2**28]
        self.cdf = [2**28 - one for one in reversed(upper)] + upper[1:]
        with localcontext(Context(prec=30, rounding=ROUND_HALF_EVEN)):
            tail = [quantile(Decimal(CELLS + n) / (2 * CELLS)) for n in range(1, CELLS)]
        self.points = [0, *(-one for one in reversed(tail)), 0, *tail]  # from number 1 on
        self.components = spec["likelihood"].get("components", 0)
        if self.components:
            sigmoid = decimals(lambda x: 2**28 / (1 + (-x).exp()), range(20 * 256), 256)
            sigmoid.append(2**28)
            self.logistic = [2**28 - one for one in reversed(sigmoid)] + sigmoid[1:]
            self.weights = decimals(
                lambda x: 2 ** (23 - max(1, self.components - 1).bit_length()) * (-x).exp(),
                range(20 * 256 + 1),
                256,
            )

    def linear(self, x, name):
        weight = np.rint(self.tensors[f"{name}.weight"].astype(float) * 2**16).astype(np.int64)
        bias = np.rint(self.tensors[f"{name}.bias"].astype(float) * 2**28).astype(np.int64)
        return np.clip((weight @ x + bias + 2**15) >> 16, -(2**19), 2**19)

    def use_uniform_grid(self):
        self.points = [(n - CELLS) * 2**11 for n in range(2 * CELLS)]

    def posterior(self, levels):
        h = (levels.astype(np.int64) * 2**13 + 255) // 510
        for number in range(self.hidden):
            h = np.maximum(self.linear(h, f"encoder.{number}"), 0)
        mean, log_variance = np.split(self.linear(h, "posterior_head"), 2)
        if self.clamp is not None:
            sizes = np.minimum(np.abs(log_variance), len(self.clamp) - 1)
            log_variance = np.sign(log_variance) * np.array(self.clamp)[sizes]
        steps = np.clip((log_variance + 2**5) >> 6, -128 * 64, 128 * 64)
        return mean, np.array(self.scales)[steps + 128 * 64]

    def outputs(self, numbers, digits):
        places = (2 * numbers + 1) * 4 ** (CELL_DIGITS - digits)
        h = (np.array(self.points)[places] + 2**7) >> 8
        for number in range(self.hidden + 1):
            h = self.linear(np.maximum(h, 0) if number else h, f"decoder.{number}")
        return h

    def ones(self, logits):
        """Masses of white pixels."""
        index = np.clip((logits + 2) >> 2, -18 * 1024, 18 * 1024) + 18 * 1024
        return np.array(self.one)[index]

    def mixtures(self, outputs):
        """Of each gray pixel: centers and scales times 2^-20, and weights of the components."""
        weight, mean, log_scale = outputs.reshape(self.components, 3, -1).swapaxes(0, 1)
        costs = -weight * 2**5
        apart = (costs - costs.min(0) + 2**8) >> 9
        weights = np.array([*self.weights, 0])[np.minimum(apart, len(self.weights) - 1)]
        log_scale = np.clip(log_scale - 5325, -7 * 2**12, 7 * 2**12)
        steps = np.clip((2 * log_scale + 2**5) >> 6, -128 * 64, 128 * 64)
        scales = np.array(self.scales)[steps + 128 * 64]
        return zip(*((mean * 2**8).T.tolist(), scales.T.tolist(), weights.T.tolist()), strict=True)

    def gaussian(self, edge, mean, scale):
        """2^28 times the probability below an edge of a latent's grid."""
        if edge in (0, CELLS):
            return 2**28 * (edge > 0)
        apart = self.points[2 * edge] - mean * 2**8
        return interpolated(self.cdf, 8, apart, min(max(scale, 1), 2**28))

    def mixture(self, edge, centers, scales, weights):
        """2^28 times the probability of the levels below `edge`."""
        if edge in (0, 256):
            return 2**28 * (edge > 0)
        bound = ((2 * edge - 256) * 2**21 + 255) // 510
        each = [
            weight * interpolated(self.logistic, 20, bound - center, scale)
            for center, scale, weight in zip(centers, scales, weights, strict=True)
        ]
        return sum(each) // sum(weights)


def interpolated(table, side, apart, scale):
    t = min(max(apart, -(2**30)), 2**30) * 2**16 // scale
    t = min(max(t, -side * 2**16), side * 2**16) + side * 2**16
    index = min(t >> 8, len(table) - 2)
    a, b = table[index], table[index + 1]
    return a + ((b - a) * (t - index * 2**8) >> 8)


def bounds(cdf, most, digit, before):
    """Bounds of the 4 masses of a digit of `most`, given the digits before it as a number."""
    found = [cdf((4 * before + n) * 4 ** (most - digit - 1)) for n in range(5)]
    total = found[-1] - found[0]
    if not total:
        return [n + n * ((MASS - 4) // 4) for n in range(5)]
    return [n + (one - found[0]) * (MASS - 4) // total for n, one in enumerate(found)]


def in_order(digits):
    """Numbers and their digits: the first digits of all, then the second ones, ..."""
    return [
        (n, digit) for digit in range(max(digits)) for n, own in enumerate(digits) if own > digit
    ]


def popped(stack, cdfs, digits, most):
    numbers = [0] * len(cdfs)
    for n, digit in in_order(digits):
        numbers[n] = 4 * numbers[n] + stack.pop(bounds(cdfs[n], most, digit, numbers[n]))
    return numbers


def push(stack, cdfs, numbers, digits, most):
    for n, digit in reversed(in_order(digits)):
        left = digits[n] - digit
        symbol, before = int(numbers[n]) // 4 ** (left - 1) % 4, int(numbers[n]) // 4**left
        stack.push(symbol, bounds(cdfs[n], most, digit, before))


def decoded(data: bytes, folder: Path) -> np.ndarray:
    """The images of a file, uint8."""
    (length,) = struct.unpack_from("<I", data, 8)
    header = json.loads(data[12 : 12 + length])
    place = 12 + length
    rows = [struct.unpack_from("<IIII", data, place + 16 * n) for n in range(header["chunks"])]
    place += 16 * len(rows)
    digits = list(zlib.decompress(data[place : place + header["side_bytes"]]))
    place += header["side_bytes"] + header["keys_bytes"] + 4
    model, images, latents = Model(folder), [], len(digits)
    blocks = [hashlib.sha256(n.to_bytes(4, "little")).digest() for n in range(SUPPLY // 8)]
    supply = np.frombuffer(b"".join(blocks), "<u4").tolist()
    if header["tails"]:
        model.use_uniform_grid()
    quarters = [n * MASS // 4 for n in range(5)]
    for count, touched, words, _ in rows:
        own = np.frombuffer(data, "<u4", words, place)
        place += 4 * words
        stack = Stack([*supply[: SUPPLY - touched], *own])
        for place_in_chunk in range(count):
            numbers = [0] * latents
            if header["tails"]:
                normal = [lambda edge: model.gaussian(edge, 0, 2**20)] * latents
                numbers = popped(stack, normal, digits, CELL_DIGITS)
            equal = [] if header["tails"] else [stack.pop(quarters) for _ in in_order(digits)]
            for (n, digit), symbol in zip(in_order(digits), equal, strict=bool(equal)):
                word = supply[(place_in_chunk * latents + n) % SUPPLY]
                numbers[n] = 4 * numbers[n] + (symbol - (word >> 2 * digit)) % 4
            outputs = model.outputs(np.array(numbers), np.array(digits))
            if model.components:
                cdfs = [
                    lambda edge, own=own: model.mixture(edge, *own)
                    for own in model.mixtures(outputs)
                ]
                levels = popped(stack, cdfs, [4] * len(cdfs), 4)
            else:
                ones = map(int, model.ones(outputs))
                levels = [255 * stack.pop([0, MASS - one, MASS]) for one in ones]
            images.append(np.array(levels, np.uint8))
            cdfs = [
                lambda edge, own=own: model.gaussian(edge, *own)
                for own in zip(
                    *(part.tolist() for part in model.posterior(images[-1])), strict=True
                )
            ]
            push(stack, cdfs, numbers, digits, CELL_DIGITS)
        assert stack.words() == supply
    assert math.prod(header["shape"]) == len(images[0])
    return np.stack(images).reshape(-1, *header["shape"])


if __name__ == "__main__":
    file, model_folder, out = map(Path, sys.argv[1:])
    np.save(out, decoded(file.read_bytes(), model_folder))
