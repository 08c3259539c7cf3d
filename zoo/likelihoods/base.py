"""`Likelihood`: how an example is scored given its code. No torch until a method is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from zoo.specs.domains import Kind, domain_of
from zoo.specs.protocols import Protocol
from zoo.specs.validation import Strict

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributions import Distribution


class Likelihood(Strict):
    """p(x | z): from what a decoder gives to a distribution over examples.

    A subclass is everything about one likelihood. Its fields are the settings that a Spec and a
    recipe write as `likelihood = {kind = "laplace", scale = 0.5}`; its methods import torch when
    they are called, never at the top of the file, so that listing and parsing stay fast:

        @zoo.register_likelihood
        class Laplace(zoo.Likelihood):
            kind: Literal["laplace"] = "laplace"
            scale: float = Field(default=1.0, gt=0)
            domains = ("vector", "series")

            def distribution(self, outputs, shape, **parameters):
                from torch.distributions import Independent, Laplace

                each = Laplace(outputs, self.scale, validate_args=False)
                return Independent(each, len(shape), validate_args=False)

    Shapes below: `shape` is that of one example, `(D,)`, `(C, L)` or `(C, H, W)`; `(*batch,)` is any
    number of dimensions, for one code an example or many. Tensors are float32. Values of images are
    in [0, 1]; those of vectors and series are standardized: mean 0 and variance 1 in each column or
    channel of the training data.

    A discrete likelihood will also give `masses`, the probability of each level of a value given
    the values before it, by which a model compresses. Leave that name free.
    """

    domains: ClassVar[tuple[Kind, ...]] = ("image",)
    """What it is a distribution over: "vector", "series", "image"."""
    protocols: ClassVar[tuple[Protocol, ...]] = ("real",)
    """Protocols of images under which its scores mean something, its own first; vectors and series
    have "real" alone."""

    def outputs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of what a decoder gives for one example: by default one number per value."""
        return shape

    def parameters(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Parameters that are learned and no decoder gives, by name, at their initial values.

        A model holds them, so each becomes the tensor `likelihood_head.NAME` of its weights. None by default.
        """
        return {}

    def distribution(
        self, outputs: Tensor, shape: tuple[int, ...], **parameters: Tensor
    ) -> Distribution:
        """The distribution over examples.

        Args:
            outputs: what a decoder gives, `(*batch, *self.outputs(shape))`.
            shape: of one example.
            parameters: the learned ones, by name, as float32.

        Returns:
            A distribution with batch shape `(*batch,)` and event shape `shape`, without argument
            validation: `log_prob(x)` in nats, `mean`, which is the reconstruction, and `sample()`.
        """
        raise NotImplementedError

    def outputs_for(self, mean: Tensor) -> Tensor:
        """Decoder outputs `self.outputs(shape)` whose expected example is `mean`, of shape `shape`, or near it.

        Needed for a recipe's `output_bias = "training-mean"` alone.
        """
        raise NotImplementedError(f"{type(self).__name__} has no outputs_for, as output_bias needs")

    def fitting(self, shape: tuple[int, ...]) -> tuple[Protocol, ...]:
        """Protocols for examples of that shape, its own first."""
        return self.protocols if domain_of(shape).is_image else ("real",)

    @classmethod
    def name(cls) -> str:
        """Its kind; empty for a class without one."""
        kind = cls.model_fields.get("kind")
        return str(kind.default) if kind else ""
