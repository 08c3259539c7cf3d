"""The public functions that compress images losslessly: compress, decompress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError, InputError, UnknownNameError

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.coding.file import Compressed
    from zoo.data import AnyExamples
    from zoo.models import Autoencoder

# torch is imported by the functions that need it.


def compress(
    model: Autoencoder,
    images: Any,
    *,
    chunk: int | None = None,
    binarize: bool = False,
    lossy: bool = False,
    on_progress: Callable[[int], None] = lambda done: None,
) -> bytes:
    """Images as a file's bytes, from which `decompress` gives the same levels on every machine.

    Bits-back coding with asymmetric numeral systems (Townsend et al. 2019), in integer arithmetic: the
    file's size is close to minus the ELBO. It needs the extra `coding`.

    Args:
        model: a VAE with the likelihood `bernoulli`, of levels 0 and 255, or `discretized-logistic`, of
            levels 0 to 255: `vae`, `beta-vae`, `conv-vae`, `beta-tc-vae`, `factor-vae` or
            `hierarchical-vae`; or, lossy, a `vq-vae`.
        images: `(N, C, H, W)` uint8 of the model's shape, a tensor, an array, examples, or the path of a
            folder or a file.
        chunk: images of a chunk, which is decoded on its own; None chooses it so that starting the chunks
            takes at most 0.25 % of the bits.
        binarize: draw each pixel with its gray level as probability, by the fixed draw of the protocol
            `binarized`. The gray levels are then lost.
        lossy: compress with a `vq-vae`: what is restored are its reconstructions.
        on_progress: called with the number of images that are done.

    Raises:
        InputError: for a model that has no exact form or another likelihood, gray levels without
            `binarize`, a `vq-vae` without `lossy`, images of another shape, no images, or an invalid
            `chunk`.
        NotInstalledError: if constriction is not installed.
    """
    done = b""
    for done in compressed_parts(  # noqa: B007  # the last one has all
        model, images, chunk=chunk, binarize=binarize, lossy=lossy, on_progress=on_progress
    ):
        pass
    return done


def compressed_parts(
    model: Autoencoder,
    images: Any,
    *,
    chunk: int | None = None,
    binarize: bool = False,
    lossy: bool = False,
    begun: Compressed | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Iterator[bytes]:
    """As `compress`, a file of the first images after each group of chunks; the last one has all.

    `begun` is such a file, from which to resume.
    """
    import hashlib

    import torch

    from zoo.coding.exact import exact_form
    from zoo.coding.file import MOST_CHUNK, Header, written
    from zoo.coding.images import encoded
    from zoo.folder.weights import weights_bytes
    from zoo.integers.grids import VERSION
    from zoo.integers.models import Quantized
    from zoo.registry import families

    examples = _examples_of(model, images)
    exact = exact_form(model)
    assert exact.levels is not None
    count = len(examples)
    if chunk is not None and (type(chunk) is not int or not 1 <= chunk <= MOST_CHUNK):
        raise InputError(f"chunk is an integer from 1 to {MOST_CHUNK:,}; got {chunk!r}.")
    is_lossy, is_binary = isinstance(exact, Quantized), exact.levels.values == "binary"
    if is_lossy and not lossy:
        raise InputError(
            "A vq-vae restores images close to yours, not yours: lossy=True (--lossy) says that this will do."
        )
    if lossy and not is_lossy:
        raise InputError("lossy=True (--lossy) is of a vq-vae; this model loses nothing.")
    if binarize and (is_lossy or not is_binary):
        raise InputError(
            "binarize=True (--binarize) is of lossless models of black and white images."
        )

    def read(first: int, last: int) -> Tensor:
        levels = next(iter(examples.read([torch.arange(first, last)])))
        return _binary(levels, first, binarize, examples) if is_binary and not is_lossy else levels

    header = Header(
        exact=VERSION,
        model=_address_of(model),
        family=families.of(model).name,
        weights_sha256=hashlib.sha256(weights_bytes(model)).hexdigest(),
        network_sha256=exact.digest,
        values="vectors" if is_lossy else exact.levels.values,
        binarized=binarize,
        shape=exact.shape,
        count=count,
        chunks=1,
        sha256="0" * 64,
    )
    keys = [examples.key(number) for number in range(count)]
    are_numbers = all(key.rpartition("/")[2] == str(n) for n, key in enumerate(keys))
    for done in encoded(exact, read, count, chunk, begun=begun, on_progress=on_progress):
        found = {"count": done.count, "sha256": done.sha256, "psnr": done.psnr, "tails": done.tails}
        own = None if are_numbers else keys[: done.count]
        yield written(header.model_copy(update=found), done.chunks, done.side, own)


def compress_to(file: Path, model: Autoencoder, images: Any, **how: Any) -> None:
    """Compresses to a file. Until all is done `FILE.partial` has the first images; the same call resumes.

    Arguments and errors are those of `compress`; InputError too for a folder, and for a file of another
    kind, which would be lost.
    """
    from zoo.coding.images import BegunError
    from zoo.io.files import write_atomically
    from zoo.io.locks import locked

    if file.is_dir() or (file.exists() and not is_compressed(file)):
        raise InputError(
            f"{str(file)!r} exists and is no file of compressed images: choose another name."
        )
    partial = file.with_name(f"{file.name}.partial")
    in_use = f"Another process writes {str(file)!r}. Wait for it, or choose another name."
    with locked(file.with_name(f".{file.name}.lock"), in_use, InputError):
        begun = None
        if partial.exists():
            with suppress(DataError):
                begun = opened(partial)
        try:
            for data in compressed_parts(model, images, begun=begun, **how):
                write_atomically(partial, data)
        except BegunError as other:
            raise InputError(
                f"{str(partial)!r} was begun with other images, another model or other settings ({other}): "
                "remove it, or choose another name."
            ) from None
        partial.replace(file)


def is_compressed(file: str | Path) -> bool:
    """Whether a file has the first bytes of one of compressed images."""
    from zoo.coding.file import MAGIC

    try:
        with open(file, "rb") as opened_file:
            return opened_file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def decompress(
    data: bytes | str | Path,
    *,
    model: Autoencoder | None = None,
    only: range | None = None,
    skip_damaged: bool = False,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Tensor:
    """The images of a file, `(N, C, H, W)` uint8, the same bytes on every machine.

    Args:
        data: what `compress` returned, or the path of a file that holds it.
        model: the model; None loads the published one of the name in the file. Nothing is fetched.
        only: numbers of the images wanted, in steps of 1; only their chunks are decoded.
        skip_damaged: leave out the images of damaged chunks instead of raising.
        on_progress: called with the number of images that are done.

    Raises:
        DataError: for bytes that are no such file, or are cut short, damaged, or of a newer version.
        InputError: for another model than the file's, one that is not at hand, and for images outside the
            file.
    """
    import torch

    from zoo.coding.exact import exact_form
    from zoo.coding.images import decoded

    file = opened(data)
    exact = exact_form(model_of(file) if model is None else model)
    return torch.cat(
        [levels for _, levels in decoded(file, exact, only, skip_damaged, on_progress)]
    )


def opened(data: bytes | str | Path) -> Compressed:
    """The parts of a file. Raises DataError."""
    from zoo.coding.file import MOST_BYTES, parsed
    from zoo.io.files import read_regular, with_home

    if isinstance(data, bytes | bytearray | memoryview):
        return parsed(bytes(data), "This")
    path = with_home(data, DataError)
    return parsed(read_regular(path, MOST_BYTES, DataError), repr(str(path)))


def model_of(file: Compressed) -> Autoencoder:
    """The published model named in a file; nothing is fetched. Raises InputError if it names no published model."""
    from zoo.api.models import load
    from zoo.registry import published

    name = file.header.model
    with suppress(UnknownNameError):
        if name and published.line(name).folder.is_dir():
            return load(name)
    where = (
        f"It was compressed with {name!r}" if name else "It was compressed with a model of a folder"
    )
    raise InputError(
        f"{where}, family {file.header.family!r}, weights {file.header.weights_sha256[:12]}..., and a file is "
        "no reason to fetch anything: load that model, and give it as model= or --model."
    )


def _examples_of(model: Autoencoder, images: Any) -> AnyExamples:
    """Images of the model's shape. Raises InputError."""
    import numpy as np
    import torch

    from zoo.data import Examples, StreamedExamples, open_all
    from zoo.evaluation.evaluate import check_shape
    from zoo.specs.data import Transform

    if isinstance(images, str | Path):
        images = open_all((str(images),), shape=model.spec.input_shape, transform=Transform())
    if not isinstance(images, Examples | StreamedExamples):
        levels = (
            torch.as_tensor(np.asarray(images)) if not isinstance(images, torch.Tensor) else images
        )
        if levels.dtype != torch.uint8:
            raise InputError(f"compress takes uint8 levels (N, C, H, W); got {levels.dtype}.")
        images = Examples("images", "all", levels.cpu())
    if not len(images):
        raise InputError("There are no images to compress.")
    check_shape(model, images)
    return images


def _binary(levels: Tensor, first: int, binarize: bool, examples: AnyExamples) -> Tensor:
    """Levels 0 and 255. Raises InputError for gray ones that are not to be binarized."""
    import torch

    from zoo.data import shown_in_testing

    if binarize:
        return (shown_in_testing(levels, "binarized", first) * 255).to(torch.uint8)
    gray = ((levels > 0) & (levels < 255)).flatten(1).any(1)
    if gray.any():
        number = first + int(gray.nonzero()[0])
        raise InputError(
            f"Image {examples.key(number)} has gray pixels, and the model's likelihood is of black and white "
            "ones: binarize=True (--binarize) draws them, which is not lossless."
        )
    return levels


def _address_of(model: Autoencoder) -> str:
    """Where others can load a model from, a published name or a repo on the Hub; else empty."""
    from zoo.registry import published

    origin = model.info.origin if model.info else ""
    return origin if origin.startswith("hf://") or published.known(origin) else ""
