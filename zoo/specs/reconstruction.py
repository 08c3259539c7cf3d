"""Reconstruction protocols: everything that a number of a reconstruction depends on, with an identity.

Two numbers of one metric compare where the protocol and the images are the same. Published ones seldom
do: a crop or the full image, a resampler, rounding or not, SSIM with a range of 2 on images in [0, 1].
No torch here.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any, Literal

from pydantic import Field

from zoo.errors import InputError, did_you_mean
from zoo.specs.data import Transform
from zoo.specs.domains import Domain
from zoo.specs.ground import Ground
from zoo.specs.validation import Strict, checked, listed

Size = Annotated[int, Field(ge=8, le=4096)]
Tile = Annotated[int, Field(ge=64, le=4096)]
SCORING = ("mse", "psnr-at-most-100", "ssim-gaussian-11-1.5-valid", "range-1")
"""How reconstructions are scored, as identities hash it: values in [0, 1]; PSNR per image, at most
100 dB; SSIM with a Gaussian window of 11 pixels and sigma 1.5, within the image, mean of channels."""


class ReconstructionProtocol(Strict):
    """How an image becomes what a model is shown, and how its reconstruction is scored against that."""

    resize: Literal["off"] | Size = Field(
        default="off", description="pixels of the shorter side, by Pillow, antialiased"
    )
    resampler: Literal["bicubic", "bilinear", "lanczos", "box", "nearest"] = "bicubic"
    crop: Literal["off"] | Size = Field(default="off", description="a square in the center")
    pad: Literal["off", "reflect"] = Field(
        default="off",
        description="to the next multiple of the model's stride, at right and bottom; what was added "
        "is not scored",
    )
    tile: Literal["off"] | Tile = Field(
        default="off",
        description="side in pixels of the tiles into which a large image is cut, each encoded and "
        "decoded on its own, which bounds memory and changes values near seams",
    )
    color: Literal["auto", "rgb", "gray"] = Field(
        default="auto", description="channels of every image; auto are those that the model takes"
    )
    code: Literal["mean"] = Field(default="mean", description="the posterior's mean, never a draw")
    rounding: Literal["uint8", "off"] = Field(
        default="uint8",
        description="whether a reconstruction is rounded to 256 levels, as a file is",
    )

    def for_channels(self, channels: int) -> ReconstructionProtocol:
        """The same with the color that a model's channels are, where it was left open."""
        color = {1: "gray", 3: "rgb"}.get(channels)
        if self.color != "auto" or color is None:
            return self
        return self.model_copy(update={"color": color})

    @property
    def identity(self) -> str:
        """Eight hex digits of every setting, and of how mse, psnr and ssim are defined.

        It hashes values in this order, not field names, which may be reworded.
        """
        settings = (self.resize, self.resampler, self.crop, self.pad, self.tile, self.color)
        all_of_it = [*SCORING, *settings, self.code, self.rounding]
        return hashlib.sha256(json.dumps(all_of_it).encode()).hexdigest()[:8]

    @property
    def title(self) -> str:
        """Its name where it has one, what differs from that, and its identity."""
        return f"{self.words} [{self.identity}]"

    @property
    def cropped(self) -> tuple[int, int, int]:
        """Shape of every image after the crop; 1 x 1 where nothing is cropped."""
        side = 1 if self.crop == "off" else self.crop
        return 1 if self.color == "gray" else 3, side, side

    @property
    def transform(self) -> Transform:
        """What makes an image fit, as a recipe says it."""
        crop = "off" if self.crop == "off" else "center"
        return Transform(resize=self.resize, resampler=self.resampler, crop=crop)

    @property
    def words(self) -> str:
        """As `parse_protocol` takes it."""
        if self.crop != "off" and self.resize == self.crop:
            name, base = f"center-{self.crop}", _named(f"center-{self.crop}")
        else:
            name = "whole" if self.pad == "reflect" else "native"
            base = _named(name)
        own, usual = self.model_dump(), base.model_dump()
        return ":".join([name, *(f"{k}={v}" for k, v in own.items() if v != usual[k])])


NAMES = ("native", "whole", "center-N")
"""`native`: images as they are, whose size the stride must divide. `whole`: padded to it. `center-256`:
the shorter side resized to 256, and the center cropped."""


