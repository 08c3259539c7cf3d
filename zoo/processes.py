"""The processes of one program: one, unless `torchrun` or `accelerate launch` started it.

Accelerate connects them, with gloo on processors and nccl on GPUs.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

from zoo.errors import ZooError

if TYPE_CHECKING:
    from accelerate import PartialState

ValueT = TypeVar("ValueT")


def are_many() -> bool:
    """Whether a launcher started more than this process. Imports and connects nothing."""
    return count() > 1


def count() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def index() -> int:
    """The number of this process, from 0."""
    return int(os.environ.get("RANK", "0")) if are_many() else 0


def is_first() -> bool:
    """Whether this is the process that writes and prints."""
    return index() == 0


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_this_machine() -> int:
    """How many of the processes share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if are_many() else 1


@functools.cache
def state() -> PartialState:
    """Accelerate's, which connects the processes when it is first asked for."""
    import torch
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    atexit.register(_disconnect)
    no_gpu = not torch.accelerator.is_available()
    return PartialState(cpu=no_gpu or bool(parse_flag_from_env("ACCELERATE_USE_CPU")))


def leave(code: int) -> NoReturn:
    """Ends one of many processes: threads of torch's sometimes abort one that ends as others do."""
    _disconnect()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _disconnect() -> None:
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_initialized():
        distributed.destroy_process_group()


def gathered(value: ValueT) -> list[ValueT]:
    """The values of all processes, in their order, in every one of them."""
    if not are_many():
        return [value]
    from accelerate.utils import gather_object

    state()
    return gather_object([value])


def from_first(make: Callable[[], ValueT]) -> ValueT:
    """What `make` gives in the first process, in every process; so with the ZooError that it raises."""
    if not are_many():
        return make()
    from accelerate.utils import broadcast_object_list

    state()
    told: list = [None, None]
    if is_first():
        try:
            told = [make(), None]
        except ZooError as wrong:
            told = [None, wrong]
    value, wrong = broadcast_object_list(told)
    if wrong is not None:
        raise wrong
    return value
