"""`Autoencoder`: what every model of the zoo can do."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.models.inputs import about_codes, about_images
from zoo.runtime import processes
from zoo.runtime.devices import FLOATS
from zoo.specs import base
from zoo.specs.info import ModelInfo

OF_VARIATIONAL = ("sample", "elbo", "log_likelihood", "log_weights", "posterior", "prior")
"""What a family without a prior lacks."""


@dataclass(frozen=True)
class Loss:
    """A loss as its terms, each a scalar tensor in nats per image, and their constant weights."""

    terms: dict[str, Tensor]
    weights: dict[str, float] = field(default_factory=dict)
    statistics: dict[str, Tensor] = field(default_factory=dict, repr=False)
    """What buffers learn from a batch without a gradient: means over its images, for `_learn`."""

    @property
    def total(self) -> Tensor:
        """Weighted sum of the terms, a scalar tensor; a term without a weight weighs 1."""
        return self.scaled({})

    def scaled(self, factors: dict[str, float]) -> Tensor:
        """The total with some weights multiplied by a factor, by name: a warm-up."""
        weighted = [
            term * (self.weights.get(name, 1.0) * factors.get(name, 1.0))
            for name, term in self.terms.items()
        ]
        return torch.stack(weighted).sum()


def full_precision(device: torch.device) -> torch.autocast:
    """Turns autocast off: log-probabilities, KL terms and sums stay float32 whatever the networks do."""
    return torch.autocast(device.type, enabled=False)


class Autoencoder(nn.Module):
    """A model that turns images into codes and codes into images.

    A family is a subclass with a `Spec`, built from one Spec, its only argument. It implements
    `_encode`, `_decode` and `_loss`, which get inputs that the public methods have checked. One
    with a `_likelihood` too, codes -> a distribution over images, has -log p(x | z) measured.

    Called as a function, a model in train mode gives its `Loss`, as torchvision's detectors do, and
    one in eval mode reconstructs: with `ddp = DistributedDataParallel(model)`, a step of training is
    `ddp(x).total.backward()`.

    The public methods check shape and dtype, and values of a tensor on the CPU: on a GPU the check
    would force a synchronization at every step, and under `torch.func.vmap` there are no values.
    """

    Spec: ClassVar[type[base.Spec]]
    own_metrics: ClassVar[Mapping[str, str]] = {}
    """Numbers that the family adds to the zoo's, by name, with their units; `_measure` gives them."""
    own_pictures: ClassVar[Mapping[str, str]] = {}
    """Pictures that the family adds to the zoo's, by name, with their captions; `_draw` gives them."""
    decoding: ClassVar[tuple[str, ...]] = ()
    """How the names of the tensors begin that `encode` does not use; training them alone keeps all codes."""
    info: ModelInfo | None = None
    """What is known of a model that was loaded or trained; None for one that was only built."""

    def __init__(self, spec: base.Spec) -> None:
        super().__init__()
        self.spec = spec

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        return next(self.parameters()).dtype

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one image's code."""
        return self.spec.latent_shape

    def encode(self, x: Tensor) -> Tensor:
        """Codes of images, deterministic: for a variational model, the posterior's mean.

        Args:
            x: `(N, C, H, W)`, floating point in [0, 1].

        Returns:
            `(N, *latent_shape)`, in the model's dtype.

        Raises:
            InputError: for another shape or dtype, and on the processor for another range.
                (A graph of `torch.compile` or `torch.export` cannot raise for a value either.)
        """
        return self._encode(self._images(x, "encode"))

    def decode(self, z: Tensor) -> Tensor:
        """The expected images of codes.

        Args:
            z: `(*batch, *latent_shape)`, floating point; any leading batch shape.

        Returns:
            `(*batch, C, H, W)`, in [0, 1].

        Raises:
            InputError: for another shape or dtype, and on the processor for values that are not
                finite.
        """
        return self._decode(self._codes(z))

    def reconstruct(self, x: Tensor) -> Tensor:
        """`decode(encode(x))`: images `(N, C, H, W)` in [0, 1] to the same shape and range."""
        return self._decode(self._encode(self._images(x, "reconstruct")))

    def forward(self, x: Tensor) -> Tensor | Loss:
        """In train mode the same as `loss`, in eval mode the same as `reconstruct`.

        So an error between `model(x)` and `x` cannot train a variational model as a plain one in
        silence: a `Loss` is not a tensor.
        """
        return self.loss(x) if self.training else self.reconstruct(x)

    def loss(self, x: Tensor) -> Loss:
        """The training loss of a batch of images `(N, C, H, W)` in [0, 1], in nats per image.

        In train mode the buffers of a family that learns them, such as a codebook, learn from it: where
        the program has connected its processes, as for DistributedDataParallel, from those of all.
        """
        return self._learned(self._loss(self._batch(x)))

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name not in OF_VARIATIONAL:
                raise
        raise AttributeError(
            f"{type(self).__name__} has no {name!r}: it is not variational, it has no prior and no "
            "posterior. A 'vae' has; this model has encode, decode and reconstruct."
        )

    def push_to_hub(self, repo_id: str, **options: Any) -> Any:
        """`zoo.push` of this model, by the name that other libraries have: its options and errors."""
        return _front_door().push(self, repo_id, **options)

    @classmethod
    def from_pretrained(cls, source: str | Path, **options: Any) -> Self:
        """`zoo.load` by the name that other libraries have: its options and errors.

        Raises InputError too, for a model that is not of this class: `Autoencoder` takes any.
        """
        model = _front_door().load(source, **options)
        if not isinstance(model, cls):
            found = f"{str(source)!r} is a {type(model).__name__}, not of class {cls.__name__}"
            raise InputError(f"{found}: zoo.load loads any.")
        return model

    def _encode(self, x: Tensor) -> Tensor:
        """Codes `(N, *latent_shape)` of checked images `(N, C, H, W)`; N may be 0."""
        raise NotImplementedError

    def _decode(self, z: Tensor) -> Tensor:
        """Images `(*batch, C, H, W)` in [0, 1] of codes `(*batch, *latent_shape)`; batch may be ()."""
        raise NotImplementedError

    def _loss(self, x: Tensor) -> Loss:
        """The terms by name, each a scalar: nats, summed over pixels and latents, mean over images."""
        raise NotImplementedError

    def _noise(self, size: int, generator: torch.Generator | None) -> Tensor:
        """What a `_loss` that takes `noise` is given: the random numbers of a whole batch, a row an image.

        Standard normal, `(size, *latent_shape)`, on the generator's device. In a training every
        process draws them all and takes the rows of its images.
        """
        device = generator.device if generator else self.device
        noise = torch.empty(size, *self.latent_shape, device=device)
        return noise.normal_(generator=generator)

    def _learn(self, statistics: Mapping[str, Tensor]) -> None:
        """Changes buffers by a loss's `statistics`: in a training those of the whole batch, after its step.

        Args:
            statistics: means over all images of the batch, whoever computed its parts.
        """

    def _learned(self, loss: Loss) -> Loss:
        """The loss, from whose statistics a model in train mode has learned."""
        if self.training and getattr(loss, "statistics", None):
            self._learn(_over_processes(loss.statistics))
        return loss

    def _measure(self, batches: Iterable[Tensor]) -> Mapping[str, float]:
        """A number for each name in `own_metrics`, of a whole split.

        Args:
            batches: gray images `(N, C, H, W)` in [0, 1], checked, in the order of the split.
        """
        return {}

    def _draw(self, x: Tensor) -> Mapping[str, Tensor]:
        """Images `(rows, columns, C, H, W)` in [0, 1] for each name in `own_pictures`.

        Args:
            x: gray images `(N, C, H, W)` in [0, 1] that the model was not trained on, checked.
        """
        return {}

    def set_output_mean(self, mean: Tensor) -> None:
        """Starts the decoder's bias where it gives the training set's mean image `(C, H, W)`.

        A family that cannot do this leaves its weights as they are.
        """

    def _images(self, x: Tensor, method: str) -> Tensor:
        """`x`, checked, on the model's device and in its dtype."""
        if not _is_float(x) or x.dim() != 4 or not self.spec.takes(tuple(x.shape[1:])):
            raise InputError(about_images(x, method, self.spec))
        if is_readable(x) and x.numel() and not (x.min() >= 0 and x.max() <= 1):
            raise InputError(about_images(x, method, self.spec))  # NaN compares false
        return x.to(device=self.device, dtype=self.dtype)

    def _batch(self, x: Tensor) -> Tensor:
        """`_images` for a loss, of which there is a mean."""
        if not len(images := self._images(x, "loss")):
            raise InputError("loss is a mean over images; got none.")
        return images

    def _codes(self, z: Tensor) -> Tensor:
        sides = len(self.latent_shape)
        if not _is_float(z) or z.dim() < sides or not self.spec.has_codes(tuple(z.shape[-sides:])):
            raise InputError(about_codes(z, self.spec))
        codes = z.to(device=self.device, dtype=self.dtype)
        if is_readable(codes) and not torch.isfinite(codes).all():  # a narrower dtype overflows
            raise InputError(about_codes(z, self.spec))
        return codes


def _over_processes(statistics: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Means over the batches of all processes that this program has connected, as DDP takes the gradient's."""
    _, count = processes.group()
    if count == 1:
        return statistics
    total = torch.cat([tensor.detach().flatten() for tensor in statistics.values()])
    torch.distributed.all_reduce(total)
    means = (total / count).split([tensor.numel() for tensor in statistics.values()])
    return {
        name: mean.view_as(statistics[name]) for name, mean in zip(statistics, means, strict=True)
    }


def _front_door() -> ModuleType:
    """The package itself, which was imported before this room: what is in it, the rooms below gave it."""
    return sys.modules[__name__.partition(".")[0]]


def _is_float(x: object) -> bool:
    return isinstance(x, torch.Tensor) and x.dtype in FLOATS


def is_readable(x: Tensor) -> bool:
    """Whether values can be checked: on the CPU, in no graph and under no transform of torch.func."""
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    return not torch._C._are_functorch_transforms_active()