def native(channels: int) -> ReconstructionProtocol:
    """The protocol of a model's own images, as they are: that of `mse`, `psnr` and `ssim` anywhere."""
    return ReconstructionProtocol().for_channels(channels)


def reconstruction_identity(domain: Domain) -> str:
    """Identity of how `mse`, `psnr` and `ssim` are taken of examples of a domain."""
    if domain.is_image:
        return native(domain.shape[0]).identity
    settings = ("mse", "per-column-variance-of-the-split")
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:8]


def _named(name: str) -> ReconstructionProtocol:
    if match := re.fullmatch(r"center-(\d{1,4})", name):
        side = int(match[1])
        return ReconstructionProtocol(resize=side, crop=side)
    return ReconstructionProtocol(pad="reflect" if name == "whole" else "off")


def is_reconstruction(protocol: str) -> bool:
    """Whether a protocol's name begins as one of these."""
    return protocol.startswith(("native", "whole", "center"))


def parse_protocol(text: str) -> ReconstructionProtocol:
    """A protocol from its name, with settings that differ: `center-256:resampler=lanczos:rounding=off`.

    Raises InputError for another name, or settings that it has not or cannot have.
    """
    name, *changes = text.split(":")
    if name not in ("native", "whole") and not re.fullmatch(r"center-\d{1,4}", name):
        names = [one.replace("N", re.sub(r"\D", "", name) or "N") for one in NAMES]  # its own size
        raise InputError(
            f"There is no reconstruction protocol {name[:60]!r}.{did_you_mean(name, names)} "
            "There are native (images as they are), whole (padded to the model's stride) and "
            "center-N, such as center-256."
        )
    try:
        fields: dict[str, Any] = _named(name).model_dump()
    except ValueError:
        raise InputError(f"{name!r}: a size is from 8 to 4096.") from None
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
"""What distances in an extractor's features are called: one by one, and of all images."""
DECLARED = " (declared)"
"""What follows the names of an extractor and its distances whose weights are a file's, said to be its own."""


class Reconstructions(Strict):
    """What was measured of a model's reconstructions; `<name>_se` is a mean's standard error."""

    model: str
    family: str
    weights_sha256: str
    dataset: str
    split: str
    protocol: ReconstructionProtocol
    protocol_id: str = Field(description="the protocol's identity")
    n_examples: int
    n_distinct: int = Field(description="images that differ from all before them")
    n_small: int = Field(
        default=0,
        description="images below 11 pixels, too small for SSIM, which is None with any of them",
    )
    images_sha256: str = Field(description="of the images as the model was shown them, in order")
    mse: float
    mse_se: float | None = Field(description="None of a single image, here and below")
    psnr: float = Field(description="dB, higher is better")
    psnr_se: float | None
    ssim: float | None = Field(description="higher is better; None with an image below 11 pixels")
    ssim_se: float | None
    extractor: str | None = Field(default=None, description="what the next two are of")
    extractor_kind: ExtractorKind | None = Field(
        default=None,
        description="LPIPS and rFID are of their own networks; no model's are called so",
    )
    extractor_sha256: str | None = Field(default=None, description="of its weights")
    feature_distance: float | None = Field(
        default=None,
        description="between an image and its reconstruction: LPIPS, or squared between features",
    )
    feature_distance_se: float | None = None
    frechet_distance: float | None = Field(
        default=None,
        description="between the features of all images and of all reconstructions: of FID's network, "
        "rFID with these images for its reference",
    )
    values_per_pixel: float = Field(description="numbers of a code for each pixel of an image")
    parameters: int
    seconds_per_image: float = Field(
        description="to encode and decode one, in this run: the median, without each process's first image"
    )

    @property
    def ground(self) -> Ground:
        """What another model's must share with these to compare: images, every setting, the extractor."""
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
        """What was measured with the extractor, by what it may be called, with standard errors."""
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
        """What was not measured and how it is, as a sentence."""
        known = {name.removesuffix(DECLARED) for name in self.distances}
        missing = [name for name in ("LPIPS", "rFID") if name not in known]
        small = ""
        if self.n_small:
            are = "image is" if self.n_small == 1 else "images are"
            small = f" SSIM is left out: {self.n_small:,} {are} below 11 pixels, its window."
        return (
            f"Not measured: {' and '.join(missing)}. --extractor takes lpips-vgg, lpips-alex, "
            f"lpips-squeeze or inception.{small}"
        )
