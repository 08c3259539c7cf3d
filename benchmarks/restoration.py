"""Denoised and inpainted images, beside classical methods on the same bytes.

    python benchmarks/restoration.py --data FOLDER --sigma 15 25 50 --models dae-bsd
    python benchmarks/restoration.py --data mnist --sigma 76.5 127.5 --mask 0.5 --models dae-mnist vae-mnist-20 --limit 500

Sigma is of 255 levels; images are not clipped and not rounded. Each method gets the same corrupted bytes, whose sha256 is
printed; the classical ones are told sigma, or which pixels are missing, and their one setting was chosen on the training
split (`--tune N` images of it). With `pip install scikit-image bm3d`; what is not installed is left out, and said. Seconds are
of the clock, one thread. `--pictures FILE` writes the best, the typical and the worst image of the first model.
"""

from __future__ import annotations

import argparse
import functools
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from comparison import print_setting, print_table
from PIL import Image
from scipy.ndimage import median_filter
from torch import Tensor

import zoo
from zoo.data.open import find_source
from zoo.data.transform import as_pixels
from zoo.models import VariationalAutoencoder
from zoo.restoration.denoise import denoised
from zoo.restoration.measure import (
    Restorations,
    corrupted_images,
    measure_restorations,
    missing_pixels,
)
from zoo.specs.corruptions import GaussianNoise, Mask
from zoo.specs.restoration import RestorationProtocol

Restore = Callable[[Tensor], Tensor]
TV_WEIGHTS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Of total variation, times sigma."""
MEDIANS = (3, 5, 7)
"""Sides of the median's window."""
NLM = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
"""Of non-local means: its h over sigma."""
COLUMNS = ["method", "setting", "psnr", "s.e.", "ssim", "mse", "psnr of missing", "s / Mpx"]
POSTERIOR_SAMPLES = 64


