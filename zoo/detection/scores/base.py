"""`Score`: base class of anomaly scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

from torch import Tensor

from zoo.models import Autoencoder
from zoo.specs.domains import KINDS, Kind
from zoo.specs.validation import Strict

Learned = Mapping[str, Tensor]
"""What a score has learned from reference examples, by name."""
Batches = Callable[[], Iterable[Tensor]]
"""Reference examples `(N, *input_shape)`, as `Score.values` takes them; each call starts anew."""


class Score(Strict):
    """How anomalous an example is to a model: one number per example; higher is more anomalous.

    A subclass defines one score. Its fields are its settings, as in `score = {kind = "nll", samples = 100}`:

        @zoo.register_score
        class CodeNorm(zoo.Score):
            kind: Literal["code-norm"] = "code-norm"
            needs = ("code",)

            def values(self, model, x, learned):
                return model._encode(x).flatten(1).square().sum(1)

    Below, `x` are examples `(N, *input_shape)` as given by `model.standardized`: images in [0, 1], rows
    and series standardized. A score must not depend on the other examples of a batch, nor on an
    example's position: use the same random numbers for every example.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    """Parts that the model must have: see `zoo.models.primitives.parts_of`."""
    domains: ClassVar[tuple[Kind, ...]] = KINDS
    """Supported domains."""
    learns: ClassVar[bool] = False
    """Whether it must see reference examples, such as the training set: see `learn`."""
    has_map: ClassVar[bool] = False
    """Whether it has a value per pixel or column: see `map`."""
    paper: ClassVar[str] = ""
    """Reference."""

    def learn(self, model: Autoencoder, batches: Batches) -> dict[str, Tensor]:
        """What `values` needs to know of the reference examples, as tensors; saved with a detector."""
        return {}

    def values(self, model: Autoencoder, x: Tensor, learned: Learned) -> Tensor:
        """The score of each example, `(N,)`.

        Args:
            model: in eval mode, float32.
            x: `(N, *input_shape)`.
            learned: what `learn` returned, float64 on the CPU.
        """
        raise NotImplementedError

    def map(self, model: Autoencoder, x: Tensor) -> Tensor | None:
        """The contribution of each value of an example, `(N, *input_shape)`.

        None for a model whose likelihood does not factorize over values.
        """
        return None

    def parts(self) -> tuple[str, ...]:
        """The parts that it needs with these settings."""
        return self.needs
