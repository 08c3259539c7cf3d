"""`StreamedExamples`: examples that are not held in memory but prefetched by worker processes."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from zoo.data.damaged import damaged_numbers
from zoo.data.examples import PIECE, Examples, mean_of, shuffled
from zoo.data.sources.base import Source, is_run
from zoo.data.transform import Fit
from zoo.errors import DataError
from zoo.runtime import environment, processes
from zoo.specs.data import Transform
from zoo.specs.domains import Domain, domain_of

FEW = 512
"""Up to this many examples are read without workers: starting these would take longer."""
PREFETCHED = 2
"""Batches that each worker prefetches."""
RAISED_IN_WORKER = "in DataLoader worker process"
"""Text that torch adds to an error raised in a worker."""

Read = tuple[Tensor | None, list[tuple[int, str]]]
"""Examples `(n, *shape)`, or None if any failed; and number and error message of each that failed."""


@dataclass(frozen=True)
class StreamedExamples:
    """Examples of one split of a dataset, read on demand. Like `Examples`, but without `values`.

    A batch depends only on the numbers of its examples and, in training, on seed and epoch, not on
    the worker or process that reads it.
    """

    dataset: str
    split: str
    source: Source
    numbers: np.ndarray
    """Numbers of the split's examples in the source, `(N,)` int64."""
    shape: tuple[int, ...]
    transform: Transform
    """Transform of images; rows and series are unchanged."""
    keep_fitting: bool = False
    """Leave images unchanged that already have the height and width of `shape`."""

    sha256 = ""
    """Unknown until all examples are read; evaluation computes it."""

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the values."""
        return self.source.dtype

    @property
    def domain(self) -> Domain:
        """Kind and size of an example: image, row or series."""
        return domain_of(self.shape)

    def __len__(self) -> int:
        return len(self.numbers)

    def key(self, number: int) -> str:
        """The key of an example."""
        return self.source.key(int(self.numbers[number]))

    def keys(self, first: int, count: int) -> list[str]:
        """The keys of consecutive examples."""
        numbers = self.numbers[first : first + count]
        if is_run(numbers):
            return self.source.keys(int(numbers[0]), count)
        return [self.source.key(int(number)) for number in numbers]

    def marks(self, first: int, count: int) -> bytes:
        """Bytes that change if consecutive examples change: their keys and `Source.marks`."""
        numbers = self.numbers[first : first + count]
        runs = [(int(n), 1) for n in numbers]
        if is_run(numbers):
            runs = [(int(numbers[0]), count)]
        keys = json.dumps(self.keys(first, count)).encode()
        return b"".join([keys, *(self.source.marks(*run) for run in runs)])

    def paths(self) -> list[str]:
        """The files of the source."""
        return list(self.source.paths(0, len(self.source)))

    def order(self, seed: int, epoch: int) -> Tensor:
        """All numbers `(N,)` in an epoch's order, which depends only on seed and epoch.

        For a large dataset of shards, the shards are shuffled, then the examples within blocks of
        `Source.together`, so that few files are read at a time.
        """
        if self.source.shards is None or len(self) <= self.source.whole:
            return shuffled(len(self), seed, epoch)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        turns = torch.randperm(len(self.source.shards), generator=generator).numpy()
        shard = np.searchsorted(self.source.shards, self.numbers, side="right") - 1
        order = torch.from_numpy(np.argsort(turns[shard], kind="stable"))
        pieces = order.split(self.source.together)
        return torch.cat([p[torch.randperm(len(p), generator=generator)] for p in pieces])

    def read(
        self, batches: Iterable[Tensor], epoch_seed: int | None = None
    ) -> Generator[Tensor, None, None]:
        """The examples of each batch of numbers, `(n, *shape)`.

        With an `epoch_seed`, the transform's random part is drawn from it and the image's number.
        Raises DataError for a damaged example, naming it, and if a worker dies.
        """
        reader = _Reader(self, epoch_seed)
        for values, failures in _read_ahead(reader, batches, len(self)):
            if values is None:
                raise DataError(failures[0][1])
            yield values

    def mean(self) -> Tensor:
        """The mean image, `(C, H, W)` float32 in [0, 1]. For rows and series, see `moments`."""
        return mean_of(self)

    def first(self, count: int) -> Tensor:
        """The first `count` examples, `(n, *shape)`."""
        return next(self.read([torch.arange(min(count, len(self)))]))

    def to(self, device: torch.device) -> StreamedExamples:
        """Returns itself: batches are always read to the CPU."""
        return self

    def without_damaged(self, most: int) -> StreamedExamples:
        """A copy without unreadable examples; logs a warning about them.

        Reads every example once, split among the processes. Raises DataError if more than `most` are
        unreadable.
        """
        pieces = torch.arange(len(self)).split(PIECE)[processes.index() :: processes.count()]
        found = _read_ahead(_Reader(self, None), pieces, len(self))
        where = f"{self.split} split of {self.dataset}"
        bad = damaged_numbers(
            [bad for _, some in found for bad in some], most, where, self.source.nouns
        )
        return replace(self, numbers=np.delete(self.numbers, bad))

    def held(self) -> Examples:
        """All examples in memory, in order."""
        values = torch.empty(len(self), *self.shape, dtype=self.dtype)
        for piece, read in zip(values.split(PIECE), self.in_order(PIECE), strict=True):
            piece.copy_(read)
        keys = [self.key(number) for number in range(len(self))]
        return Examples(self.dataset, self.split, values, keys, self.order)

    def in_order(self, size: int, start: int = 0) -> Iterator[Tensor]:
        """All examples from `start` on in order, `size` at a time. Errors as `read`."""
        count = len(self)
        batches = (
            torch.arange(first, min(first + size, count)) for first in range(start, count, size)
        )
        reader = _Reader(self, None)
        if reader.run(torch.arange(start, min(start + size, count))) is None:
            yield from self.read(batches)
            return
        for numbers in batches:  # transfer from a worker would take longer than reading
            run = reader.run(numbers)
            yield next(self.read([numbers])) if run is None else run


class _Kept(NamedTuple):
    """A batch kept in the worker's own memory because shared memory is full."""

    place: str
    """Path to read it from while the worker lives; empty if that is not supported either."""
    shape: tuple[int, ...]
    dtype: torch.dtype
    why: str


