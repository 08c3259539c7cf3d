"""The turns of an arm that trains: who ends them, and the looks at its model between them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from comparison import Turns
from torch import Tensor

from arms.plain import judge

STEPS_PER_TURN = 50
LOOKS = (1, 5, 20)
"""A model is judged after so many epochs, and after its last."""


class Watch:
    """Ends a turn every 50 steps and with every epoch; what is told between turns is not timed."""

    def __init__(self, turns: Turns, test: Tensor, epochs: int) -> None:
        self.turns, self.test, self.epochs = turns, test, epochs
        self.epoch, self.steps, self.images = 0, 0, 0
        self.memory: float | None = None

    def begin(self) -> None:
        """Waits for the first turn."""
        self.turns.begin()

    def step(self, images: int) -> None:
        """Counts one step; the 50th ends the turn."""
        self.steps, self.images = self.steps + 1, self.images + images
        if self.steps == STEPS_PER_TURN:
            self.end_turn()

    def end_turn(self) -> None:
        """Says how much was done, and waits for the next turn."""
        done, self.steps, self.images = self.images, 0, 0
        self.turns.end(done)

    def end_epoch(
        self,
        encode: Callable[[Tensor], tuple[Tensor, Tensor]],
        decode: Callable[[Tensor], Tensor],
        own: Callable[[], float],
    ) -> None:
        """Ends the turn and, after some epochs, says how good the model is.

        Args:
            encode, decode: as `judge` takes them.
            own: the number of nats on the test images that the library itself would give.
        """
        if self.images:
            self.end_turn()
        self.epoch += 1
        self.memory = self.memory or peak_memory()  # before anybody is judged
        if self.epoch in looks(self.epochs):
            nats, error = judge(encode, decode, self.test)
            said = {"epoch": self.epoch, "nats": nats, "se": error, "own": own()}
            last = self.epoch == self.epochs
            print(json.dumps({**said, "memory": self.memory, "last": last}), flush=True)
            if not last:
                self.turns.begin()


def looks(epochs: int) -> Sequence[int]:
    """The epochs after which a training of so many is judged."""
    return sorted({epochs, *(look for look in LOOKS if look < epochs)})


def peak_memory() -> float | None:
    """The largest resident memory that this process had, in bytes; None where there is no /proc."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = status.read_text().splitlines()
    return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