def main() -> None:
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="mnist", help="a dataset's name or a folder")
    parser.add_argument("--split", default="test")
    parser.add_argument("--sigma", type=float, nargs="*", default=[], help="of 255 levels")
    parser.add_argument("--mask", type=float, nargs="*", default=[], help="share of missing pixels")
    parser.add_argument("--models", nargs="*", default=[])
    parser.add_argument("--limit", type=int, default=10_000, help="images  [default: 10,000]")
    parser.add_argument("--tune", type=int, default=10, help="training images  [default: 10]")
    parser.add_argument("--pictures", type=Path, help="a .png file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print_setting()
    models = {name: zoo.load(name) for name in arguments.models}
    images = _images(arguments.data, arguments.split, arguments.limit)
    tuning = _images(arguments.data, "train", arguments.tune)
    protocols = [
        RestorationProtocol.model_validate(
            {"corruption": [{"kind": "gaussian", "sigma": sigma / 255}]}
        )
        for sigma in arguments.sigma
    ]
    protocols += [
        RestorationProtocol.model_validate({"corruption": [{"kind": "mask", "share": share}]})
        for share in arguments.mask
    ]
    for protocol in protocols:
        _compare(arguments, protocol, models, images, tuning)


def _compare(
    arguments: argparse.Namespace,
    protocol: RestorationProtocol,
    models: dict[str, zoo.Autoencoder],
    images: list[Tensor],
    tuning: list[Tensor],
) -> None:
    (one,) = protocol.corruption
    if isinstance(one, GaussianNoise):
        methods = _denoisers(one.sigma[0], images[0].shape[0])
    else:
        methods = _inpainters(images, protocol)
    rows: list[list[str]] = []
    found: Restorations | None = None
    for name, settings in methods.items():
        setting, restore = _chosen(settings, tuning, protocol)
        found = measure_restorations(restore, images, protocol)
        rows.append(_row(name, setting, found))
        print(*rows[-1], flush=True)
    for name, model in models.items():
        for what, restore in _of_model(model, one, images, protocol).items():
            own = measure_restorations(restore, images, protocol)
            assert found is None or own.sha256 == found.sha256
            rows.append(_row(name, what, own))
            print(*rows[-1], flush=True)
            if arguments.pictures and what == "reconstruction":
                _draw(arguments.pictures, images, protocol, restore, own)
                arguments.pictures = None
            found = own
    assert found is not None
    print(f"\n{arguments.data}, {arguments.split}, {found.n_examples} images: {protocol.title}")
    print(f"corrupted images: sha256 {found.sha256}")
    print_table(COLUMNS, rows)


def _row(name: str, setting: str, found: Restorations) -> list[str]:
    error = "" if found.psnr_se is None else f"{found.psnr_se:.2f}"
    numbers = [f"{found.psnr:.2f}", error, f"{found.ssim:.4f}", f"{found.mse:.6f}"]
    missing = "" if found.missing_psnr is None else f"{found.missing_psnr:.2f}"
    return [name, setting, *numbers, missing, f"{found.seconds_per_megapixel:.2f}"]


def _images(data: str, split: str, limit: int) -> list[Tensor]:
    """The first images of a split, `(C, H, W)` uint8, of any sizes."""
    _, _, source, numbers = find_source(data, split)
    return [as_pixels(source.read(int(number))) for number in numbers[:limit]]


def _chosen(
    settings: dict[str, Restore], tuning: list[Tensor], protocol: RestorationProtocol
) -> tuple[str, Restore]:
    """The setting of the highest PSNR on training images."""
    if len(settings) == 1:
        return next(iter(settings.items()))
    scores = {
        name: measure_restorations(restore, tuning, protocol).psnr
        for name, restore in settings.items()
    }
    best = max(scores, key=lambda name: scores[name])
    return best, settings[best]


def _of_model(
    model: zoo.Autoencoder, one: Any, images: list[Tensor], protocol: RestorationProtocol
) -> dict[str, Restore]:
    found: dict[str, Restore] = {
        "reconstruction": lambda y: denoised(model, y[None])[0],
    }
    if isinstance(model, VariationalAutoencoder) and isinstance(one, GaussianNoise):
        found[f"posterior mean, {POSTERIOR_SAMPLES} samples"] = lambda y: denoised(
            model, y[None], sigma=one.sigma[0], samples=POSTERIOR_SAMPLES
        )[0]
    if isinstance(one, Mask):
        masks = _masks(images, protocol)
        found["observed pixels kept"] = lambda y: torch.where(
            next(masks), denoised(model, y[None])[0], y
        )
    return found


def _masks(images: list[Tensor], protocol: RestorationProtocol) -> Iterator[Tensor]:
    """What is missing of each image, `(1, H, W)`, in their order, which is that of their restoration."""
    return (missing_pixels(pixels.shape, n, protocol) for n, pixels in enumerate(images))


def _denoisers(sigma: float, channels: int) -> dict[str, dict[str, Restore]]:
    """Methods with their settings."""
    found: dict[str, dict[str, Restore]] = {
        "identity": {"": lambda y: y},
        "median": {f"{side} x {side}": functools.partial(_median, side) for side in MEDIANS},
    }
    if restoration := _imported("skimage.restoration"):
        found["total variation"] = {
            f"{weight} sigma": _of_numpy(
                functools.partial(restoration.denoise_tv_chambolle, weight=weight * sigma), channels
            )
            for weight in TV_WEIGHTS
        }
        found["wavelet (BayesShrink)"] = {
            "": _of_numpy(
                functools.partial(restoration.denoise_wavelet, sigma=sigma, rescale_sigma=True),
                channels,
            )
        }
        found["non-local means"] = {
            f"h = {h} sigma": _of_numpy(
                functools.partial(
                    restoration.denoise_nl_means, h=h * sigma, sigma=sigma, fast_mode=True
                ),
                channels,
            )
            for h in NLM
        }
    if bm3d := _imported("bm3d"):
        function = bm3d.bm3d if channels == 1 else bm3d.bm3d_rgb
        found["BM3D"] = {"": functools.partial(_bm3d, function, sigma)}
    return found


def _inpainters(
    images: list[Tensor], protocol: RestorationProtocol
) -> dict[str, dict[str, Restore]]:
    """Methods for missing pixels; biharmonic inpainting is given each image's mask, in order."""
    found: dict[str, dict[str, Restore]] = {
        "identity": {"": lambda y: y},
        "median": {f"{side} x {side}": functools.partial(_median, side) for side in MEDIANS},
    }
    if restoration := _imported("skimage.restoration"):
        masks = _masks(images, protocol)

        def biharmonic(y: Tensor) -> Tensor:
            image = y.permute(1, 2, 0).numpy()
            filled = restoration.inpaint_biharmonic(image, next(masks)[0].numpy(), channel_axis=-1)
            return torch.from_numpy(np.asarray(filled, np.float32)).permute(2, 0, 1)

        found["biharmonic"] = {"": biharmonic}
    return found


def _median(side: int, y: Tensor) -> Tensor:
    return torch.from_numpy(np.stack([median_filter(one, side) for one in y.numpy()]))


def _of_numpy(function: Callable[..., np.ndarray], channels: int) -> Restore:
    """A function of scikit-image, of images `(H, W)` or `(H, W, C)`."""

    def restore(y: Tensor) -> Tensor:
        if channels == 1:
            return torch.from_numpy(np.asarray(function(y[0].numpy()), np.float32))[None]
        restored = function(y.permute(1, 2, 0).numpy(), channel_axis=-1)
        return torch.from_numpy(np.asarray(restored, np.float32)).permute(2, 0, 1)

    return restore


def _bm3d(function: Callable[..., np.ndarray], sigma: float, y: Tensor) -> Tensor:
    image = y[0].numpy() if len(y) == 1 else y.permute(1, 2, 0).numpy()
    restored = torch.from_numpy(np.asarray(function(image, sigma), np.float32))
    return restored[None] if len(y) == 1 else restored.permute(2, 0, 1)


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed: its methods are left out")
        return None


def _draw(
    path: Path,
    images: list[Tensor],
    protocol: RestorationProtocol,
    restore: Restore,
    found: Restorations,
) -> None:
    """The best, the median and the worst image: clean, corrupted, restored, side by side."""
    order = np.argsort(found.psnrs)
    chosen = [int(order[-1]), int(order[len(order) // 2]), int(order[0])]
    pairs = list(corrupted_images(images, protocol))
    rows = []
    for number in chosen:
        pixels, y = pairs[number]
        side = min(160, *pixels.shape[1:])
        three = [pixels.float() / 255, y.clamp(0, 1), restore(y).clamp(0, 1)]
        rows.append(torch.cat([one[:, :side, :side] for one in three], 2))
    shown = (torch.cat(rows, 1) * 255).round().byte()
    array = shown[0] if len(shown) == 1 else shown.permute(1, 2, 0)
    image = Image.fromarray(array.numpy())
    factor = max(1, 480 // image.width)
    image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST).save(path)
    print(f"{path}: images {chosen}, {[round(found.psnrs[n], 2) for n in chosen]} dB")


if __name__ == "__main__":
    main()
