"""What a variational training minimises, by name. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zoo.specs.validation import Strict


class ELBO(Strict):
    """The negative evidence lower bound: reconstruction plus KL, each with the Spec's weight."""

    kind: Literal["elbo"] = "elbo"
    free_bits: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="nats below which the KL of a group of latents, as a mean over the batch, is not "
        "lowered further (Kingma et al. 2016, eq. 15)",
    )


class IWAE(Strict):
    """The importance-weighted bound, with its sign turned (Burda et al. 2016, eq. 8)."""

    kind: Literal["iwae"] = "iwae"
    samples: int = Field(
        default=5, ge=1, le=10_000, description="draws K of each image's posterior"
    )


Objective = Annotated[ELBO | IWAE, Field(discriminator="kind")]
