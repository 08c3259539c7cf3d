"""Restoration protocols: corrupted bytes made again from the documentation alone, and identities."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.special import ndtri

from zoo.errors import InputError
from zoo.restoration.measure import (
    corrupted_images,
    measure_restorations,
    missing_pixels,
    nrmse,
)
from zoo.specs.restoration import RestorationProtocol

PIXELS = torch.from_numpy(
    np.random.Generator(np.random.Philox(3)).integers(0, 256, (4, 1, 12, 14), np.uint8)
)


def protocol(**fields) -> RestorationProtocol:
    return RestorationProtocol.model_validate(
        {"corruption": {"kind": "gaussian", "sigma": "25/255"}} | fields
    )


def uniform(number: int, count: int) -> np.ndarray:
    """What docs/restoration.md says of the random numbers of image `number`."""
    key, counter = np.array([0, 0], np.uint64), np.array([0, 0, 0, number], np.uint64)
    raw = np.random.Philox(key=key, counter=counter).random_raw(count)
    return ((raw >> np.uint64(40)).astype(np.float64) + 0.5) / 2**24


def test_noise_is_made_again_from_the_documentation():
    made = hashlib.sha256()
    for number, pixels in enumerate(PIXELS.numpy()):
        u = uniform(number, 1 + pixels.size)[1:].reshape(pixels.shape)
        x = pixels.astype(np.float32) / np.float32(255)
        y = x + np.float32(25 / 255) * ndtri(u).astype(np.float32)
        made.update(y.astype("<f4").tobytes())
    found = measure_restorations(lambda y: y, PIXELS, protocol())
    assert found.sha256 == made.hexdigest()


def test_masks_are_made_again_from_the_documentation():
    half = protocol(corruption={"kind": "mask", "share": 0.5})
    for number, (pixels, y) in enumerate(corrupted_images(PIXELS, half)):
        kept = uniform(number, 1 + pixels.numel())[1:].astype(np.float32) >= np.float32(0.5)
        wanted = (pixels.numpy().astype(np.float32) / np.float32(255)).ravel() * kept
        assert (y.numpy().ravel() == wanted).all()


def test_what_is_restored_wholly_and_not_at_all():
    clean = iter(PIXELS.float() / 255)
    assert measure_restorations(lambda y: next(clean), PIXELS, protocol()).psnr == 100
    found = measure_restorations(lambda y: y, PIXELS, protocol())
    assert found.n_examples == 4
    assert found.psnr == pytest.approx(-20 * np.log10(25 / 255), abs=1.0)
    assert found.psnr == pytest.approx(np.mean(found.psnrs))
    with pytest.raises(InputError, match="no images"):
        measure_restorations(lambda y: y, [], protocol())


def test_missing_pixels_are_measured_apart():
    half = protocol(corruption={"kind": "mask", "share": 0.5})
    found = measure_restorations(lambda y: y, PIXELS, half)
    wanted = []
    for number, pixels in enumerate(PIXELS.double() / 255):
        hidden = uniform(number, 1 + pixels.numel())[1:].reshape(pixels.shape) < 0.5
        wanted.append(-10 * np.log10(np.square(pixels.numpy()[hidden]).mean()))
    assert found.missing_psnr == pytest.approx(np.mean(wanted))
    assert float(found.missing_psnr or 0) < found.psnr - 2
    assert measure_restorations(lambda y: y, PIXELS, protocol()).missing_psnr is None
    with pytest.raises(InputError, match="masks alone, not of gaussian"):
        missing_pixels((1, 12, 14), 0, protocol())


def test_imputed_values_are_compared_in_deviations_of_their_columns():
    x = np.array([[1.0, 20.0], [3.0, 40.0]])
    drawn = np.array([[[1.0, 25.0], [3.0, 40.0]], [[1.0, 35.0], [3.0, 40.0]]])
    missing = np.array([[False, True], [True, False]])
    assert nrmse(drawn, x, missing, np.array([1.0, 10.0])) == pytest.approx(np.sqrt(0.5))


def test_identities_differ_with_every_setting():
    every = [
        protocol(),
        protocol(clipping=True),
        protocol(rounding="uint8"),
        protocol(seed=1),
        protocol(corruption={"kind": "gaussian", "sigma": 0.1}),
        protocol(corruption={"kind": "mask", "share": 0.1}),
        protocol(corruption={"kind": "mask", "share": 0.1, "side": 2}),
    ]
    assert len({one.identity for one in every}) == len(every)
    assert (
        protocol().identity
        == protocol(corruption=[{"kind": "gaussian", "sigma": 25 / 255}]).identity
    )
    assert protocol().title == f"gaussian, sigma 0.09804, not clipped [{protocol().identity}]"


def test_rounded_images_are_levels():
    _, y = next(corrupted_images(PIXELS, protocol(rounding="uint8")))
    assert torch.equal(y, (y * 255).round() / 255)
    assert y.min() >= 0


def test_a_range_is_no_protocol():
    with pytest.raises(ValidationError, match="every image is corrupted, not"):
        protocol(corruption={"kind": "gaussian", "sigma": 0.1, "probability": 0.5})
    with pytest.raises(ValidationError, match="one strength"):
        protocol(corruption={"kind": "gaussian", "sigma": [0.0, 0.4]})
