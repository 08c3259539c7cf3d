"""Pictures of what a model does: reconstructions, samples, latent traversals, as PNG bytes."""

from __future__ import annotations

import io

import torch
from torch import Tensor

from zoo.data import AnyExamples, as_gray
from zoo.data.named.registry import torchvision_part
from zoo.folder.layout import MAX_FIGURE_BYTES
from zoo.models import Autoencoder, VariationalAutoencoder
from zoo.registry import families

SCALE_TO = 56
"""Least height of one drawn image, in pixels: smaller ones are enlarged by a whole factor."""


def draw_all(model: Autoencoder, pixels: Tensor) -> dict[str, bytes]:
    """Every figure of a model's folder, by name: PNG bytes that depend on model and images alone.

    Args:
        model: any model.
        pixels: some images that it was not trained on, `(N, C, H, W)` uint8; 256 are used.
    """
    figures = {"reconstructions": draw_reconstructions(model, pixels[:16])}
    figures |= draw_without_images(model)
    figures["traversals"] = draw_traversals(model, pixels[:256])
    return figures | draw_own(model, pixels[:256])


def draw_without_images(model: Autoencoder) -> dict[str, bytes]:
    """Those of them that need no images: the samples of a variational model."""
    is_variational = isinstance(model, VariationalAutoencoder)
    return {"samples": draw_samples(model, 64)} if is_variational else {}


def draw_beside(model: Autoencoder, images: AnyExamples, count: int = 8) -> dict[str, bytes]:
    """Pictures to stand beside those of other models of the same images: PNG bytes by name.

    `originals` and `reconstructions` are a row each of the same first images; `samples`, of a
    variational model, is a square.
    """
    pixels = images.first(count)  # (N, C, H, W)
    with families.guarded(model, "failed to be drawn"):
        pictures = {
            "originals": _png(as_gray(pixels), count),
            "reconstructions": _png(_reconstructed(model, as_gray(pixels)), count),
        }
        if isinstance(model, VariationalAutoencoder):
            pictures["samples"] = draw_samples(model, 25)
        return pictures


def draw_own(model: Autoencoder, pixels: Tensor) -> dict[str, bytes]:
    """The pictures that a family adds, by name. Raises PluginError where it fails to draw them."""
    if not model.own_pictures:
        return {}
    with families.guarded(model, "failed to draw its own pictures"):
        with torch.inference_mode():
            given = model._draw(as_gray(pixels).to(model.device, model.dtype))
        if given.keys() != model.own_pictures.keys():
            wanted = ", ".join(model.own_pictures)
            raise ValueError(f"_draw(self, x) gives {list(given)}; own_pictures names {wanted}")
        return {name: _grid(images) for name, images in given.items()}


def _grid(images: Tensor) -> bytes:
    """A picture of images `(rows, columns, C, H, W)`."""
    if images.dim() != 5:
        raise ValueError(f"a picture is images (rows, columns, C, H, W); got {tuple(images.shape)}")
    if not ((images >= 0) & (images <= 1)).all():
        raise ValueError("a picture has values outside [0, 1]")
    picture = _png(images.flatten(0, 1).float().cpu(), images.shape[1])
    if len(picture) > MAX_FIGURE_BYTES:
        raise ValueError(f"a picture has {len(picture):,} bytes; at most {MAX_FIGURE_BYTES:,} fit")
    return picture


def draw_reconstructions(model: Autoencoder, pixels: Tensor, per_row: int = 8) -> bytes:
    """Rows of originals `(N, C, H, W)` uint8, each above the row of their reconstructions."""
    x = as_gray(pixels)
    y = _reconstructed(model, x)
    rows = [part for pair in zip(x.split(per_row), y.split(per_row), strict=True) for part in pair]
    return _png(torch.cat(rows), per_row)


def _reconstructed(model: Autoencoder, x: Tensor) -> Tensor:
    """`decode(encode(x))` of images `(N, C, H, W)` in [0, 1], on the processor."""
    with torch.inference_mode():
        return model._decode(model._encode(x.to(model.device, model.dtype))).float().cpu()


def draw_samples(model: VariationalAutoencoder, count: int, seed: int = 0) -> bytes:
    """Expected images of codes drawn from the prior."""
    return _png(model.sample(count, seed=seed).float().cpu(), max(1, round(count**0.5)))


def draw_traversals(model: Autoencoder, pixels: Tensor, steps: int = 9, rows: int = 10) -> bytes:
    """One latent a row, moved over three standard deviations of the codes of these images.

    The middle of every row is the reconstruction of the first image `(N, C, H, W)` uint8. The
    rows are the latents whose codes vary most.
    """
    with torch.inference_mode():
        codes = model._encode(as_gray(pixels).to(model.device, model.dtype)).flatten(1)  # (N, d)
        spread = codes.std(0) if len(codes) > 1 else torch.ones_like(codes[0])
        chosen = spread.argsort(descending=True, stable=True)[:rows]
        offsets = torch.linspace(-3, 3, steps, device=codes.device)
        z = codes[0].repeat(len(chosen), steps, 1)  # (rows, steps, d)
        for row, latent in enumerate(chosen.tolist()):
            z[row, :, latent] += offsets * spread[latent]
        images = model._decode(z.flatten(0, 1).unflatten(-1, model.latent_shape))
    return _png(images.float().cpu(), steps)


def _png(images: Tensor, per_row: int) -> bytes:
    """A grid of images `(N, C, H, W)` in [0, 1], `per_row` in a row."""
    from PIL import Image

    factor = max(1, -(-SCALE_TO // images.shape[-2]))
    large = images.repeat_interleave(factor, -2).repeat_interleave(factor, -1)
    if large.shape[1] not in (1, 3):
        large = large[:, :1]  # other than gray and color: the first channel
    grid = torchvision_part("utils").make_grid(large, nrow=per_row, padding=2, pad_value=1.0)
    levels = grid.mul(255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
