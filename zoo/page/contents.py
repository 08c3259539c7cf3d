"""A model and test images -> what the page's script is given, as plain data."""

from __future__ import annotations

import base64
import copy
import gzip
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from zoo.data import AnyExamples, as_gray
from zoo.datasets import NAMED
from zoo.errors import InputError
from zoo.evaluation.evaluate import evaluate_each
from zoo.export.formats import ONNX
from zoo.export.parts import parts_for, program_of
from zoo.export.write import check_installed, in_a_sentence
from zoo.models import Autoencoder, VariationalAutoencoder
from zoo.page.prior import PRIOR, Prior, prior_of
from zoo.registry import families

MOST_IMAGES = 1000
"""On the map: with their codes they are some megabytes."""
MOST_VALUES = 4_000_000
"""Of images, and of codes: large ones are fewer."""
FEWEST_FOR_UMAP = 16
"""One more than the neighbors that it looks at."""


def contents(
    model: Autoencoder, images: AnyExamples | None, split: str, umap: bool = False
) -> dict[str, Any]:
    """All that the page knows: networks, latents, and some images with their codes and numbers.

    Args:
        model: any model.
        images: of the size that it takes, of which the first are on the map; None leaves the map out.
        split: what they are called, such as `test`.
        umap: the map is laid out by UMAP, not by principal components.

    Raises InputError for a model of rows or series, and without `autoencoder-zoo[export]` or a umap-learn
    that was asked for; ExportError for a model that cannot be exported, PluginError for one that fails.
    """
    check_is_of_images(model)
    check_installed(ONNX)
    places_of = by_umap() if umap else principal_components
    plain = copy.deepcopy(model).to("cpu", torch.float32).eval().requires_grad_(False)
    pixels = _first(plain, images)
    prior = prior_of(plain)
    with families.guarded(plain, "failed to encode"), torch.inference_mode():
        given = torch.rand(2, *plain.spec.input_shape) if pixels is None else as_gray(pixels)
        shaped = torch.cat([plain._encode(part) for part in given.split(100)])
    codes = prior.codes if prior and pixels is None else shaped.flatten(1)
    spread = codes.std(0)
    found = {"count": 0}
    if images is not None and pixels is not None:
        found = _images(plain, images, pixels, codes, split)
        found["points"] = floats(within_square(places_of(codes)))
        found["layout"] = "UMAP" if umap else "two principal components"
    return {
        "image": list(plain.spec.input_shape),
        "code": list(plain.latent_shape),
        "mean": floats(codes.mean(0)),
        "spread": floats(torch.where(spread > 0, spread, 1.0)),
        "order": spread.argsort(descending=True, stable=True).tolist(),
        "prior": prior and {"noise": prior.noise},
        "networks": {name: packed(graph) for name, graph in _graphs(plain, given, shaped, prior)},
        "images": found,
    }


def check_is_of_images(model: Autoencoder) -> None:
    """Raises InputError for a model of rows or series."""
    domain = model.spec.domain
    if not domain.is_image:
        raise InputError(
            f"A page shows images, and this model is of {domain}: `zoo draw` draws what it does, `zoo "
            "export` writes it as graphs."
        )


def _first(model: Autoencoder, images: AnyExamples | None) -> Tensor | None:
    """The images that are on the map, `(N, C, H, W)` uint8, 2 or more; None leaves it out."""
    size = max(model.spec.input_size, math.prod(model.latent_shape))
    if images is None or len(images) < 2:
        return None
    return images.first(max(2, min(MOST_IMAGES, MOST_VALUES // size)))


def _graphs(
    model: Autoencoder, images: Tensor, codes: Tensor, prior: Prior | None
) -> Iterator[tuple[str, bytes]]:
    """Each network by its name: ONNX."""
    for part, given in zip(parts_for(model.spec.domain), (images, codes), strict=True):
        with in_a_sentence(part):
            graph = ONNX.bytes_of(program_of(model, part, given), part)
        yield part.name, graph
    if prior and prior.graph:
        yield PRIOR.name, prior.graph


def _images(
    model: Autoencoder, images: AnyExamples, pixels: Tensor, codes: Tensor, split: str
) -> dict[str, Any]:
    """Images `(N, C, H, W)` uint8 and codes `(N, d)`, their places, classes and numbers."""
    named = NAMED.get(images.dataset) if split == "test" else None
    labels = named and named.test_labels()
    numbers = _numbers(model, images, len(pixels))
    return {
        "name": f"{images.dataset} {split}",
        "count": len(pixels),
        "levels": packed(pixels.contiguous().numpy().tobytes()),
        "codes": floats(codes),
        "labels": labels and labels[: len(pixels)],
        "classes": list(named.classes) if named and labels else None,
        "numbers": {name: floats(values) for name, values in numbers.items()},
    }


def principal_components(codes: Tensor) -> Tensor:
    """Places `(N, 2)` of codes `(N, d)`: their two principal components."""
    centered = (codes - codes.mean(0)).cpu().double()
    directions = torch.linalg.svd(centered, full_matrices=False).Vh[:2]  # (2, d), or fewer
    places = torch.zeros(len(codes), 2, dtype=torch.float64)
    places[:, : len(directions)] = centered @ directions.T
    return places


def by_umap() -> Callable[[Tensor], Tensor]:
    """What gives places `(N, 2)` of codes `(N, d)` by UMAP. Raises InputError without umap-learn."""
    try:
        from umap import UMAP  # pyright: ignore[reportMissingImports]: an extra
    except ImportError as absent:
        raise InputError(
            f"UMAP cannot be had ({absent}): pip install 'autoencoder-zoo[page]', or leave --umap out."
        ) from None

    def places(codes: Tensor) -> Tensor:
        if len(codes) < FEWEST_FOR_UMAP:
            raise InputError(
                f"UMAP needs {FEWEST_FOR_UMAP} images, and there are {len(codes)}: leave --umap out."
            )
        return torch.from_numpy(UMAP(random_state=0, n_jobs=1).fit_transform(codes.numpy()))

    return places


def within_square(places: Tensor) -> Tensor:
    """Places `(N, 2)`, each of the two from 0.03 to 0.97."""
    low, high = places.amin(0), places.amax(0)
    return (0.03 + 0.94 * (places - low) / (high - low).clamp(min=1e-12)).float()


def _numbers(model: Autoencoder, images: AnyExamples, count: int) -> dict[str, Tensor]:
    """What the page says of each image beside the error that it computes itself, by its name."""
    if not isinstance(model, VariationalAutoencoder):
        return {}
    _, each = evaluate_each(model, images, limit=count)
    return {"ELBO, nats": -each["neg_elbo"]} if "neg_elbo" in each else {}


def floats(values: Tensor) -> str:
    """Float32 numbers as the page's script takes them."""
    return packed(values.detach().float().contiguous().numpy().tobytes())


def packed(data: bytes) -> str:
    """Bytes as the page's script takes them: gzip, in base64."""
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()
