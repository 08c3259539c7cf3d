"""All examples of a dataset -> a `.npy` of their codes, in pieces: a stop at any moment loses seconds."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from zoo.data import StreamedExamples, as_gray
from zoo.data.moments import Moments
from zoo.errors import InputError, ZooError
from zoo.evaluation.codes import CodeFiles, Done
from zoo.evaluation.measure import batch_size
from zoo.evaluation.tiles import check_tile, encode_tiled
from zoo.folder.weights import weights_bytes
from zoo.integers.base import ExactModel
from zoo.integers.models import exact as exact_of
from zoo.io.locks import locked
from zoo.models import Autoencoder
from zoo.registry import families

log = logging.getLogger("zoo")

SECONDS_PER_NOTE = 2.0
"""A process that is killed goes back to its last note."""
OTHERS = "its examples are others, or their files' sizes or times have changed"


def encode_images(
    model: Autoencoder,
    images: StreamedExamples,
    target: Path,
    *,
    device: torch.device,
    tile: Literal["off"] | int = "off",
    flipped: bool = False,
    exact: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Writes the codes of all images, what each image is called, and mean and deviation of the codes.

    Three files: `target`, a `.npy`, `(N, *latent_shape)` float32, in the order of the images; beside
    it `<stem>.keys.jsonl`, a line of JSON for each image's key; and `<stem>.json`, which says what
    was encoded, with the `mean` and `std` of each channel, which is the first dimension of
    `latent_shape`, and the `overall_std` of all numbers around their one mean.

    Until all is written the codes are in `<target>.partial`, and `<target>.journal` says how far
    they are. After a stop at any moment the same call goes on, and gives the same bytes on the same
    machine. Ctrl-C stops it in order.

    Args:
        model: in eval mode, as `zoo.load` gives it; it is moved to the device.
        images: examples of the model's shape.
        target: its name ends in `.npy`. Codes of these very images that are there already are left
            as they are.
        device: where to compute.
        tile: side in pixels of the tiles into which large images are cut, each encoded on its own:
            memory is bounded, and codes near seams are others.
        flipped: encode the images' mirror images instead, left to right.
        exact: encode in whole numbers: codes are equal to the last bit on every machine.
        overwrite: replace codes of something else; they stay until all is written.
        on_progress: called with the number of images that are encoded.

    Returns:
        How many images are encoded: all, unless Ctrl-C stopped it.

    Raises:
        InputError: where another process encodes in this place, or something else was encoded, or
            one of the three files is somebody else's; with `exact`, for a model without integer form.
        DataError: for a damaged image; ZooError: where the disk is full or read-only.
    """
    if not model.spec.takes(images.shape):
        fit = " A protocol such as center-256 makes them fit." if images.domain.is_image else ""
        raise InputError(f"The model takes no {images.domain}.{fit}")
    if flipped and not images.domain.is_image:
        raise InputError(f"Mirror images are of images; the model takes {model.spec.domain}.")
    check_tile(model, tile)
    whole = exact_of(model) if exact else None
    about = _about(model, images, device) | {"tile": tile, "flipped": flipped, "exact": exact}
    in_use = f"Another process writes {str(target)!r}. Wait for it, or choose another name."
    with locked(target.with_name(f".{target.name}.lock"), in_use, InputError):
        files = CodeFiles(target, about)
        ended = None if files.is_begun() else files.ended(overwrite)
        if ended is not None:
            if ended != _fingerprint(images, len(images)).hexdigest():
                raise files.other(OTHERS)
            log.warning("%s holds these codes already; --overwrite encodes them again.", target)
            on_progress(len(images))
            return len(images)
        begun = files.noted(overwrite)
        if begun and begun.fingerprint != _fingerprint(images, begun.images).hexdigest():
            if not overwrite:
                raise files.stopped(OTHERS)
            begun = None
        return _encode(whole or model.to(device), images, files, begun, on_progress)


