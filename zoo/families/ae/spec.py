"""The Spec of `ae`, and the base class of Specs with vector codes. No torch here."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from zoo.likelihoods.field import AnyLikelihood
from zoo.specs.base import Spec
from zoo.specs.domains import KINDS, Kind
from zoo.specs.parts import Body, ConvBody, MLPBody, Width


class VectorSpec(Spec):
    """Base of Specs with a vector code, a body and a likelihood."""

    domains: ClassVar[tuple[Kind, ...]] = KINDS
    latent_dim: Width = Field(description="dimension of the code")
    body: Body = Field(default=MLPBody(), description="the layers of encoder and decoder")
    likelihood: AnyLikelihood

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return (self.latent_dim,)

    @model_validator(mode="after")
    def _body_fits(self):
        if isinstance(self.body, ConvBody):
            if not self.domain.is_image:
                raise ValueError(
                    "a conv body supports images only; for series and rows use body = {kind = 'mlp'}"
                )
            self.body.check_fits(*self.input_shape[1:])
        return self


class AESpec(VectorSpec):
    """An autoencoder: example -> code -> example."""

    parts: ClassVar = ("code", "likelihood")

    latent_activation: Literal["identity", "relu", "tanh"] = Field(
        default="identity", description="activation applied to the code"
    )
