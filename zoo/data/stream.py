"""Examples that are not held in memory: read by worker processes, ahead of whoever uses them."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
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
"""Examples that are read at once without workers: starting those would take longer."""
PREFETCHED = 2
"""Batches that a worker may be ahead."""
RAISED_IN_WORKER = "in DataLoader worker process"
"""What torch writes into an error that a worker handed over."""

Read = tuple[Tensor | None, list[tuple[int, str]]]
"""Examples `(n, *shape)`, or None if any failed; and the number of each that failed, with its sentence."""


@dataclass(frozen=True)
class StreamedExamples:
    """Examples of one split of a dataset, read when they are needed. As `Examples`, but for `values`.

    A batch is the same whoever reads it: it depends on the numbers of its examples, and in training
    on the seed and the epoch.
    """

    dataset: str
    split: str
    source: Source
    numbers: np.ndarray
    """Of the split's examples, in the source, `(N,)` int64."""
    shape: tuple[int, ...]
    transform: Transform
    """Of images; rows and series are as they are."""
    keep_fitting: bool = False
    """Whether the transform leaves images alone that already have the height and width of `shape`."""

    sha256 = ""
    """Not known before all are read: who measures them hashes them."""

    @property
    def dtype(self) -> torch.dtype:
        """Of the values."""
        return self.source.dtype

    @property
    def domain(self) -> Domain:
        """What one example is: an image, a row or a series."""
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
        """What changes when consecutive examples do: their keys, and as `Source.marks`."""
        numbers = self.numbers[first : first + count]
        runs = [(int(n), 1) for n in numbers]
        if is_run(numbers):
            runs = [(int(numbers[0]), count)]
        keys = json.dumps(self.keys(first, count)).encode()
        return b"".join([keys, *(self.source.marks(*run) for run in runs)])

    def paths(self) -> list[str]:
        """The files of its source."""
        return list(self.source.paths(0, len(self.source)))

    def order(self, seed: int, epoch: int) -> Tensor:
        """All numbers `(N,)` in the order of an epoch, which depends on seed and epoch alone.

        A large set's shards follow one another in an order drawn anew, and so do the examples within
        some thousand neighbors, so that few files are read at a time.
        """
        if self.source.shards is None or len(self) <= self.source.whole:
            return shuffled(len(self), seed, epoch)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        turns = torch.randperm(len(self.source.shards), generator=generator).numpy()
        shard = np.searchsorted(self.source.shards, self.numbers, side="right") - 1
        order = torch.from_numpy(np.argsort(turns[shard], kind="stable"))
        pieces = order.split(self.source.together)
        return torch.cat([p[torch.randperm(len(p), generator=generator)] for p in pieces])

    def read(self, batches: Iterable[Tensor], epoch_seed: int | None = None) -> Iterator[Tensor]:
        """The examples of each batch of numbers, `(n, *shape)`.

        With an `epoch_seed` the transform's random part is drawn from it and the image's number.
        Raises DataError for a damaged example, with its key, and for a worker that dies.
        """
        reader = _Reader(self, epoch_seed)
        for values, failures in _read_ahead(reader, batches, len(self)):
            if values is None:
                raise DataError(failures[0][1])
            yield values

    def mean(self) -> Tensor:
        """The mean image, `(C, H, W)` float32 in [0, 1]. Of rows and series see `moments`."""
        return mean_of(self)

    def first(self, count: int) -> Tensor:
        """The first examples, `(n, *shape)`."""
        return next(self.read([torch.arange(min(count, len(self)))]))

    def to(self, device: torch.device) -> StreamedExamples:
        """Itself: nothing of it is on any device."""
        return self

    def without_damaged(self, most: int) -> StreamedExamples:
        """The same without the examples that cannot be read, each of which is named.

        Every example is read once, shared among the processes. Raises DataError for more than `most`.
        """
        pieces = torch.arange(len(self)).split(PIECE)[processes.index() :: processes.count()]
        found = _read_ahead(_Reader(self, None), pieces, len(self))
        where = f"{self.split} split of {self.dataset}"
        bad = damaged_numbers(
            [bad for _, some in found for bad in some], most, where, self.source.nouns
        )
        return replace(self, numbers=np.delete(self.numbers, bad))

    def held(self) -> Examples:
        """All of them in memory, in order."""
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
        for numbers in batches:  # to hand them over would take a worker longer than to read them
            run = reader.run(numbers)
            yield next(self.read([numbers])) if run is None else run


