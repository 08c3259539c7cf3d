"""Bits-back coding of images with a model's integer form (Townsend et al. 2019, 2020).

To push an image: pop the latents of all groups from the posterior, top group first, push the pixels by their
likelihood, push the latents by the prior, the last group first. A mixture prior's component is a latent
too. To pop an image, everything is undone in reverse. Several stacks are coded side by side, so that the
networks see a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.coding.stack import Stack
from zoo.errors import DataError
from zoo.exact.gaussians import HALF, Gaussian
from zoo.exact.models import ExactModel, MixturePrior, State, images_as_activations
from zoo.exact.tables import MASS

Stacks = Sequence[Stack]


def push_images(model: ExactModel, stacks: Stacks, levels: Tensor, place: int) -> None:
    """Pushes the image at a place of its chunk to each stack: 0 or 255, `(S, C, H, W)` uint8."""
    features = model.features(images_as_activations(levels))
    state, cells, component = State(), [], None
    for number in range(len(model.sizes)):
        cells.append(_pop_cells(stacks, model.posterior(number, features, state)))
        if number == 0 and isinstance(model.prior, MixturePrior):
            by_cells = model.prior.component_masses(cells[0]).numpy()
            component = _each(stacks, lambda stack, n, by=by_cells: stack.pop(by[n : n + 1]))
        state = model.descend(number, cells[number], state)
    pixels = (levels.flatten(1) > 127).numpy()
    masses = _two(model.pixel_masses(state))
    for stack, own, mass in zip(stacks, pixels, masses, strict=True):
        stack.push(own, mass)
    for number in reversed(range(len(model.sizes))):
        if number == 0 and component is not None:
            assert isinstance(model.prior, MixturePrior)
            _push_cells(stacks, model.prior.of(component[:, 0]), cells[0])
            equal = _equal(len(model.prior))
            for stack, own in zip(stacks, component.numpy(), strict=True):
                stack.push(own, equal)
        else:
            for stack, own in zip(stacks, cells[number].numpy(), strict=True):
                stack.push_cells(own, _turn(model, place, number))


def pop_images(model: ExactModel, stacks: Stacks, place: int) -> Tensor:
    """Pops the image at a place of its chunk from each stack, `(S, C, H, W)` uint8. Raises DataError if a stack has too few bits."""
    state, states, cells, component = State(), [], [], None
    for number, size in enumerate(model.sizes):
        states.append(state)
        if number == 0 and isinstance(model.prior, MixturePrior):
            equal = _equal(len(model.prior))
            component = _each(stacks, lambda stack, _, equal=equal: stack.pop(equal))
            cells.append(_pop_cells(stacks, model.prior.of(component[:, 0])))
        else:
            turn = _turn(model, place, number)
            cells.append(_each(stacks, lambda stack, _, n=size, at=turn: stack.pop_cells(n, at)))
        state = model.descend(number, cells[number], state)
    masses = _two(model.pixel_masses(state))
    found = _each(stacks, lambda stack, n: stack.pop(masses[n]))
    levels = (found * 255).to(torch.uint8).view(-1, *model.shape)
    features = model.features(images_as_activations(levels))
    for number in reversed(range(len(model.sizes))):
        if number == 0 and component is not None:
            assert isinstance(model.prior, MixturePrior)
            by_cells = model.prior.component_masses(cells[0]).numpy()
            for n, (stack, own) in enumerate(zip(stacks, component.numpy(), strict=True)):
                stack.push(own, by_cells[n : n + 1])
        _push_cells(stacks, model.posterior(number, features, states[number]), cells[number])
    return levels


def _turn(model: ExactModel, place: int, number: int) -> int:
    """Number of the first latent of a group among those of all images of a chunk."""
    return place * sum(model.sizes) + sum(model.sizes[:number])


def _pop_cells(stacks: Stacks, gaussian: Gaussian) -> Tensor:
    upper_masses = gaussian.upper().numpy()
    upper = _each(stacks, lambda stack, n: stack.pop(upper_masses[n]))
    lower_masses = gaussian.lower(upper).numpy()
    lower = _each(stacks, lambda stack, n: stack.pop(lower_masses[n]))
    return upper * 2**HALF + lower


def _push_cells(stacks: Stacks, gaussian: Gaussian, cells: Tensor) -> None:
    upper, lower = cells >> HALF, cells & (2**HALF - 1)
    upper_masses, lower_masses = gaussian.upper().numpy(), gaussian.lower(upper).numpy()
    for n, stack in enumerate(stacks):
        stack.push(lower[n].numpy(), lower_masses[n])
        stack.push(upper[n].numpy(), upper_masses[n])


def _each(stacks: Stacks, pop: Callable[[Stack, int], np.ndarray]) -> Tensor:
    """What is popped from each stack, `(S, n)` int64."""
    return torch.from_numpy(np.stack([pop(stack, n) for n, stack in enumerate(stacks)])).long()


def _two(ones: Tensor) -> np.ndarray:
    """Masses `(S, n, 2)` of 0 and 1."""
    return torch.stack([MASS - ones, ones], -1).numpy()


def _equal(count: int) -> np.ndarray:
    """Masses `(1, count)` that are as equal as whole numbers are."""
    bounds = np.arange(count + 1, dtype=np.int64) * MASS // count
    return np.diff(bounds)[None].astype(np.float64)


@dataclass(frozen=True)
class Chunk:
    """Images in one stack."""

    images: int
    touched: int
    """Words of the supply that its words replace."""
    words: np.ndarray
    """uint32, the top of the stack last."""


def encode(model: ExactModel, levels: Tensor, chunk: int) -> list[Chunk]:
    """Images `(N, C, H, W)` in stacks of `chunk` each, the last of the rest.

    Images are pushed from the last to the first, so that they are popped in order.
    """
    starts = list(range(0, len(levels), chunk))
    stacks = [Stack() for _ in starts]
    sizes = [min(chunk, len(levels) - start) for start in starts]
    for place in reversed(range(chunk)):
        active = [n for n, size in enumerate(sizes) if place < size]
        if active:
            images = levels[[starts[n] + place for n in active]]
            push_images(model, [stacks[n] for n in active], images, place)
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


def decode(model: ExactModel, chunks: Sequence[Chunk]) -> Iterator[tuple[list[int], Tensor]]:
    """Images of chunks, side by side: numbers of chunks, and the next image of each.

    Raises ChunkError for a chunk with too few bits, and for one with bits left after its last image.
    """
    stacks = [Stack(chunk.words, chunk.touched) for chunk in chunks]
    for place in range(max(chunk.images for chunk in chunks)):
        active = [n for n, chunk in enumerate(chunks) if place < chunk.images]
        try:
            images = pop_images(model, [stacks[n] for n in active], place)
        except DataError as problem:
            empty = next(n for n in active if stacks[n].is_empty)
            raise ChunkError(empty, str(problem)) from None
        for n in active:
            if place == chunks[n].images - 1 and not stacks[n].is_at_start:
                raise ChunkError(n, "bits are left after its last image")
        yield active, images
