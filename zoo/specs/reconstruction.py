"""Reconstruction protocols: every setting that a reconstruction metric depends on, with an identity.

Two values of a metric compare if protocol and images are identical. Published values rarely compare:
crops, resamplers and rounding differ, or SSIM uses a range of 2 on images in [0, 1]. No torch here.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field

from zoo.errors import InputError, did_you_mean
from zoo.io.digests import identity_of
from zoo.specs.data import Transform
from zoo.specs.domains import Domain
from zoo.specs.ground import Ground
from zoo.specs.validation import Strict, checked, listed

Size = Annotated[int, Field(ge=8, le=4096)]
Tile = Annotated[int, Field(ge=64, le=4096)]
SCORING = ("mse", "psnr-at-most-100", "ssim-gaussian-11-1.5-valid", "range-1")
"""Definitions of mse, psnr and ssim, hashed into identities: values in [0, 1]; PSNR per image, at most
100 dB; SSIM with a Gaussian window of 11 pixels and sigma 1.5, no padding, mean over channels."""


class ReconstructionProtocol(Strict):
    """How an image is preprocessed for a model, and how its reconstruction is scored against the result."""

    resize: Literal["off"] | Size = Field(
        default="off", description="length of the shorter side in pixels; antialiased, by Pillow"
    )
    resampler: Literal["bicubic", "bilinear", "lanczos", "box", "nearest"] = "bicubic"
    crop: Literal["off"] | Size = Field(default="off", description="side of a square center crop")
    pad: Literal["off", "reflect"] = Field(
        default="off",
        description="pad right and bottom to the next multiple of the model's stride; the padding is "
        "not scored",
    )
    tile: Literal["off"] | Tile = Field(
        default="off",
        description="side in pixels of tiles that are encoded and decoded separately, which bounds "
        "memory and changes values near seams",
    )
    color: Literal["auto", "rgb", "gray"] = Field(
        default="auto", description="channels of every image; auto: those of the model"
    )
    code: Literal["mean"] = Field(default="mean", description="posterior mean, never a sample")
    rounding: Literal["uint8", "off"] = Field(
        default="uint8",
        description="round reconstructions to 256 levels, as in a file",
    )

    def for_channels(self, channels: int) -> ReconstructionProtocol:
        """The protocol with `color = "auto"` resolved for a model's number of channels."""
        color = {1: "gray", 3: "rgb"}.get(channels)
        if self.color != "auto" or color is None:
            return self
        return self.model_copy(update={"color": color})

    @property
    def identity(self) -> str:
        """Eight hex digits that identify the settings and the definitions of mse, psnr and ssim.

        Values are hashed in this order; field names are not, so they may be reworded.
        """
        settings = (self.resize, self.resampler, self.crop, self.pad, self.tile, self.color)
        all_of_it = [*SCORING, *settings, self.code, self.rounding]
        return identity_of(all_of_it)

    @property
    def title(self) -> str:
        """Its name, the settings that differ from it, and its identity."""
        return f"{self.words} [{self.identity}]"

    @property
    def cropped(self) -> tuple[int, int, int]:
        """Shape of every image after the crop; 1 x 1 without a crop."""
        side = 1 if self.crop == "off" else self.crop
        return 1 if self.color == "gray" else 3, side, side

    @property
    def transform(self) -> Transform:
        """Resize and crop as a recipe's transform."""
        crop = "off" if self.crop == "off" else "center"
        return Transform(resize=self.resize, resampler=self.resampler, crop=crop)

    @property
    def words(self) -> str:
        """The form that `parse_protocol` reads."""
        if self.crop != "off" and self.resize == self.crop:
            name, base = f"center-{self.crop}", _named(f"center-{self.crop}")
        else:
            name = "whole" if self.pad == "reflect" else "native"
            base = _named(name)
        own, usual = self.model_dump(), base.model_dump()
        return ":".join([name, *(f"{k}={v}" for k, v in own.items() if v != usual[k])])


NAMES = ("native", "whole", "center-N")
"""`native`: unchanged images, of a size divisible by the stride. `whole`: padded to a multiple of it.
`center-256`: shorter side resized to 256, then center-cropped."""


def native(channels: int) -> ReconstructionProtocol:
    """The protocol of unchanged images, used for `mse`, `psnr` and `ssim` in metrics.json."""
    return ReconstructionProtocol().for_channels(channels)


def reconstruction_identity(domain: Domain) -> str:
    """Identity of the definitions of `mse`, `psnr` and `ssim` for a domain."""
    if domain.is_image:
        return native(domain.shape[0]).identity
    settings = ("mse", "per-column-variance-of-the-split")
    return identity_of(settings)


def _named(name: str) -> ReconstructionProtocol:
    if match := re.fullmatch(r"center-(\d{1,4})", name):
        side = int(match[1])
        return ReconstructionProtocol(resize=side, crop=side)
    return ReconstructionProtocol(pad="reflect" if name == "whole" else "off")


def is_reconstruction(protocol: str) -> bool:
    """Whether a protocol's name starts like a reconstruction protocol's."""
    return protocol.startswith(("native", "whole", "center"))