class _Reader(Dataset):
    """Reads batches, in workers. Returns errors as values: torch would wrap exceptions of a worker."""

    def __init__(self, images: StreamedExamples, epoch_seed: int | None) -> None:
        self.images, self.epoch_seed = images, epoch_seed
        self.fit = Fit(
            images.shape, images.transform, images.keep_fitting
        )  # unused for rows and series
        self.kept: deque[BinaryIO] = deque(maxlen=PREFETCHED + 1)  # one more may be in use

    def __getitem__(self, numbers: np.ndarray) -> Read | _Kept:
        """In a worker process."""
        values, failures = self.batch(torch.from_numpy(numbers))
        if values is None:
            return values, failures
        try:
            values.share_memory_()  # torch would do it later, where failing loses the batch
        except (RuntimeError, OSError) as full:  # a container has only 64 MB by default
            return self._kept(values, _first_line(full))
        return values, failures

    def _kept(self, values: Tensor, why: str) -> _Kept:
        shape, dtype = tuple(values.shape), values.dtype
        try:
            file = os.fdopen(os.memfd_create("zoo-examples"), "wb")
            file.write(values.contiguous().numpy().reshape(-1).view(np.uint8).data)
            file.flush()
        except (AttributeError, OSError):  # AttributeError: not Linux
            return _Kept("", shape, dtype, why)
        self.kept.append(file)
        return _Kept(f"/proc/{os.getpid()}/fd/{file.fileno()}", shape, dtype, why)

    def batch(self, numbers: Tensor) -> Read:
        """The examples of a batch of numbers, or the errors."""
        with suppress(DataError):  # of a single example: named below
            if (run := self.run(numbers)) is not None:
                return run, []
        fitted, failures = [], []
        for number in numbers.tolist():
            try:
                fitted.append(self._one(int(self.images.numbers[number])))
            except DataError as damaged:
                failures.append((number, str(damaged)))
        return None if failures else torch.stack(fitted), failures

    def run(self, numbers: Tensor) -> Tensor | None:
        """Examples that need no transform, read in bulk; None if that is not possible. Raises DataError."""
        source, places = self.images.source, self.images.numbers[numbers.numpy()]
        if (
            self.fit.transform != Transform()
            or source.shape != self.images.shape
            or not len(places)
        ):
            return None
        return source.read_some(places)

    def _one(self, number: int) -> Tensor:
        source, seed = self.images.source, None
        if source.is_real:
            return source.read(number)  # pyright: ignore[reportReturnType]  # never a Pillow image
        if self.epoch_seed is not None:
            seed = (self.epoch_seed * 1_000_003 + number) % 2**63
        return self.fit(source.read(number), source.title(number), seed)


