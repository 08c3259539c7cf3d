"""Data parallelism: each process's share of a batch, its random numbers, and the sum of gradients.

Every process draws the random numbers of the whole batch and takes its rows, so that they do not
depend on the number of processes. Gradients are summed in one vector of fixed layout, because
DistributedDataParallel rebuilds its buckets after the first step, so a resumed run would sum in
another order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from zoo.data.shown import training_draw
from zoo.errors import TrainingError
from zoo.runtime import processes
from zoo.specs.protocols import Protocol
from zoo.training.settings import TrainingSettings


class Share:
    """The parts of a batch, and those that this process computes.

    Raises TrainingError if the parts cannot be distributed evenly, or would be empty.
    """

    def __init__(self, settings: TrainingSettings, images: int) -> None:
        count, exact = processes.count(), settings.exact_shards
        self.parts = count * settings.accumulate if exact == "off" else exact
        if self.parts % count:
            fitting = " or ".join(str(2**k) for k in range(self.parts.bit_length()))
            raise TrainingError(
                f"exact_shards = {self.parts} supports {fitting} processes; the launcher "
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

        In an epoch's last, smaller batch, an empty part is given one row with weight 0.
        """
        starts = [
            (size * part // self.parts, size * (part + 1) // self.parts) for part in self.mine
        ]
        return [(slice(a, b), (b - a) / size) if b > a else (slice(0, 1), 0.0) for a, b in starts]


class Draws:
    """The random numbers of batches, from a generator in the same state in every process."""

    def __init__(
        self,
        settings: TrainingSettings,
        device: torch.device,
        noise: Callable[[int, torch.Generator], Tensor | None],
    ) -> None:
        self.generator = torch.Generator(device).manual_seed(settings.seed)
        self.shift = settings.shift
        self.noise = noise
        """Returns the random numbers of a batch's loss, if it uses any."""

    def moves(self, size: int, chance: float) -> Tensor | None:
        """Random shift of each image down and right in pixels, `(size, 2)`, 0 with probability 1 - chance.

        None if `shift` is 0.
        """
        if not self.shift:
            return None
        here = {"device": self.generator.device, "generator": self.generator}
        moved = torch.rand(size, 1, **here) < chance
        return torch.randint(-self.shift, self.shift + 1, (size, 2), **here) * moved

    def batch(
        self, size: int, shape: Sequence[int], protocol: Protocol
    ) -> tuple[Tensor | None, Tensor | None]:
        """The protocol's random numbers, `(size, C, H, W)`, and the loss's noise, `(size, ...)`."""
        drawn = training_draw((size, *shape), protocol, self.generator)
        return drawn, self.noise(size, self.generator)


class Summation:
    """All-reduce of the parts' gradients and metrics.

    Without `exact` each process first accumulates its own parts in place. With it, all parts are
    summed pairwise, in an order that does not depend on which process computed them. A parameter
    unused by all parts has no gradient, so the optimizer skips it.
    """

    def __init__(self, model: nn.Module, exact: bool) -> None:
        self.is_exact = exact
        self.is_needed = exact or processes.are_many()
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.parts: list[Tensor] = []
        self.all_used = True
        """Whether the losses of this process's parts depend on every parameter."""

    def end_part(self, metrics: Tensor) -> None:
        """Moves the gradient of a part out of the parameters, with its metrics `(n,)`."""
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        used = [float(p.grad is not None) for p in self.parameters]
        self.all_used = all(used)
        flags = torch.tensor(used, device=metrics.device)
        self.parts.append(torch.cat([*(grad.flatten() for grad in grads), metrics, flags]))
        for parameter in self.parameters:
            parameter.grad = None

    def end_batch(self) -> Tensor:
        """Sets the parameters' gradients to those of the whole batch; returns the summed metrics."""
        if self.is_exact:
            total = _pairwise(list(self._shared(_pairwise(self.parts))))
        else:
            (own,) = self.parts
            total = self._shared(own)
        self.parts = []
        sizes = [parameter.numel() for parameter in self.parameters]
        count = len(total) - sum(sizes) - len(sizes)
        *grads, metrics, flags = total.split([*sizes, count, len(sizes)])
        used = [True] * len(sizes)
        if not self.all_used:  # reading the flags synchronizes with the device
            used = (flags > 0).tolist()
        for parameter, grad, is_used in zip(self.parameters, grads, used, strict=True):
            if is_used:
                parameter.grad = torch.empty_like(parameter).copy_(grad.view_as(parameter))
        return metrics

    def _shared(self, own: Tensor) -> Tensor:
        """The sum of all processes' vectors `(n,)`, or with `exact` each of them, `(processes, n)`."""
        if not processes.are_many():
            return own[None] if self.is_exact else own
        from accelerate.utils import gather, reduce

        sent = own.to(processes.state().device)  # gloo and nccl need their own device
        found = gather(sent[None]) if self.is_exact else reduce(sent, "sum")
        assert isinstance(found, Tensor)
        return found.to(own.device)


def _pairwise(vectors: list[Tensor]) -> Tensor:
    """Pairwise sum of 1, 2, 4, ... vectors, neighbors first, so that processes can sum their own first."""
    while len(vectors) > 1:
        vectors = [a + b for a, b in zip(vectors[::2], vectors[1::2], strict=True)]
    return vectors[0]


INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Integer dtypes by size in bytes."""


def check_alike(model: nn.Module) -> None:
    """Raises TrainingError if a weight or buffer is not bitwise identical in all processes.

    Compares the sum of each tensor's bits, read as integers.
    """
    if not processes.are_many():
        return
    state = model.state_dict()
    bits = [t.detach().reshape(-1).view(INTEGERS[t.element_size()]) for t in state.values()]
    sums = torch.stack([one.sum(dtype=torch.int64) for one in bits]).tolist()
    every = zip(*processes.gathered(sums), strict=True)
    apart = [name for name, values in zip(state, every, strict=True) if len(set(values)) > 1]
    if apart:
        names = ", ".join(apart[:5]) + ", ..." * (len(apart) > 5)
        raise TrainingError(
            f"The processes' weights have diverged: {names}. Gradients are summed over all processes, so "
            "this family changes weights outside the optimizer, or the machines' arithmetic differs. "
            "Train it in one process."
        )
