"""`Autoencoder`: the interface of every model."""

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
from zoo.likelihoods.fitting import accepts_missing, likelihood_of
from zoo.models.inputs import invalid_codes, invalid_inputs
from zoo.models.loss import Batch, Loss
from zoo.models.objectives import objective_for
from zoo.models.primitives import Primitives, parts_of
from zoo.models.standardization import Restored
from zoo.runtime import processes
from zoo.runtime.devices import FLOATS
from zoo.specs.base import Spec
from zoo.specs.info import ModelInfo
from zoo.specs.objectives import Gradient, ObjectiveSettings

OF_VARIATIONAL = ("sample", "elbo", "log_likelihood", "posterior", "prior")
"""Methods of variational families only."""


class Autoencoder(Primitives):
    """A model that turns examples into codes and codes into examples.

    A family is a subclass with a `Spec`, whose constructor takes a Spec only. It implements `_encode`
    and either `_decode` or, to define -log p(x | z), `_likelihood`; these get values that the public
    methods have checked. Its default objective follows from the methods that it implements (see
    `zoo.models.objectives`), or it implements its own `_loss`.

    Calling a model returns its `Loss` in train mode, like torchvision's detectors, and
    reconstructions in eval mode: with `ddp = DistributedDataParallel(model)`, a training step is
    `ddp(x).total.backward()`.

    Examples are images `(N, C, H, W)` in [0, 1], or rows `(N, D)` or series `(N, C, L)` in the user's
    units, which the model standardizes: float64 keeps all digits of a timestamp. The public methods
    check shape and dtype, and on the CPU also values: on a GPU the check would force a
    synchronization at every step, and under `torch.func.vmap` values are not available.
    """

    own_metrics: ClassVar[Mapping[str, str]] = {}
    """Metrics that the family adds to the built-in ones, by name, with their units: see `_measure`."""
    own_pictures: ClassVar[Mapping[str, str]] = {}
    """Pictures that the family adds to the built-in ones, by name, with captions: see `_draw`."""
    decoding: ClassVar[tuple[str, ...]] = ()
    """Name prefixes of decoder-only tensors; training just these leaves codes unchanged."""
    info: ModelInfo | None = None
    """Metadata of a loaded or trained model; None for one that was only built."""

    def encode(self, x: Tensor) -> Tensor:
        """Codes of examples, deterministic: for a variational model, the posterior mean.

        Args:
            x: `(N, *input_shape)`, floating point: images in [0, 1]; rows or series, finite, or NaN where
                the Spec's likelihood accepts missing values.

        Returns:
            `(N, *latent_shape)`, in the model's dtype.

        Raises:
            InputError: for a wrong shape or dtype, and on the CPU for invalid values (except in graphs
                of `torch.compile` or `torch.export`).
        """
        return self._encode(self._inputs(x, "encode"))

    def decode(self, z: Tensor) -> Tensor:
        """The expected examples of codes.

        Args:
            z: `(*batch, *latent_shape)`, floating point; any batch shape.

        Returns:
            `(*batch, *input_shape)`: images in [0, 1]; rows and series in the user's units, float64.

        Raises:
            InputError: for a wrong shape or dtype, and on the CPU for non-finite values.
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
            raise InputError(f"{type(self).__name__} has no likelihood; use decode.")
        likelihood = self._likelihood(self._codes(z))
        return Restored(likelihood, self.standardization) if self.standardization else likelihood

    def forward(self, x: Tensor) -> Tensor | Loss:
        """`loss(x)` in train mode, `reconstruct(x)` in eval mode.

        A `Loss` is not a tensor, so training on an error between `model(x)` and `x` fails instead of
        silently ignoring a variational model's KL.
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

        In train mode it also updates learned buffers, such as a codebook; in a process group, as for
        DistributedDataParallel, from the batches of all processes.

        Args:
            x: examples, as for `encode`.
            target: what to reconstruct; None is `x` itself.
            objective: from `zoo.specs.objectives`: `ELBO()`, `IWAE(samples=K)`, ...; None is the
                family's default.
            gradient: the gradient estimator: `"reparameterized"`; for the ELBO also `"stl"` (sticking
                the landing, Roeder et al. 2017, eq. 8) and for the importance-weighted bound `"dreg"`
                (doubly reparameterized, Tucker et al. 2019, eq. 8), which have less variance.

        Raises:
            InputError: as for `encode`, for an empty batch, for a target of another shape, for an
                objective or a gradient that is not
                supported, and, in a process group, for one that couples the examples of a batch
                (free bits, total correlation).
        """
        inputs = self._inputs(x, "loss")
        if not len(inputs):
            raise InputError(f"loss is a mean over {self.spec.domain.nouns}; got an empty batch.")
        batch = Batch(inputs, inputs if target is None else self._inputs(target, "loss"))
        if batch.target.shape != inputs.shape:
            raise InputError(
                f"target must have the shape of x, {tuple(x.shape)}; got {tuple(batch.target.shape)}."
            )
        chosen = objective_for(self, objective, gradient)
        if self.training and processes.group()[1] > 1 and (why := chosen.settings.coupling()):
            raise InputError(
                f"This loss cannot be split over a process group: {why}. Train in one process."
            )
        code = self.spec.code_shape(tuple(inputs.shape[1:]))
        loss = chosen.loss(self, batch, chosen.noise(self, code, len(batch)))
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
        missing = [part for part in ("prior", "posterior", "likelihood") if part not in parts]
        raise AttributeError(
            f"{type(self).__name__} has no {name!r}: it is not variational and has no "
            f"{' and no '.join(missing)}. Use encode, decode and reconstruct, or a family such as 'vae'."
        )

    def push_to_hub(self, repo_id: str, **options: Any) -> Any:
        """`zoo.push` under the method name common in other libraries; same options and errors."""
        return _root_package().push(self, repo_id, **options)

    @classmethod
    def from_pretrained(cls, source: str | Path, **options: Any) -> Self:
        """`zoo.load` under the method name common in other libraries; same options and errors.

        Also raises InputError for a model that is not an instance of this class.
        """
        model = _root_package().load(source, **options)
        if not isinstance(model, cls):
            found = f"{str(source)!r} is of class {type(model).__name__}, not {cls.__name__}"
            raise InputError(f"{found}; zoo.load loads any model.")
        return model

    def _measure(self, batches: Iterable[Tensor]) -> Mapping[str, float]:
        """A value for each name in `own_metrics`, over a whole split.

        Args:
            batches: examples `(N, *input_shape)` as given by `standardized`, in the order of the split.
        """
        return {}

    def _draw(self, x: Tensor) -> Mapping[str, Tensor]:
        """Images `(rows, columns, C, H, W)` in [0, 1] for each name in `own_pictures`.

        Args:
            x: held-out examples `(N, *input_shape)` as given by `standardized`.
        """
        return {}

    def set_output_mean(self, mean: Tensor) -> None:
        """Initializes the decoder's bias so that it outputs the training set's mean, of shape `input_shape`.

        The mean of rows and series, which are standardized, is 0. The default does nothing.
        """

    def _inputs(self, x: Tensor, method: str) -> Tensor:
        """`standardized(x)`, after checking `x`."""
        spec = self.spec
        fits = _is_float(x) and x.dim() == len(spec.input_shape) + 1
        if not fits or not spec.takes(tuple(x.shape[1:])):
            raise InputError(invalid_inputs(x, method, spec))
        if is_readable(x) and x.numel() and not _has_range(x, spec):
            raise InputError(invalid_inputs(x, method, spec))
        return self.standardized(x)

    def _restored(self, x: Tensor) -> Tensor:
        """Outputs of `_decode` in the user's units."""
        return x if self.standardization is None else self.standardization.restore(x)

    def _codes(self, z: Tensor) -> Tensor:
        sides = len(self.latent_shape)
        if not _is_float(z) or z.dim() < sides or not self.spec.has_codes(tuple(z.shape[-sides:])):
            raise InputError(invalid_codes(z, self.spec))
        codes = z.to(device=self.device, dtype=self.dtype)
        if is_readable(codes) and not torch.isfinite(codes).all():  # a narrower dtype overflows
            raise InputError(invalid_codes(z, self.spec))
        return codes


