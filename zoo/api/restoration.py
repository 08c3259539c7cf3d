"""The public functions that restore: denoise, inpaint, impute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.api.models import model_of
from zoo.errors import InputError
from zoo.specs.restoration import DRAWS, FILLINGS, STEPS, TILE

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from zoo.data.tables import Table
    from zoo.models import Autoencoder, VariationalAutoencoder

# torch is imported by the functions that need it.


def denoise(
    model_or_source: Autoencoder | str | Path,
    x: Tensor,
    *,
    sigma: float | str | None = None,
    strength: float = 1.0,
    samples: int = 0,
    tile: int = TILE,
    seed: int = 0,
    device: str = "auto",
) -> Tensor:
    """Images without their noise: the model's reconstruction of them, or its posterior mean.

    A model trained with `training.corruption`, such as `dae-bsd`, has learned to remove noise. Any other
    autoencoder removes what it cannot reconstruct.

    Args:
        model_or_source: a model of images, or what `load` takes.
        x: `(N, C, H, W)`, floating point; noise may leave [0, 1]. Of any size for a model that takes any,
            such as a `unet`, else of the model's. A gray model runs on each channel.
        sigma: the standard deviation of the noise, pixels in [0, 1]: 0.1 or "25/255"; None estimates it
            where it is needed, which is with `samples` only.
        strength: from 0, the image itself, to 1, all of the noise removed.
        samples: of a variational model, take the posterior mean of the image from that many codes, by
            importance weights for Gaussian noise of this sigma, instead of one reconstruction.
        tile: side in pixels of the parts that are computed at once, for models of any size.
        seed: of the samples.
        device: as for `load`.

    Returns:
        `(N, C, H, W)` float32 in [0, 1], on the CPU.

    Raises:
        InputError: for integers, NaN, other channels or sizes than the model's, a sigma or a strength
            outside [0, 1], or samples of a model without a posterior.
        Errors of `load`.
    """
    from zoo.restoration.denoise import denoised
    from zoo.restoration.inputs import check_count, check_images, check_share, parsed_sigma
    from zoo.restoration.tiles import LEAST_TILE

    level = None if sigma is None else parsed_sigma(sigma)
    check_share("strength", strength)
    check_count("samples", samples, 0)
    check_count("tile", tile, LEAST_TILE)
    check_count("seed", seed, 0)
    model = _evaluating(model_of(model_or_source, device))
    check_images(x)
    return denoised(model, x, sigma=level, strength=strength, samples=samples, tile=tile, seed=seed)


def inpaint(
    model_or_source: Autoencoder | str | Path,
    x: Tensor,
    missing: Tensor,
    *,
    samples: int = FILLINGS,
    steps: int = STEPS,
    seed: int = 0,
    device: str = "auto",
) -> Tensor:
    """Images with their missing pixels filled in, several times, by a variational model.

    Each filling is the end of an independent Markov chain whose stationary distribution is the model's
    p(missing | observed): pseudo-Gibbs (Rezende et al. 2014, appendix F), then Metropolis-within-Gibbs
    (Mattei & Frellsen 2018). Missing pixels are the mean of p(x | z) for the chain's last code z.

    Args:
        model_or_source: a variational model of images, or what `load` takes.
        x: `(N, C, H, W)` in [0, 1], of the model's size; missing pixels may hold anything.
        missing: bool, `(N, 1, H, W)`, `(1, 1, H, W)` or `(H, W)`: True where a pixel is missing, in all
            channels.
        samples: fillings of each image.
        steps: of each chain.
        seed: of all random numbers.
        device: as for `load`.

    Returns:
        `(samples, N, C, H, W)` float32 in [0, 1], on the CPU; observed pixels are those of `x`.

    Raises:
        InputError: for a model that is not variational, images or masks of another shape, observed values
            outside [0, 1], or an image without an observed pixel.
        Errors of `load`.
    """
    import torch

    from zoo.restoration.conditional import conditional_draws
    from zoo.restoration.inputs import check_count, check_images, mask_of

    check_count("samples", samples, 1)
    check_count("steps", steps, 2)
    check_count("seed", seed, 0)
    model = variational_of(model_or_source, device)
    if not model.spec.domain.is_image:
        raise InputError(
            f"inpaint is for images; this model takes {model.spec.domain}: use impute."
        )
    check_images(x, finite=False)
    holes = mask_of(missing, x)
    if holes.flatten(1).all(1).any():
        raise InputError("An image has no observed pixel: model.sample draws whole images.")
    seen = x.detach().masked_fill(holes.to(x.device), 0.0)
    check_images(seen)
    if not len(x):
        return torch.zeros(samples, *x.shape)
    draws = conditional_draws(
        model,
        model._inputs(seen, "inpaint"),
        holes.to(model.device),
        samples=samples,
        steps=steps,
        seed=seed,
    )
    own = seen.cpu().float().expand_as(draws.expected)
    return torch.where(holes, draws.expected.float().cpu(), own)


def impute(
    model_or_source: Autoencoder | str | Path,
    rows: Any,
    *,
    draws: int = DRAWS,
    steps: int = STEPS,
    seed: int = 0,
    device: str = "auto",
) -> np.ndarray:
    """Rows or series with their missing values drawn, several times, by a variational model.

    Draws are from the model's p(missing | observed), as `inpaint` makes them, so that they differ as much
    as the model is uncertain (multiple imputation): analyze each of the tables and pool the results.

    Args:
        model_or_source: a variational model of rows or series, or what `load` takes.
        rows: `(N, D)` or `(N, C, L)` in the user's units, NaN where missing: a tensor or an array; or, with a
            detector of a table, a DataFrame, a .csv or a .parquet file, whose rows are those of
            `Table.encode`.
        draws: tables to draw.
        steps: of the chain behind each row of each of them.
        seed: of all random numbers.
        device: as for `load`.

    Returns:
        `(draws, *rows.shape)` float64; observed values are unchanged.

    Raises:
        InputError: for a model that is not variational or of images, rows of another shape, values that the
            likelihood cannot have, or a row without an observed value.
        DataError: for an infinite value.
        Errors of `load`.
    """
    import numpy as np
    import torch

    from zoo.restoration.conditional import conditional_draws
    from zoo.restoration.inputs import check_count, rows_of

    check_count("draws", draws, 1)
    check_count("steps", steps, 2)
    check_count("seed", seed, 0)
    table = table_of(model_or_source)
    model = variational_of(model_or_source, device)
    if model.spec.domain.is_image:
        raise InputError("impute is for rows and series; this model takes images: use inpaint.")
    x = rows_of(rows, table, model)
    holes = torch.isnan(x)
    if (empty := holes.flatten(1).all(1).nonzero()).numel():
        raise InputError(
            f"Row {int(empty[0])} has no observed value: leave it out, or draw rows with model.sample."
        )
    assert model.standardization is not None
    seen = model._inputs(x.masked_fill(holes, 0.0), "impute")
    found = conditional_draws(
        model, seen, holes.to(model.device), samples=draws, steps=steps, seed=seed
    )
    drawn = model._restored(found.drawn).double().cpu()
    filled = torch.where(holes, drawn, x.double())
    return np.asarray(filled)


def _evaluating(model: Autoencoder) -> Autoencoder:
    if model.training:
        raise InputError("The model is in train mode: call model.eval() first.")
    return model


def variational_of(
    model_or_source: Autoencoder | str | Path, device: str = "auto"
) -> VariationalAutoencoder:
    """As `model_of`. Raises InputError for a model that is not variational."""
    from zoo.models import VariationalAutoencoder

    model = _evaluating(model_of(model_or_source, device))
    if not isinstance(model, VariationalAutoencoder):
        raise InputError(
            f"Missing values are drawn by a variational model, such as of the family 'vae'; "
            f"{type(model).__name__} has no posterior."
            + " A model trained on masks fills in pixels that are 0: use denoise."
            * model.spec.domain.is_image
        )
    return model


def table_of(model_or_source: Autoencoder | str | Path) -> Table | None:
    """The table of a detector's folder; None without one."""
    from torch.nn import Module

    from zoo.detection.detector import has_detector, load_detector
    from zoo.folder import layout
    from zoo.hub.find import TO_MEASURE, find

    if isinstance(model_or_source, Module):
        return None
    found = find(model_or_source, (*TO_MEASURE, layout.DETECTOR))
    return load_detector(found).table if has_detector(found) else None