def _encode(
    model: Autoencoder | ExactModel,
    images: StreamedExamples,
    files: CodeFiles,
    begun: Done | None,
    on_progress: Callable[[int], None],
) -> int:
    done = begun
    try:
        for done in _encoded(model, images, begun, files):
            on_progress(done.images)
        assert done is not None
        files.note(done)
    except (KeyboardInterrupt, ZooError) as stopped:
        if done is None:
            files.discard()
            raise
        with suppress(ZooError):  # a full disk may have no room for it: the last one is there
            files.note(done)
        if isinstance(stopped, KeyboardInterrupt):
            return done.images
        if isinstance(stopped, InputError):  # it would stop there again
            raise
        stopped.args = (f"{stopped} What is written stays: the same command goes on.",)
        raise
    finally:
        files.close()
    files.finish(done)
    return done.images


def _fingerprint(images: StreamedExamples, count: int) -> hashlib._Hash:
    """sha256 of what tells the first images from others, which is taken batch by batch."""
    digest, size = hashlib.sha256(), batch_size(math.prod(images.shape))
    for first in range(0, count, size):
        digest.update(images.marks(first, min(size, count - first)))
    return digest


def _about(model: Autoencoder, images: StreamedExamples, device: torch.device) -> dict:
    """What the codes depend on: where any of it is another, they are others."""
    return {
        "model": model.info.origin if model.info else type(model).__name__,
        "weights_sha256": hashlib.sha256(weights_bytes(model)).hexdigest(),
        "dataset": images.dataset,
        "transform": images.transform.model_dump(),
        "n_examples": len(images),
        "latent_shape": list(model.spec.code_shape(images.shape)),
        "device": device.type,
    }


def _encoded(
    model: Autoencoder | ExactModel, images: StreamedExamples, done: Done | None, files: CodeFiles
) -> Iterator[Done]:
    """Encodes and writes what is left, batch by batch, and gives how far it is after each.

    Batches begin at multiples of their size, and numbers are merged batch by batch, so that no bit
    depends on where it was stopped.
    """
    begin = done.images if done else 0
    if begin == len(images):
        return
    files.open(done)
    digest = _fingerprint(images, begin)
    noted, flipped = time.monotonic(), files.about["flipped"]
    size = batch_size(math.prod(images.shape))
    for pixels in images.in_order(size, begin):
        codes = _codes(model, pixels.flip(-1) if flipped else pixels, files.about["tile"])
        if done is None:
            done = Done(0, 0, Moments.none(codes.shape[1]), "")
        keys = images.keys(done.images, len(codes))
        if not np.isfinite(codes).all():
            raise InputError(
                f"Codes of {images.domain.nouns} {keys[0]!r} to {keys[-1]!r} are not all finite."
            )
        digest.update(images.marks(done.images, len(codes)))
        done = Done(
            done.images + len(codes),
            done.key_bytes + files.append(codes, keys),
            done.moments.with_batch(codes),
            digest.hexdigest(),
        )
        if time.monotonic() - noted > SECONDS_PER_NOTE:
            files.note(done)
            noted = time.monotonic()
        yield done


def _codes(
    model: Autoencoder | ExactModel, values: Tensor, tile: Literal["off"] | int
) -> np.ndarray:
    """Codes `(n, *latent_shape)` float32 of examples as data hold them."""
    if isinstance(model, ExactModel):
        return model.encode(values).numpy()
    with families.guarded(model, "failed to encode"), torch.inference_mode():
        if model.spec.domain.is_image:
            codes = encode_tiled(model, as_gray(values.to(model.device)), tile)
        else:  # float64 goes to the device after it is standardized
            codes = model.encode(values)
        if codes.shape != (len(values), *model.spec.code_shape(tuple(values.shape[1:]))):
            raise ValueError(
                f"_encode gives {tuple(codes.shape)} for {len(values)} {model.spec.domain.nouns}"
            )
        return codes.float().cpu().numpy()
