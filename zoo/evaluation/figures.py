"""Pictures of what a model does: reconstructions, samples, latent traversals, as PNG bytes."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.data import AnyExamples, as_input
from zoo.evaluation.curves import Plot
from zoo.evaluation.grids import Grid, draw_grid
from zoo.folder.layout import MAX_FIGURE_BYTES
from zoo.models import Autoencoder, VariationalAutoencoder
from zoo.registry import families


def draw_all(model: Autoencoder, values: Tensor) -> dict[str, bytes]:
    """Every figure of a model's folder, by name: PNG bytes that depend on model and examples alone.

    Args:
        model: any model.
        values: some examples that it was not trained on, `(N, *input_shape)` as data has them: levels
            of images, uint8; rows and series, float. 256 are used.
    """
    figures = {"reconstructions": draw_reconstructions(model, values)}
    figures |= draw_without_examples(model)
    figures["traversals"] = draw_traversals(model, values[:256])
    return figures | draw_own(model, values[:256])


def draw_without_examples(model: Autoencoder) -> dict[str, bytes]:
    """Those of them that need no examples: the samples of a variational model."""
    is_variational = isinstance(model, VariationalAutoencoder)
    return {"samples": draw_samples(model)} if is_variational else {}


def draw_beside(model: Autoencoder, examples: AnyExamples, count: int = 8) -> dict[str, bytes]:
    """Pictures to stand beside those of other models of the same examples: PNG bytes by name.

    `originals` and `reconstructions` are the same first examples; `samples`, of a variational
    model, is a square.
    """
    x = standardized(model, examples.first(count))  # (N, *input_shape)
    drawer = drawer_of(model)
    with families.guarded(model, "failed to be drawn"):
        pictures = {
            "originals": drawer.draw_each(on_cpu(x), count),
            "reconstructions": drawer.draw_each(reconstructed(model, x), count),
        }
        if isinstance(model, VariationalAutoencoder):
            pictures["samples"] = draw_samples(model, 25)
        return pictures


def drawer_of(model: Autoencoder) -> Grid | Plot:
    """What draws examples of a model's domain."""
    domain = model.spec.domain
    return Grid() if domain.is_image else Plot(domain)


def standardized(model: Autoencoder, values: Tensor) -> Tensor:
    """Values as data has them, `(N, *input_shape)`, as the model computes on them."""
    return model.standardized(as_input(values))


def draw_own(model: Autoencoder, values: Tensor) -> dict[str, bytes]:
    """The pictures that a family adds, by name. Raises PluginError where it fails to draw them."""
    if not model.own_pictures:
        return {}
    with families.guarded(model, "failed to draw its own pictures"):
        with torch.inference_mode():
            given = model._draw(standardized(model, values))
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
    picture = draw_grid(images.flatten(0, 1).float().cpu(), images.shape[1])
    if len(picture) > MAX_FIGURE_BYTES:
        raise ValueError(f"a picture has {len(picture):,} bytes; at most {MAX_FIGURE_BYTES:,} fit")
    return picture


def draw_reconstructions(model: Autoencoder, values: Tensor) -> bytes:
    """The first examples `(N, *input_shape)`, as data has them, and their reconstructions."""
    drawer = drawer_of(model)
    x = standardized(model, values[: drawer.pairs])
    return drawer.draw_pairs(on_cpu(x), reconstructed(model, x))


def on_cpu(x: Tensor) -> Tensor:
    """Examples as the model computes on them, on the CPU; a missing value is 0, which draws no bar."""
    return x.float().cpu().nan_to_num(0.0)


def reconstructed(model: Autoencoder, x: Tensor) -> Tensor:
    """`decode(encode(x))` of examples `(N, *input_shape)` as the model computes on them, on the CPU."""
    with torch.inference_mode():
        return model._decode(model._encode(x)).float().cpu()


def draw_samples(model: VariationalAutoencoder, count: int | None = None, seed: int = 0) -> bytes:
    """Expected examples of codes drawn from the prior."""
    drawer = drawer_of(model)
    count = count or drawer.samples
    x = model.standardized(model.sample(count, seed=seed))
    return drawer.draw_each(x.float().cpu(), max(1, round(count**0.5)))


def draw_traversals(model: Autoencoder, values: Tensor, steps: int = 9, rows: int = 10) -> bytes:
    """One latent a row, moved over three standard deviations of the codes of these examples.

    The middle of every row is the reconstruction of the first example, `(N, *input_shape)` as data
    has them. The rows are the latents whose codes vary most.
    """
    with torch.inference_mode():
        codes = model._encode(standardized(model, values)).flatten(1)  # (N, d)
        spread = codes.std(0) if len(codes) > 1 else torch.ones_like(codes[0])
        chosen = spread.argsort(descending=True, stable=True)[:rows]
        offsets = torch.linspace(-3, 3, steps, device=codes.device)
        z = codes[0].repeat(len(chosen), steps, 1)  # (rows, steps, d)
        for row, latent in enumerate(chosen.tolist()):
            z[row, :, latent] += offsets * spread[latent]
        moved = model._decode(z.flatten(0, 1).unflatten(-1, model.latent_shape))
    x = moved.float().cpu().unflatten(0, (len(chosen), steps))
    return drawer_of(model).draw_traversals(x, chosen.tolist())
