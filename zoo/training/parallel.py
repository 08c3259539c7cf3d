"""A batch over processes: which images each computes, its random numbers, and the sum of gradients.

Every process draws the random numbers of the whole batch and takes its rows, so that they depend on
the batch alone. Gradients are added up in one vector of fixed layout: DistributedDataParallel lays
its buckets out anew after the first step, and a resumed run would add in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from zoo import processes
from zoo.data.preprocessing import training_draw
from zoo.errors import TrainingError
from zoo.specs.protocols import Protocol
from zoo.training.settings import TrainingSettings

if TYPE_CHECKING:
    from accelerate import Accelerator


class Share:
    """The parts into which a batch is cut, one after the other, and those of this process.

    Raises TrainingError where the parts cannot be shared out, or have no image each.
    """

    def __init__(self, settings: TrainingSettings, images: int) -> None:
        count, exact = processes.count(), settings.exact_shards
        self.parts = count * settings.accumulate if exact == "off" else exact
        if self.parts % count:
            fitting = " or ".join(str(2**k) for k in range(self.parts.bit_length()))
            raise TrainingError(
                f"exact_shards = {self.parts} is shared among {fitting} processes; the launcher "
                f"started {count}."
            )
        smallest = min(settings.batch_size, images)
        if self.parts > smallest:
            raise TrainingError(
                f"A batch of {smallest:,} images cannot be cut into {self.parts} parts, for {count} "
                f"process{'es' * (count > 1)}. Start fewer, or give it a larger batch_size or more images."
            )
        each = self.parts // count
        self.mine = range(each * processes.index(), each * (processes.index() + 1))

    def rows(self, size: int) -> list[tuple[slice, float]]:
        """The rows of each part of this process in a batch of `size` images, and the part's weight.

        An epoch's last batch may be too small for all parts: an empty one has a row, which weighs 0.
        """
        starts = [
            (size * part // self.parts, size * (part + 1) // self.parts) for part in self.mine
        ]
        return [(slice(a, b), (b - a) / size) if b > a else (slice(0, 1), 0.0) for a, b in starts]


class Draws:
    """The random numbers of batches, from a generator that is in the same state in every process."""

    def __init__(
        self,
        settings: TrainingSettings,
        device: torch.device,
        noise: Callable[[int, torch.Generator], Tensor] | None,
    ) -> None:
        self.generator = torch.Generator(device).manual_seed(settings.seed)
        self.shift = settings.shift
        self.noise = noise
        """Gives what the loss of a batch takes; None where it draws by itself, or not at all."""

    def moves(self, size: int, chance: float) -> Tensor | None:
        """Pixels by which each image is moved down and right, `(size, 2)`, by that chance, else 0.

        None where none is ever moved.
        """
        if not self.shift:
            return None
        here = {"device": self.generator.device, "generator": self.generator}
        moved = torch.rand(size, 1, **here) < chance
        return torch.randint(-self.shift, self.shift + 1, (size, 2), **here) * moved

    def batch(
        self, size: int, shape: Sequence[int], protocol: Protocol
    ) -> tuple[Tensor | None, Tensor | None]:
        """What the protocol draws, `(size, C, H, W)`, and the loss's noise, `(size, ...)`."""
        drawn = training_draw((size, *shape), protocol, self.generator)
        return drawn, self.noise and self.noise(size, self.generator)


class Summation:
    """The sum of all parts' gradients and of what is told with them, in every process.

    Without `exact` each process adds its own parts up first, in place. With it the sum is taken
    over all parts in pairs, in an order that does not depend on who computed them.
    """

    def __init__(self, accelerator: Accelerator, model: nn.Module, exact: bool) -> None:
        self.accelerator, self.is_exact = accelerator, exact
        self.is_needed = exact or processes.are_many()
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.unused = [True] * len(self.parameters)
        """Parameters that no part's loss depends on, which the optimiser leaves alone."""
        self.parts: list[Tensor] = []

    def end_part(self, told: Tensor) -> None:
        """Takes the gradient of a part out of the parameters, and what is told with it, `(n,)`."""
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        unused = zip(self.unused, self.parameters, strict=True)
        self.unused = [before and p.grad is None for before, p in unused]
        self.parts.append(torch.cat([*(grad.flatten() for grad in grads), told]))
        for parameter in self.parameters:
            parameter.grad = None

    def end_batch(self) -> Tensor:
        """Gives the parameters the gradient of the whole batch; returns the sum of what was told."""
        if self.is_exact:
            own = _pairwise(self.parts)
            shares = self.accelerator.gather(own[None])
            assert isinstance(shares, Tensor)
            total = _pairwise(list(shares))
        else:
            (own,) = self.parts
            total = self.accelerator.reduce(own, "sum")
            assert isinstance(total, Tensor)
        self.parts = []
        sizes = [parameter.numel() for parameter in self.parameters]
        *grads, told = total.split([*sizes, len(total) - sum(sizes)])
        for parameter, grad, unused in zip(self.parameters, grads, self.unused, strict=True):
            if not unused:
                parameter.grad = torch.empty_like(parameter).copy_(grad.view_as(parameter))
        return told


def _pairwise(vectors: list[Tensor]) -> Tensor:
    """The sum of 1, 2, 4, ... vectors: neighbours first, so that halves can be added elsewhere."""
    while len(vectors) > 1:
        vectors = [a + b for a, b in zip(vectors[::2], vectors[1::2], strict=True)]
    return vectors[0]
