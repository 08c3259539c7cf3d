"""`Autoencoder`: what every model of the zoo can do."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.distributions import Distribution

from zoo.errors import InputError
from zoo.models.inputs import about_codes, about_inputs
from zoo.models.loss import Batch, Loss
from zoo.models.objectives import objective_for
from zoo.models.primitives import Primitives, parts_of
from zoo.models.standardization import Restored
from zoo.runtime import processes
from zoo.runtime.devices import FLOATS
from zoo.specs.info import ModelInfo
from zoo.specs.objectives import Gradient, ObjectiveSettings

OF_VARIATIONAL = ("sample", "elbo", "log_likelihood", "posterior", "prior")
"""What a family without a prior lacks."""


class Autoencoder(Primitives):
    """A model that turns examples into codes and codes into examples.

    A family is a subclass with a `Spec`, built from one Spec, its only argument. It implements
    `_encode` and `_decode`, or `_likelihood` in place of `_decode`, where -log p(x | z) can be
    measured; they get values that the public methods have checked. What it is trained on follows
    from these: see `zoo.models.objectives`; or it implements a `_loss` of its own.

    Called as a function, a model in train mode gives its `Loss`, as torchvision's detectors do, and
    one in eval mode reconstructs: with `ddp = DistributedDataParallel(model)`, a step of training is
    `ddp(x).total.backward()`.

    Examples are images `(N, C, H, W)` in [0, 1]; or rows `(N, D)` or series `(N, C, L)` in the user's
    own units, which the model standardizes: float64 keeps all digits of a timestamp. The public
    methods check shape and dtype, and values of a tensor on the CPU: on a GPU the check would force
    a synchronization at every step, and under `torch.func.vmap` there are no values.
    """

    own_metrics: ClassVar[Mapping[str, str]] = {}
    """Numbers that the family adds to the zoo's, by name, with their units; `_measure` gives them."""
    own_pictures: ClassVar[Mapping[str, str]] = {}
    """Pictures that the family adds to the zoo's, by name, with their captions; `_draw` gives them."""
    decoding: ClassVar[tuple[str, ...]] = ()
    """How the names of the tensors begin that `encode` does not use; training them alone keeps all codes."""
    info: ModelInfo | None = None
    """What is known of a model that was loaded or trained; None for one that was only built."""

    def encode(self, x: Tensor) -> Tensor:
        """Codes of examples, deterministic: for a variational model, the posterior's mean.

        Args:
            x: `(N, *input_shape)`: images, floating point in [0, 1]; rows or series, finite.

        Returns:
            `(N, *latent_shape)`, in the model's dtype.

        Raises:
            InputError: for another shape or dtype, and on the CPU for other values.
                (A graph of `torch.compile` or `torch.export` cannot raise for a value either.)
        """
        return self._encode(self._inputs(x, "encode"))

    def decode(self, z: Tensor) -> Tensor:
        """The expected examples of codes.

        Args:
            z: `(*batch, *latent_shape)`, floating point; any leading batch shape.

        Returns:
            `(*batch, *input_shape)`: images in [0, 1]; rows and series in the user's units, float64.

        Raises:
            InputError: for another shape or dtype, and on the CPU for values that are not finite.
        """
        return self._restored(self._decode(self._codes(z)))

    def reconstruct(self, x: Tensor) -> Tensor:
        """`decode(encode(x))`: `(N, *input_shape)` to the same shape and range."""
        return self._restored(self._decode(self._encode(self._inputs(x, "reconstruct"))))

    def likelihood(self, z: Tensor) -> Distribution:
        """p(x | z): batch `(*batch,)`, event `input_shape`, for codes `(*batch, *latent_shape)`.

        Raises InputError for a family without a likelihood.
        """
        if "likelihood" not in parts_of(type(self)):
            raise InputError(f"{type(self).__name__} has no likelihood: only decode.")
        likelihood = self._likelihood(self._codes(z))
        return Restored(likelihood, self.standardization) if self.standardization else likelihood

    def forward(self, x: Tensor) -> Tensor | Loss:
        """In train mode the same as `loss`, in eval mode the same as `reconstruct`.

        So an error between `model(x)` and `x` cannot train a variational model as a plain one in
        silence: a `Loss` is not a tensor.
        """
        return self.loss(x) if self.training else self.reconstruct(x)

    def loss(
        self,
        x: Tensor,
        target: Tensor | None = None,
        *,
        objective: ObjectiveSettings | None = None,
        gradient: Gradient = "reparameterized",
    ) -> Loss:
        """The training loss of a batch of examples `(N, *input_shape)`, in nats.

        In train mode the buffers of a family that learns them, such as a codebook, learn from it: where
        the program has connected its processes, as for DistributedDataParallel, from those of all.

        Args:
            x: examples, as `encode` takes them.
            target: what the model is to give back; None is `x` itself.
            objective: what is minimized, from `zoo.specs.objectives`: `ELBO()`, `IWAE(samples=K)`, ...;
                None is the family's own.
            gradient: the gradient estimator: `"reparameterized"`; for the ELBO also `"stl"` (sticking
                the landing, Roeder et al. 2017, eq. 8) and for the importance-weighted bound `"dreg"`
                (doubly reparameterized, Tucker et al. 2019, eq. 8), which have less variance.

        Raises:
            InputError: as `encode`, for no examples at all, for an objective that the family cannot
                be trained on, and for a gradient that is not one of the objective's.
        """
        inputs = self._inputs(x, "loss")
        if not len(inputs):
            raise InputError(f"loss is a mean over {self.spec.domain.nouns}; got none.")
        batch = Batch(inputs, inputs if target is None else self._inputs(target, "loss"))
        chosen = objective_for(self, objective, gradient)
        loss = chosen.loss(
            self,
            batch,
            chosen.noise(self, self.spec.code_shape(tuple(inputs.shape[1:])), len(batch)),
        )
        if self.training and loss.statistics:
            self._learn(_over_processes(loss.statistics))
        return loss

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name not in OF_VARIATIONAL:
                raise
        parts = parts_of(type(self))
        lacks = [part for part in ("prior", "posterior", "likelihood") if part not in parts]
        raise AttributeError(
            f"{type(self).__name__} has no {name!r}: it is not variational, it has no "
            f"{' and no '.join(lacks)}. A 'vae' has; this model has encode, decode and reconstruct."
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

    def _measure(self, batches: Iterable[Tensor]) -> Mapping[str, float]:
        """A number for each name in `own_metrics`, of a whole split.

        Args:
            batches: examples `(N, *input_shape)` as the model computes on them, in the order of the split.
        """
        return {}

    def _draw(self, x: Tensor) -> Mapping[str, Tensor]:
        """Images `(rows, columns, C, H, W)` in [0, 1] for each name in `own_pictures`.

        Args:
            x: examples `(N, *input_shape)` as the model computes on them, that it was not trained on.
        """
        return {}

    def set_output_mean(self, mean: Tensor) -> None:
        """Starts the decoder's bias where it gives the training set's mean, of shape `input_shape`.

        Of rows and series, which are standardized, that is 0. A family that cannot do this leaves its
        weights as they are.
        """

    def _inputs(self, x: Tensor, method: str) -> Tensor:
        """`x`, checked, as the model computes on it: see `standardized`."""
        spec = self.spec
        fits = _is_float(x) and x.dim() == len(spec.input_shape) + 1
        if not fits or not spec.takes(tuple(x.shape[1:])):
            raise InputError(about_inputs(x, method, spec))
        if is_readable(x) and x.numel() and not _has_range(x, spec.domain.is_image):
            raise InputError(about_inputs(x, method, spec))
        return self.standardized(x)

    def _restored(self, x: Tensor) -> Tensor:
        """Values of `_decode` in the user's units."""
        return x if self.standardization is None else self.standardization.restore(x)

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
    """The package itself, which was imported before this room: it has what the rooms below define."""
    return sys.modules[__name__.partition(".")[0]]


def _has_range(x: Tensor, is_image: bool) -> bool:
    """Whether values are in [0, 1], or, of rows and series, finite. NaN compares false."""
    if is_image:
        return bool(x.min() >= 0 and x.max() <= 1)
    return bool(torch.isfinite(x).all())


def _is_float(x: object) -> bool:
    return isinstance(x, torch.Tensor) and x.dtype in FLOATS


def is_readable(x: Tensor) -> bool:
    """Whether values can be checked: on the CPU, in no graph and under no transform of torch.func."""
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    return not torch._C._are_functorch_transforms_active()
