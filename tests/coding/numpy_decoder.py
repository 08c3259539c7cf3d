"""A decoder of compressed images in Python and NumPy alone, written from docs/compression.md.

For fully connected VAEs with one group of latents, a standard normal prior, joint heads and ReLU. It shares
no code with the zoo.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import sys
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

SUPPLY, MASS, CELLS = 2**14, 2**24, 2**12
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
                range(int(10 * bound) * 2**12 + 1),
                2**12,
            )
        self.scales = decimals(
            lambda v: max(Decimal(1), 2**20 * (min(v, Decimal(24)) / 2).exp()),
            range(-128 * 64, 128 * 64 + 1),
            64,
        )
        self.ones = decimals(
            lambda x: min(max(MASS / (1 + (-x).exp()), Decimal(1)), Decimal(MASS - 1)),
            range(-18 * 1024, 18 * 1024 + 1),
            1024,
        )
        upper = [*decimals(lambda x: 2**28 * phi(x), range(8 * 256), 256), 2**28]
        self.cdf = [2**28 - one for one in reversed(upper)] + upper[1:]
        with localcontext(Context(prec=30, rounding=ROUND_HALF_EVEN)):
            tail = [quantile(Decimal(CELLS + n) / (2 * CELLS)) for n in range(1, CELLS)]
        edges, centers = [0, *tail[1::2]], tail[0::2]
        self.edges = [-one for one in reversed(edges[1:])] + edges
        self.centers = [-one for one in reversed(centers)] + centers

    def linear(self, x, name):
        weight = np.rint(self.tensors[f"{name}.weight"].astype(float) * 2**16).astype(np.int64)
        bias = np.rint(self.tensors[f"{name}.bias"].astype(float) * 2**28).astype(np.int64)
        return np.clip((weight @ x + bias + 2**15) >> 16, -(2**19), 2**19)

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

    def pixels(self, cells):
        h = (np.array(self.centers)[cells] + 2**7) >> 8
        for number in range(self.hidden + 1):
            h = self.linear(np.maximum(h, 0) if number else h, f"decoder.{number}")
        index = np.clip((h + 2) >> 2, -18 * 1024, 18 * 1024) + 18 * 1024
        return np.array(self.ones)[index]

    def cumulative(self, edge, mean, scale):
        """2^28 times the probability below an inner edge of the grid."""
        if edge < 0:
            return 0
        if edge > CELLS - 2:
            return 2**28
        apart = min(max(self.edges[edge] - mean * 2**8, -(2**30)), 2**30)
        t = min(max(apart * 2**16 // scale, -8 * 2**16), 8 * 2**16)
        index = min((t >> 8) + 8 * 256, len(self.cdf) - 2)
        rest = t - (index - 8 * 256) * 2**8
        a, b = self.cdf[index], self.cdf[index + 1]
        return a + ((b - a) * rest >> 8)

    def bounds(self, first, step, mean, scale):
        """Bounds of 64 masses: of cells from `first`, `step` each."""
        cdf = [self.cumulative(first + n * step - 1, mean, scale) for n in range(65)]
        total = cdf[-1] - cdf[0]
        if not total:
            return [n + n * ((MASS - 64) // 64) for n in range(65)]
        return [n + (one - cdf[0]) * (MASS - 64) // total for n, one in enumerate(cdf)]


def decoded(data: bytes, folder: Path) -> np.ndarray:
    """The images of a file, uint8."""
    (length,) = struct.unpack_from("<I", data, 8)
    header = json.loads(data[12 : 12 + length])
    place = 12 + length
    rows = [struct.unpack_from("<IIII", data, place + 16 * n) for n in range(header["chunks"])]
    place += 16 * len(rows) + header["keys_bytes"] + 4
    model, images = Model(folder), []
    digests = [hashlib.sha256(n.to_bytes(4, "little")).digest() for n in range(SUPPLY // 8)]
    supply = np.frombuffer(b"".join(digests), "<u4")
    every = np.arange(CELLS + 1) * (MASS // CELLS)
    for count, touched, words, _ in rows:
        own = np.frombuffer(data, "<u4", words, place)
        place += 4 * words
        stack = Stack([*supply[: SUPPLY - touched], *own])
        for place_in_chunk in range(count):
            latents = len(model.tensors["posterior_head.bias"]) // 2
            turn = place_in_chunk * latents + np.arange(latents)
            moved = np.array([stack.pop(every) for _ in range(latents)])
            cells = (moved - supply[turn % SUPPLY].astype(np.int64)) % CELLS
            levels = [
                255 * stack.pop([0, MASS - one, MASS]) for one in map(int, model.pixels(cells))
            ]
            images.append(np.array(levels, np.uint8))
            mean, scale = model.posterior(images[-1])
            upper, lower = cells >> 6, cells & 63
            each = list(zip(mean.tolist(), scale.tolist(), strict=True))
            for n in reversed(range(latents)):
                stack.push(lower[n], model.bounds(int(upper[n]) * 64, 1, *each[n]))
            for n in reversed(range(latents)):
                stack.push(upper[n], model.bounds(0, 64, *each[n]))
        assert stack.words() == supply.tolist()
    assert math.prod(header["shape"]) == len(images[0])
    return np.stack(images).reshape(-1, *header["shape"])


if __name__ == "__main__":
    file, model_folder, out = map(Path, sys.argv[1:])
    np.save(out, decoded(file.read_bytes(), model_folder))