def parse_protocol(text: str) -> ReconstructionProtocol:
    """A protocol from its name and changed settings: `center-256:resampler=lanczos:rounding=off`.

    Raises InputError for an unknown name, and for unknown or invalid settings.
    """
    name, *changes = text.split(":")
    if name not in ("native", "whole") and not re.fullmatch(r"center-\d{1,4}", name):
        names = [one.replace("N", re.sub(r"\D", "", name) or "N") for one in NAMES]  # its own size
        raise InputError(
            f"Unknown reconstruction protocol {name[:60]!r}.{did_you_mean(name, names)} "
            "Known: native (unchanged images), whole (padded to the model's stride) and "
            "center-N, such as center-256."
        )
    try:
        fields: dict[str, Any] = _named(name).model_dump()
    except ValueError:
        raise InputError(f"{name!r}: sizes range from 8 to 4096.") from None
    for change in changes:
        key, is_set, value = change.partition("=")
        if not is_set:
            raise InputError(f"{change[:60]!r} is not a setting: write name=value.")
        fields[key] = int(value) if value.isdigit() else value
    protocol, problems = checked(ReconstructionProtocol, fields)
    if protocol is None:
        raise InputError(listed(f"The protocol {text[:200]!r}", problems), problems=problems)
    return protocol


ExtractorKind = Literal["model", "lpips", "inception"]
TITLES: dict[ExtractorKind, tuple[str, str]] = {
    "model": ("feature distance", "Frechet distance"),
    "lpips": ("LPIPS", ""),
    "inception": ("Inception distance", "rFID"),
}
"""Names of an extractor's distances: per image pair, and between the sets of images."""
DECLARED = " (declared)"
"""Suffix for an extractor whose weights come from a file that the user declared to be the original."""


class Reconstructions(Strict):
    """Metrics of a model's reconstructions; `<name>_se` is the standard error of a mean."""

    model: str
    family: str
    weights_sha256: str
    dataset: str
    split: str
    protocol: ReconstructionProtocol
    protocol_id: str = Field(description="identity of the protocol")
    n_examples: int
    n_distinct: int = Field(description="number of distinct images")
    n_small: int = Field(
        default=0,
        description="images below 11 pixels, too small for SSIM, which is None if any exist",
    )
    images_sha256: str = Field(description="hash of the preprocessed images, in order")
    mse: float
    mse_se: float | None = Field(description="None for a single image, here and below")
    psnr: float = Field(description="dB, higher is better")
    psnr_se: float | None
    ssim: float | None = Field(description="higher is better; None if an image is below 11 pixels")
    ssim_se: float | None
    extractor: str | None = Field(default=None, description="feature extractor of the distances")
    extractor_kind: ExtractorKind | None = Field(
        default=None,
        description="LPIPS and rFID name the distances of their own networks only",
    )
    extractor_sha256: str | None = Field(default=None, description="hash of its weights")
    feature_distance: float | None = Field(
        default=None,
        description="between image and reconstruction: LPIPS, or squared feature distance",
    )
    feature_distance_se: float | None = None
    frechet_distance: float | None = Field(
        default=None,
        description="between the features of all images and all reconstructions; with FID's network, "
        "rFID with these images as reference",
    )
    values_per_pixel: float = Field(description="code values per pixel of an image")
    parameters: int
    seconds_per_image: float = Field(
        description="median time to encode and decode an image in this run, without each process's first image"
    )

    @property
    def ground(self) -> Ground:
        """What comparable results share: images, every setting, the extractor."""
        details: dict[str, object] = self.protocol.model_dump()
        if self.extractor_sha256 is not None:
            details["the extractor"] = f"{self.extractor} ({self.extractor_sha256[:8]})"
            details["its weights"] = self.extractor_sha256
        return Ground(
            self.dataset,
            self.split,
            self.n_examples,
            self.images_sha256,
            protocol="",
            details=tuple(details.items()),
        )

    @property
    def distances(self) -> dict[str, tuple[float, float | None]]:
        """The extractor's distances by display name, with standard errors."""
        one, other = TITLES[self.extractor_kind or "model"]
        if (self.extractor or "").endswith(DECLARED):
            one, other = one + DECLARED, other + DECLARED
        found = {}
        if self.feature_distance is not None:
            found[one] = (self.feature_distance, self.feature_distance_se)
        if self.frechet_distance is not None:
            found[other] = (self.frechet_distance, None)
        return found

    @property
    def left_out(self) -> str:
        """A sentence: which metrics are missing, and how to compute them."""
        known = {name.removesuffix(DECLARED) for name in self.distances}
        missing = [name for name in ("LPIPS", "rFID") if name not in known]
        small = ""
        if self.n_small:
            are = "image is" if self.n_small == 1 else "images are"
            small = f" SSIM is omitted: {self.n_small:,} {are} smaller than its 11-pixel window."
        return (
            f"Not measured: {' and '.join(missing)}. --extractor takes lpips-vgg, lpips-alex, "
            f"lpips-squeeze or inception.{small}"
        )