class _Listed(Sampler):
    """Yields arrays, because tensors would be sent to the workers through shared memory."""

    def __init__(self, batches: Iterable[Tensor]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[np.ndarray]:
        return (numbers.numpy() for numbers in self.batches)


def _read_ahead(reader: _Reader, batches: Iterable[Tensor], count: int) -> Iterator[Read]:
    workers = worker_count() if count > FEW else 0
    if not workers:
        yield from map(reader.batch, batches)
        return
    for read in _from_workers(reader, batches, workers):
        if not isinstance(read, _Kept):
            yield read
        elif read.place:
            data = torch.from_numpy(np.fromfile(read.place, np.uint8))
            yield data.view(read.dtype).view(read.shape), []
        else:
            raise DataError(
                f"Worker processes cannot return examples ({read.why}). ZOO_WORKERS=0 reads without "
                "workers."
            )


def _from_workers(
    reader: _Reader, batches: Iterable[Tensor], workers: int
) -> Iterator[Read | _Kept]:
    """Batches read by worker processes, in order. Raises DataError if a worker dies."""
    loader = DataLoader(
        reader,
        batch_size=None,
        sampler=_Listed(batches),
        num_workers=workers,
        prefetch_factor=PREFETCHED,
        collate_fn=_identity,  # pyright: ignore[reportArgumentType]  # not a list: there is no batch_size
        generator=torch.Generator(),  # the default would advance the global generator
        worker_init_fn=_begin_worker,
    )
    found = None
    try:
        with _without_torch_handler():
            multiprocessing.Event()  # fails early without shared memory, unlike the noisy DataLoader
            found = iter(loader)
        yield from found
        return
    except (RuntimeError, OSError, EOFError) as failure:
        if RAISED_IN_WORKER in str(failure):  # by a dataset: the workers are alive
            raise
        why = _first_line(failure)
        lacks_files = isinstance(failure, OSError) and failure.errno == errno.EMFILE
        has_started = found is not None and not lacks_files
    del found  # stops the workers: no exception references it now
    if has_started:
        raise DataError(
            f"A worker process that reads examples died ({why}): it was killed, or memory ran out. "
            "ZOO_WORKERS=1 starts fewer workers."
        )
    raise DataError(
        f"{workers} worker processes cannot be started ({why}). ZOO_WORKERS=0 reads without workers."
    )


@contextmanager
def _without_torch_handler() -> Iterator[None]:
    """Undoes torch's SIGCHLD handler, which would raise in unrelated code when a worker dies."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGCHLD"):
        yield
        return
    before = signal.getsignal(signal.SIGCHLD)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)


def _identity(read: Read | _Kept) -> Read | _Kept:
    return read


def _first_line(failure: BaseException) -> str:
    return (str(failure).splitlines() or [type(failure).__name__])[0].rstrip(".")


def worker_count() -> int:
    """Number of reading workers: `ZOO_WORKERS`, else one per CPU, at most 8, divided among local processes."""
    if (chosen := environment.count("ZOO_WORKERS")) is not None:
        return chosen
    return max(1, min(8, processes.processors() // processes.on_this_machine()))


def _begin_worker(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the training process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
