"""`Metrics`: what was measured of one model on one split of one dataset."""

from __future__ import annotations

from pydantic import Field

from zoo.protocols import Protocol
from zoo.record import OwnNumbers
from zoo.validation import Strict


class Metrics(Strict):
    """Means over images; `<name>_se` is a mean's standard error. None: not defined or not asked.

    Nats are per image, summed over pixels and latents. Lower is better, but for psnr, ssim and
    active_units.
    """

    dataset: str = Field(description="the dataset's name")
    split: str = Field(description="train, validation or test")
    protocol: Protocol = Field(description="what the model was shown: see zoo.protocols")
    n_images: int = Field(description="images behind every mean but the nll's")
    dataset_sha256: str = Field(description="of the whole split's uint8 pixels")
    seed: int = Field(description="of the posterior's draws")

    neg_elbo: float | None = Field(
        default=None, description="nats: closed-form KL plus reconstruction"
    )
    neg_elbo_se: float | None = None
    reconstruction: float | None = Field(
        default=None, description="nats: -log p(x | z), z drawn once"
    )
    reconstruction_se: float | None = None
    kl: float | None = Field(default=None, description="nats: KL of the posterior to the prior")
    kl_se: float | None = None
    nll: float | None = Field(default=None, description="nats: minus the importance-weighted bound")
    nll_se: float | None = None
    nll_samples: int | None = Field(default=None, description="K of that bound")
    nll_n_images: int | None = Field(
        default=None, description="images behind the nll: the first ones"
    )
    bits_per_dim: float | None = Field(default=None, description="neg_elbo in bits per pixel value")
    bits_per_dim_se: float | None = None
    active_units: int | None = Field(
        default=None,
        description="latents whose posterior mean varies by more than 0.01 (Burda et al. 2016)",
    )
    mse: float | None = Field(
        default=None, description="squared error per pixel value, of grey images"
    )
    mse_se: float | None = None
    psnr: float | None = Field(default=None, description="dB, per image, of grey images")
    psnr_se: float | None = None
    ssim: float | None = Field(
        default=None, description="11x11 Gaussian window, sigma 1.5, grey images"
    )
    ssim_se: float | None = None
    bce_plus_kl: float | None = Field(
        default=None,
        description="nats: cross-entropy against grey levels plus KL; not a likelihood",
    )
    bce_plus_kl_se: float | None = None
    own: OwnNumbers = Field(default={}, description="the family's own, each with its unit")
