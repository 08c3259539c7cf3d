"""Bits-back coding of images with a model's integer form (Townsend et al. 2019, 2020).

To push an image: pop the codes of all groups from the posterior, top group first, push the levels by their
likelihood, push the codes by the prior, the last group first. A mixture prior's component is a code too.
To pop an image, everything is undone in reverse. Several stacks are coded side by side, so that the networks
see a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from zoo.coding.stack import SUPPLY, Stack, supply, weights_of
from zoo.errors import DataError
from zoo.integers.base import State, TopDown, images_as_activations
from zoo.integers.discrete import BASE, Discrete, Which, centers_of
from zoo.integers.likelihoods import Levels
from zoo.integers.priors import MixturePrior, TailPrior
from zoo.integers.tables import MASS

Stacks = Sequence[Stack]


class AnyCodec(Protocol):
    """Pushes and pops what images are coded as, and gives images."""

    def push(self, stacks: Stacks, images: Tensor, place: int) -> None: ...
    def pop(self, stacks: Stacks, place: int) -> Tensor: ...


class Codec:
    """Pushes and pops images, without loss.

    Args:
        model: a model's integer form, with a likelihood of levels.
        digits: number of digits of each code, `(D,)` int64 for each group.
    """

    def __init__(self, model: TopDown, digits: Sequence[Tensor]) -> None:
        assert model.levels is not None
        self.model, self.digits, self.levels = model, digits, model.levels
        self._places = [_places(own) for own in digits]

    def push(self, stacks: Stacks, images: Tensor, place: int) -> None:
        """Pushes the image at a place of its chunk to each stack, `(S, C, H, W)` uint8."""
        model, count = self.model, len(stacks)
        features = model.features(images_as_activations(images))
        state, numbers, component = State(), [], None
        for group, digits in enumerate(self.digits):
            numbers.append(_pop(stacks, model.posterior(group, features, state), digits))
            codes = self._codes(group, numbers[group], state)
            if isinstance(prior := model.priors[group], MixturePrior):
                component = _pop_digit(stacks, prior.component_masses(codes)[:, None])
            state = model.descend(group, codes, state)
        _push_levels(stacks, self.levels, model.outputs(state), images)
        for group in reversed(range(len(self.digits))):
            if isinstance(prior := model.priors[group], MixturePrior):
                assert component is not None
                _push(stacks, prior.of(component[:, 0]), numbers[group], self.digits[group])
                _push_digit(stacks, component, _equal(len(prior), count))
            elif isinstance(prior, TailPrior):
                _push(stacks, prior.of(numbers[group]), numbers[group], self.digits[group])
            else:
                self._push_equal(stacks, numbers[group], group, place)

    def pop(self, stacks: Stacks, place: int) -> Tensor:
        """Pops the image at a place of its chunk from each stack, `(S, C, H, W)` uint8.

        Raises DataError if a stack has too few bits.
        """
        model, count = self.model, len(stacks)
        state, states, numbers, codes, component = State(), [], [], [], None
        for group, digits in enumerate(self.digits):
            states.append(state)
            if isinstance(prior := model.priors[group], MixturePrior):
                component = _pop_digit(stacks, _equal(len(prior), count))
                numbers.append(_pop(stacks, prior.of(component[:, 0]), digits))
            elif isinstance(prior, TailPrior):
                numbers.append(_pop(stacks, prior.of(digits.expand(count, -1)), digits))
            else:
                numbers.append(self._pop_equal(stacks, group, place))
            codes.append(self._codes(group, numbers[group], state))
            state = model.descend(group, codes[group], state)
        levels = _pop_levels(stacks, self.levels, model.outputs(state)).view(-1, *model.shape)
        features = model.features(images_as_activations(levels))
        for group in reversed(range(len(self.digits))):
            if isinstance(prior := model.priors[group], MixturePrior):
                assert component is not None
                _push_digit(stacks, component, prior.component_masses(codes[group])[:, None])
            posterior = model.posterior(group, features, states[group])
            _push(stacks, posterior, numbers[group], self.digits[group])
        return levels

    def _codes(self, group: int, numbers: Tensor, state: State) -> Tensor:
        places = centers_of(numbers, self.digits[group])[..., None]  # (S, D, 1)
        positions = self.model.priors[group].grid.at(places, slice(None))[..., 0]
        return self.model.codes(group, positions, state)

    def _push_equal(self, stacks: Stacks, numbers: Tensor, group: int, place: int) -> None:
        """Pushes numbers `(S, D)` of a normal prior, whose cells have equal masses."""
        which, digit = self._places[group]
        symbols = _digit_of(numbers[:, which], self.digits[group][which], digit, BASE)
        moves = self._moves(group, place)
        for stack, own in zip(stacks, symbols.numpy(), strict=True):
            stack.push_equal((own + moves) % BASE)

    def _pop_equal(self, stacks: Stacks, group: int, place: int) -> Tensor:
        which, digit = self._places[group]
        moves = self._moves(group, place)
        found = torch.from_numpy(np.stack([stack.pop_equal(len(which)) for stack in stacks]))
        symbols = (found - torch.from_numpy(moves)) % BASE
        weighted = symbols * BASE ** (self.digits[group][which] - digit - 1)
        numbers = torch.zeros(len(stacks), self.model.sizes[group], dtype=torch.int64)
        return numbers.index_add_(1, which, weighted)

    def _moves(self, group: int, place: int) -> np.ndarray:
        """What is added to each digit that is pushed, modulo 4.

        Else the next image would pop the bits that this one's codes have just pushed: where posterior and
        prior are alike, all images would have the same codes, and a rate that is not the mean.
        """
        which, digit = (one.numpy() for one in self._places[group])
        sizes = self.model.sizes
        first = place * sum(sizes) + sum(sizes[:group])
        words = supply()[(first + which) % SUPPLY].astype(np.int64)
        return words >> 2 * digit & BASE - 1


def _places(digits: Tensor) -> tuple[Tensor, Tensor]:
    """Codes `(n,)` and digits `(n,)` in the order in which they are pushed: the first digits of all, ..."""
    parts = [(digits > digit).nonzero()[:, 0] for digit in range(int(digits.max()))]
    numbers = [torch.full_like(part, digit) for digit, part in enumerate(parts)]
    none = [digits[:0]]
    return torch.cat(none + parts), torch.cat(none + numbers)


def _digit_of(numbers: Tensor, digits: Tensor | int, digit: Tensor | int, base: int) -> Tensor:
    return numbers // base ** (digits - digit - 1) % base


def _pop(stacks: Stacks, masses: Discrete, digits: Tensor) -> Tensor:
    """Numbers `(S, n)` of `digits` `(n,)` each: the first digits of all, then the second ones, ..."""
    numbers = torch.zeros(len(stacks), len(digits), dtype=torch.int64)
    for digit in range(int(digits.max())):
        which = _having(digits, digit)
        before = numbers[:, which]
        own = _pop_digit(stacks, masses.masses(digit, before, which))
        numbers[:, which] = before * masses.base + own
    return numbers


def _push(stacks: Stacks, masses: Discrete, numbers: Tensor, digits: Tensor) -> None:
    """Undoes `_pop`."""
    for digit in reversed(range(int(digits.max()))):
        which = _having(digits, digit)
        own, left = numbers[:, which], digits[which] - digit
        before = own // masses.base**left
        symbols = _digit_of(own, left, 0, masses.base)
        _push_digit(stacks, symbols, masses.masses(digit, before, which))


def push_numbers(stacks: Stacks, masses: Discrete, numbers: Tensor) -> None:
    """Pushes numbers `(S, n)` of all their digits."""
    _push(stacks, masses, numbers, torch.full((len(masses),), masses.digits))


def pop_numbers(stacks: Stacks, masses: Discrete) -> Tensor:
    """Pops what `push_numbers` pushed."""
    return _pop(stacks, masses, torch.full((len(masses),), masses.digits))


def _having(digits: Tensor, digit: int) -> Which:
    """The symbols that have a digit."""
    has = digits > digit
    return slice(None) if bool(has.all()) else has.nonzero()[:, 0]


def _push_levels(stacks: Stacks, form: Levels, outputs: Tensor, levels: Tensor) -> None:
    numbers = form.numbers(levels)
    for turn in reversed(range(form.turns)):
        push_numbers(stacks, form.masses(outputs, numbers[:turn]), numbers[turn])


def _pop_levels(stacks: Stacks, form: Levels, outputs: Tensor) -> Tensor:
    numbers = []
    for _ in range(form.turns):
        numbers.append(pop_numbers(stacks, form.masses(outputs, numbers)))
    return form.levels(numbers)


def _pop_digit(stacks: Stacks, masses: Tensor) -> Tensor:
    """One symbol `(S, n)` int64 for each of the masses `(S, n, K)`."""
    if masses.shape[-1] == 1:
        return torch.zeros(masses.shape[:-1], dtype=torch.int64)
    pairs = zip(stacks, weights_of(masses.numpy()), strict=True)
    return torch.from_numpy(np.stack([stack.pop(own) for stack, own in pairs])).long()


def _push_digit(stacks: Stacks, symbols: Tensor, masses: Tensor) -> None:
    if masses.shape[-1] == 1:
        return
    weights = weights_of(masses.numpy())
    for stack, own, each in zip(stacks, symbols.int().numpy(), weights, strict=True):
        stack.push(own, each)


def _equal(count: int, stacks: int) -> Tensor:
    """Masses `(S, 1, count)` that are as equal as whole numbers are."""
    bounds = torch.arange(count + 1) * MASS // count
    return bounds.diff().double().expand(stacks, 1, count)


@dataclass(frozen=True)
class Chunk:
    """Images in one stack."""

    images: int
    touched: int
    """Words of the supply that its words replace."""
    words: np.ndarray
    """uint32, the top of the stack last."""


def encode(
    codec: AnyCodec, images: Tensor, chunk: int, on_images: Callable[[int], None] = lambda n: None
) -> list[Chunk]:
    """Images `(N, ...)` in stacks of `chunk` each, the last of the rest.

    Images are pushed from the last to the first, so that they are popped in order. `on_images` is called
    with the number of images that have just been pushed.
    """
    starts = list(range(0, len(images), chunk))
    stacks = [Stack() for _ in starts]
    sizes = [min(chunk, len(images) - start) for start in starts]
    for place in reversed(range(chunk)):
        active = [n for n, size in enumerate(sizes) if place < size]
        if active:
            own = images[[starts[n] + place for n in active]]
            codec.push([stacks[n] for n in active], own, place)
            on_images(len(active))
    chunks = []
    for size, stack in zip(sizes, stacks, strict=True):
        words, touched = stack.words()
        chunks.append(Chunk(size, touched, words))
    return chunks


class ChunkError(Exception):
    """The words of a chunk, by its number, are not what images become."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(why)
        self.number = number


def decode(codec: AnyCodec, chunks: Sequence[Chunk]) -> Iterator[tuple[list[int], Tensor]]:
    """Images of chunks, side by side: numbers of chunks, and the next image of each.

    Raises ChunkError for a chunk with too few bits, and for one with bits left after its last image.
    """
    for n, chunk in enumerate(chunks):
        if len(chunk.words) and not chunk.words[-1]:
            raise ChunkError(n, "its last word is 0")
    stacks = [Stack(chunk.words, chunk.touched) for chunk in chunks]
    for place in range(max(chunk.images for chunk in chunks)):
        active = [n for n, chunk in enumerate(chunks) if place < chunk.images]
        try:
            images = codec.pop([stacks[n] for n in active], place)
        except DataError as problem:
            empty = next(n for n in active if stacks[n].is_empty)
            raise ChunkError(empty, str(problem)) from None
        for n in active:
            if place == chunks[n].images - 1 and not stacks[n].is_at_start:
                raise ChunkError(n, "bits are left after its last image")
        yield active, images
