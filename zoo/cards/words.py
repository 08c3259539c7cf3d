"""A card's sentences about its model's examples: images, rows or series."""

from __future__ import annotations

from zoo.likelihoods.fitting import accepts_missing
from zoo.registry.family import Family
from zoo.specs.base import Spec
from zoo.specs.domains import Domain

NOTES = (
    "Nats are per image, lower is better; ± is one standard error. `binarized` draws each pixel as "
    "a coin with its gray level as probability, once; `gray` is the cross-entropy against gray "
    "levels, as tutorials print it, which is no likelihood. `mse`, `psnr` and `ssim` are of gray "
    "images through `decode(encode(x))`."
)


def times(shape: tuple[int, ...]) -> str:
    """Such as `1 x 28 x 28`."""
    return " x ".join(map(str, shape))


def article(domain: Domain) -> str:
    return "an" if domain.is_image else "a"


def column(domain: Domain) -> str:
    """What is standardized separately."""
    return "column" if domain.kind == "vector" else "channel"


def what_it_takes(domain: Domain) -> str:
    """One example and its size."""
    if domain.kind == "vector":
        return f"a row of {domain.size} numbers"
    if domain.kind == "series":
        return f"a series of {times(domain.shape)} (channels, steps)"
    return f"an image of {times(domain.shape)} (channels, height, width)"


def inputs(spec: Spec) -> str:
    """What `encode` takes, as a comment in code."""
    sides = list(map(str, spec.input_shape))
    if spec.stride:
        sides[1:] = ["H", "W"]
    values = (
        "float in [0, 1]" if spec.domain.is_image else "float32 or float64, in the data's units"
    )
    return f"(N, {', '.join(sides)}), {values}"


def task(domain: Domain, is_variational: bool) -> str:
    """The Hub's name of its task; for rows and series, one that implies no kind of data."""
    if domain.is_real:
        return "feature-extraction"
    return "unconditional-image-generation" if is_variational else "image-feature-extraction"


def tags(domain: Domain) -> list[str]:
    """The Hub's tags for the kind of data."""
    return {"vector": ["tabular"], "series": ["time-series"], "image": []}[domain.kind]


def captions(domain: Domain) -> dict[str, str]:
    """Captions of the pictures, by name."""
    if domain.is_image:
        return {
            "reconstructions": "Originals, and below each row their reconstructions.",
            "samples": "Expected images of codes drawn from the prior.",
            "traversals": "One latent a row, moved over three standard deviations around one image's code.",
        }
    drawn = {
        "vector": "Rows, a bar for each column, and beside it that of the reconstruction",
        "series": "Series, wide and pale, and over them their reconstructions",
    }[domain.kind]
    unit = f"in standard deviations from the mean of each {column(domain)}"
    return {
        "reconstructions": f"{drawn}, {unit}.",
        "samples": f"Expected {domain.nouns} of codes drawn from the prior, {unit}.",
        "traversals": "One latent in each row of panels, moved over three standard deviations around one "
        f"{domain.noun}'s code.",
    }


def notes(domain: Domain) -> str:
    """How the metrics are defined."""
    if domain.is_image:
        return NOTES
    return (
        f"Nats are per {domain.noun}, lower is better; ± is one standard error. They are of a density in "
        f"the data's own units: other units shift them, and they may be negative. `mse` is of "
        f"{domain.nouns} through `decode(encode(x))`, per value, where the variance of each "
        f"{column(domain)} in the training data is 1."
    )


def error(domain: Domain, mse: str, psnr: str) -> str:
    """The reconstruction error."""
    if domain.is_image:
        return f"a squared error of {mse} per pixel ({psnr} dB)"
    return f"a squared error of {mse} per value, where the variance of each {column(domain)} is 1"


def refused(spec: Spec) -> str:
    """Examples that a model refuses, and examples unlike its training data."""
    domain = spec.domain
    if domain.is_image:
        others = f"of another size than {times(spec.input_shape)}"
        if spec.stride:
            others = f"whose height and width {spec.stride} does not divide"
        if spec.reach is not None:
            return (
                f"`encode` refuses examples {others}, and `zoo.denoise` takes any size. Its code is larger "
                "than the image"
            )
        return (
            f"Examples {others} are refused, and other kinds of image come back as the nearest thing it "
            "has seen"
        )
    size = f"{domain.size} columns" if domain.kind == "vector" else times(domain.shape)
    missing = (
        "; missing values (NaN) are filled in"
        if accepts_missing(spec)
        else ", as are missing values (NaN)"
    )
    return (
        f"{domain.nouns.capitalize()} of another size than {size} are refused{missing}, and "
        f"{domain.nouns} unlike those come back as the nearest thing it has seen"
    )


def samples(domain: Domain, family: Family) -> str:
    """What random codes decode to."""
    if family.is_variational:
        if domain.is_image:
            return "Samples show the expected image, which is smoother than a real one"
        return f"Samples are expected {domain.nouns}, which vary less than real ones"
    if "prior" in family.parts:
        return f"It has no likelihood, and codes drawn from its prior need not give {domain.nouns}"
    return f"It has no prior: random codes do not give {domain.nouns}"
