"""The Spec of `vq-vae`. No torch here."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from zoo.likelihoods.field import AnyLikelihood
from zoo.specs.base import Spec
from zoo.specs.parts import GridBody


class VQVAESpec(Spec):
    """A VQ-VAE: a code is a grid of codebook vectors (van den Oord et al. 2017)."""

    parts: ClassVar = ("code", "likelihood")

    latent_dim: Annotated[int, Field(ge=1, le=1024)] = Field(
        description="dimension of a codebook vector"
    )
    codes: int = Field(default=128, ge=2, le=65_536, description="size of the codebook")
    body: GridBody = Field(
        default=GridBody(), description="the convolutions of encoder and decoder"
    )
    likelihood: AnyLikelihood
    commitment: float = Field(
        default=0.25,
        ge=0.0,
        le=1000.0,
        description="weight of the commitment loss: the paper's beta",
    )

    @property
    def loss_weights(self) -> dict[str, float]:
        return {"commitment": self.commitment}

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        return (self.latent_dim, *self.body.sizes(*self.input_shape[1:])[-1])

    @model_validator(mode="after")
    def _body_fits_the_image(self):
        self.body.check_fits(*self.input_shape[1:])
        return self
