"""`Likelihood`: base class of p(x | z). torch is imported in methods only."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from zoo.plugins.kinds import kind_of
from zoo.specs.domains import Kind, domain_of
from zoo.specs.protocols import Protocol
from zoo.specs.validation import Strict

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributions import Distribution


class Likelihood(Strict):
    """p(x | z): maps decoder outputs to a distribution over examples.

    A subclass defines everything about one likelihood. Its fields are the settings written in Specs
    and recipes as `likelihood = {kind = "laplace", scale = 0.5}`; its methods import torch locally,
    never at the top of the file, so that listing and parsing stay fast:

        @zoo.register_likelihood
        class Laplace(zoo.Likelihood):
            kind: Literal["laplace"] = "laplace"
            scale: float = Field(default=1.0, gt=0)
            domains = ("vector", "series")

            def distribution(self, outputs, shape, **parameters):
                from torch.distributions import Independent, Laplace

                each = Laplace(outputs, self.scale, validate_args=False)
                return Independent(each, len(shape), validate_args=False)

    Below, `shape` is the shape of one example, `(D,)`, `(C, L)` or `(C, H, W)`, and `(*batch,)` is any
    batch shape. Tensors are float32. Images are in [0, 1]; vectors and series are standardized: mean
    0 and variance 1 in each column or channel of the training data.

    For compression a likelihood of levels has an integer form besides: `zoo.integers.likelihoods.Levels`,
    given to it by `zoo.register_exact`.
    """

    domains: ClassVar[tuple[Kind, ...]] = ("image",)
    """Supported domains: "vector", "series", "image"."""
    protocols: ClassVar[tuple[Protocol, ...]] = ("real",)
    """Valid protocols for images, the default first; vectors and series always use "real"."""

    def outputs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the decoder's output for one example; by default one number per value."""
        return shape

    def parameters(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Learned parameters besides the decoder's outputs, by name, at their initial values; none by default.

        Each is saved with the model as the tensor `likelihood_head.NAME`.
        """
        return {}

    def inputs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of what the encoder sees of one example, of the same rank; by default the example's.

        `features` makes it. `ae`, `vae`, `beta-tc-vae` and `factor-vae` build their encoders from it.
        """
        return shape

    def features(self, x: Tensor, shape: tuple[int, ...], **constants: Tensor) -> Tensor:
        """What the encoder sees of examples `(N, *shape)`: `(N, *self.inputs(shape))`; by default `x`.

        Vectors and series are standardized; `constants` are by name, on the model's device.
        """
        return x

    def standardized(self, shape: tuple[int, ...]) -> tuple[bool, ...] | None:
        """Which columns of a vector, or channels of a series, the model standardizes; None is all of them.

        The others, such as codes of categories, are seen and given back as they are.
        """
        return None

    @property
    def accepts_missing(self) -> bool:
        """Whether NaN in an example is a missing value, which the distribution leaves out.

        If so, `features` and `log_prob` must accept NaN.
        """
        return False

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises ValueError for settings that do not fit examples of this shape; a Spec's problem."""

    def invalid(self, x: Tensor, shape: tuple[int, ...]) -> tuple[tuple[int, ...], str] | None:
        """The index of a value of examples `(N, *shape)` outside the distribution's support, and why.

        Such as `(3, 0), "column 0 is binary, 0 or 1"`; None if there is none. Called on the CPU, with
        values as users give them, finite or missing.
        """
        return None

    def constants(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Fixed tensors by name, such as indices, which move with the model and are not saved.

        `distribution` gets them among its parameters, and `features` too.
        """
        return {}

    def distribution(
        self, outputs: Tensor, shape: tuple[int, ...], **parameters: Tensor
    ) -> Distribution:
        """The distribution over examples.

        Args:
            outputs: decoder outputs, `(*batch, *self.outputs(shape))`.
            shape: shape of one example.
            parameters: the learned parameters by name, float32, and the constants.

        Returns:
            A distribution with batch shape `(*batch,)` and event shape `shape`, without argument
            validation: `log_prob(x)` in nats, `mean`, which is the reconstruction, and `sample()`.
        """
        raise NotImplementedError

    def outputs_for(self, mean: Tensor) -> Tensor:
        """Decoder outputs `self.outputs(shape)` whose mean is close to `mean`, of shape `shape`.

        Required only by a recipe's `output_bias = "training-mean"`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not implement outputs_for, which output_bias requires"
        )

    def fitting(self, shape: tuple[int, ...]) -> tuple[Protocol, ...]:
        """Valid protocols for examples of this shape, the default first."""
        return self.protocols if domain_of(shape).is_image else ("real",)

    @classmethod
    def name(cls) -> str:
        """Its `kind`; empty for a class without one."""
        return kind_of(cls)