def _over_processes(statistics: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Means over the batches of all processes of the group, as DDP averages gradients."""
    _, count = processes.group()
    if count == 1:
        return statistics
    total = torch.cat([tensor.detach().flatten() for tensor in statistics.values()])
    torch.distributed.all_reduce(total)
    means = (total / count).split([tensor.numel() for tensor in statistics.values()])
    return {
        name: mean.view_as(statistics[name]) for name, mean in zip(statistics, means, strict=True)
    }


def _root_package() -> ModuleType:
    """The `zoo` package, which is imported before this module; a direct import would be circular."""
    return sys.modules[__name__.partition(".")[0]]


def _has_range(x: Tensor, spec: Spec) -> bool:
    """Whether images are in [0, 1], or rows and series what the Spec's likelihood takes.

    They are finite, but for NaN where it is a missing value. NaN compares false.
    """
    if spec.domain.is_image:
        return bool(x.min() >= 0 and x.max() <= 1)
    wrong = torch.isinf(x) if accepts_missing(spec) else ~torch.isfinite(x)
    likelihood = likelihood_of(spec)
    return not wrong.any() and not (likelihood and likelihood.invalid(x, spec.input_shape))


def _is_float(x: object) -> bool:
    return isinstance(x, torch.Tensor) and x.dtype in FLOATS


def is_readable(x: Tensor) -> bool:
    """Whether values can be checked: on the CPU, outside graphs and torch.func transforms."""
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    return not torch._C._are_functorch_transforms_active()