class _Kept(NamedTuple):
    """A batch for which there was no shared memory: it lies in memory of the worker's own."""

    place: str
    """Opens it, for as long as the worker lives; empty where there is no such memory either."""
    shape: tuple[int, ...]
    dtype: torch.dtype
    why: str


class _Reader(Dataset):
    """What a worker does with a batch of numbers. Errors are values: a worker would wrap them."""

    def __init__(self, images: StreamedExamples, epoch_seed: int | None) -> None:
        self.images, self.epoch_seed = images, epoch_seed
        self.fit = Fit(
            images.shape, images.transform, images.keep_fitting
        )  # unused by rows and series
        self.kept: deque[BinaryIO] = deque(maxlen=PREFETCHED + 1)  # one more may be being read

    def __getitem__(self, numbers: np.ndarray) -> Read | _Kept:
        """In a worker process."""
        values, failures = self.batch(torch.from_numpy(numbers))
        if values is None:
            return values, failures
        try:
            values.share_memory_()  # torch would do it later, where a failure loses the batch
        except (RuntimeError, OSError) as full:  # 64 MB in a container where nobody said otherwise
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
        """The examples of a batch of numbers, or why there are none."""
        with suppress(DataError):  # of one of them: it is named below
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
        """Examples that need no fitting, read at once where the source can. Raises DataError."""
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
            return source.read(number)  # pyright: ignore[reportReturnType]  # no picture
        if self.epoch_seed is not None:
            seed = (self.epoch_seed * 1_000_003 + number) % 2**63
        return self.fit(source.read(number), source.title(number), seed)


class _Listed(Sampler):
    """Arrays: tensors would go to the workers through shared memory."""

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
                f"Processes that read examples cannot hand them over ({read.why}). ZOO_WORKERS=0 reads "
                "them without."
            )


def _from_workers(
    reader: _Reader, batches: Iterable[Tensor], workers: int
) -> Iterator[Read | _Kept]:
    """What worker processes read, in order. Raises DataError where one of them dies."""
    loader = DataLoader(
        reader,
        batch_size=None,
        sampler=_Listed(batches),
        num_workers=workers,
        prefetch_factor=PREFETCHED,
        collate_fn=_as_it_is,  # pyright: ignore[reportArgumentType]  # not a list: there is no batch_size
        generator=torch.Generator(),  # else it would draw from the program's
        worker_init_fn=_begin_worker,
    )
    found = None
    try:
        with _signals_as_they_are():
            multiprocessing.Event()  # needs shared memory: a loader that has none is torn down noisily
            found = iter(loader)
        yield from found
        return
    except (RuntimeError, OSError, EOFError) as failure:
        if RAISED_IN_WORKER in str(failure):  # by a dataset: the workers live
            raise
        why = _first_line(failure)
        lacks_files = isinstance(failure, OSError) and failure.errno == errno.EMFILE
        is_begun = found is not None and not lacks_files
    del found  # ends the workers, now that no error holds it
    if is_begun:
        raise DataError(
            f"A process that reads examples died ({why}): it was killed, or memory ran out. "
            "ZOO_WORKERS=1 starts fewer of them."
        )
    raise DataError(
        f"{workers} processes cannot read examples here ({why}). ZOO_WORKERS=0 reads them without."
    )


@contextmanager
def _signals_as_they_are() -> Iterator[None]:
    """torch's handler would raise an error for a worker that dies in the midst of any other work."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGCHLD"):
        yield
        return
    before = signal.getsignal(signal.SIGCHLD)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)


def _as_it_is(read: Read | _Kept) -> Read | _Kept:
    return read


def _first_line(failure: BaseException) -> str:
    return (str(failure).splitlines() or [type(failure).__name__])[0].rstrip(".")


def worker_count() -> int:
    """Processes that read examples: `ZOO_WORKERS`, else one a core, at most 8, shared with its peers."""
    if (said := environment.count("ZOO_WORKERS")) is not None:
        return said
    return max(1, min(8, processes.processors() // processes.on_this_machine()))


def _begin_worker(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that trains
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
