"""The processes of one program: one, unless `torchrun` or `accelerate launch` started it.

Accelerate connects them, with gloo on CPUs and nccl on GPUs.
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
    from torch import Tensor

ValueT = TypeVar("ValueT")

LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR")
"""Variables that torchrun and Accelerate's launchers set in every process."""


def are_many() -> bool:
    """Whether a launcher started several processes. Imports and connects nothing."""
    return count() > 1


def count() -> int:
    """The number of processes that the launcher started; 1 without a launcher.

    `WORLD_SIZE` and `RANK` alone do not imply a launcher: cluster pods have them too.
    """
    return int(os.environ["WORLD_SIZE"]) if all(map(os.environ.get, LAUNCHED)) else 1


def index() -> int:
    """The rank of this process, from 0."""
    return int(os.environ["RANK"]) if are_many() else 0


def is_first() -> bool:
    """Whether this is the process that writes and prints."""
    return index() == 0


def about_launcher() -> str:
    """A warning if WORLD_SIZE is above 1 although no launcher started this process, else ""."""
    size = os.environ.get("WORLD_SIZE", "1")
    if are_many() or size == "1" or all(map(os.environ.get, LAUNCHED)):
        return ""
    missing = ", ".join(name for name in LAUNCHED if not os.environ.get(name))
    return (
        f"WORLD_SIZE is {size}, but no launcher started this process ({missing} is not set): it trains "
        "alone, on all examples. Start it with torchrun to distribute the training."
    )


def processors() -> int:
    """The number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_this_machine() -> int:
    """The number of processes on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if are_many() else 1


def index_here() -> int:
    """The local rank of this process, from 0."""
    return int(os.environ["LOCAL_RANK"]) if are_many() else 0


def connect(cpu: bool) -> PartialState:
    """Accelerate's state. Connects the processes if they are not yet: with gloo on CPUs, else with nccl."""
    from accelerate import PartialState

    _disconnect_at_exit()
    return PartialState(cpu=cpu) if are_many() else PartialState()


def state() -> PartialState:
    """As `connect`, for callers that do not choose a device: with nccl if GPUs are available."""
    import torch
    from accelerate.utils import parse_flag_from_env

    gpu = torch.accelerator.current_accelerator(check_available=True)
    no_gpu = gpu is None or gpu.type == "mps"  # MPS has no communication backend
    return connect(no_gpu or bool(parse_flag_from_env("ACCELERATE_USE_CPU")))


def group() -> tuple[int, int]:
    """Rank and world size of the default process group; `(0, 1)` if it is not initialized."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def leave(code: int) -> NoReturn:
    """Exits without interpreter teardown, during which torch's threads can abort the process."""
    _disconnect()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _disconnect() -> None:
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_initialized():
        distributed.destroy_process_group()


@functools.cache
def _disconnect_at_exit() -> None:
    atexit.register(_disconnect)


def gathered(value: ValueT) -> list[ValueT]:
    """The values of all processes, ordered by rank, in every process."""
    if not are_many():
        return [value]
    from accelerate.utils import gather_object

    state()
    return gather_object([value])


def summed(values: Tensor) -> Tensor:
    """The sum of the tensors of all processes, of equal shape and dtype, in every process."""
    if not are_many():
        return values
    from accelerate.utils import reduce

    everywhere = reduce(values.to(state().device), "sum")
    return everywhere.to(values.device)  # pyright: ignore[reportAttributeAccessIssue]  # a tensor for a tensor


def from_first(make: Callable[[], ValueT]) -> ValueT:
    """Calls `make` in the first process and returns its value in all; if it raises, all raise."""
    if not are_many():
        return make()
    from accelerate.utils import broadcast_object_list

    state()
    outcome, failure = _attempt(make) if is_first() else ([], None)
    (outcome,) = broadcast_object_list([outcome])
    if failure is not None:
        raise failure
    return _unwrap(outcome)


def first_here(make: Callable[[], object]) -> None:
    """Calls `make` in one process per machine while the others wait; if one raises, all raise."""
    outcome, failure = _attempt(make) if index_here() == 0 else ([None, None], None)
    outcomes = gathered(outcome)
    if failure is not None:
        raise failure
    for one in outcomes:
        _unwrap(one)


def _attempt(make: Callable[[], object]) -> tuple[list, Exception | None]:
    """`[value, error]` of `make` to send to other processes, and the original exception."""
    try:
        return [make(), None], None
    except ZooError as wrong:
        return [None, wrong], wrong
    except Exception as wrong:  # another process may not be able to unpickle its class
        return [None, ZooError(f"Process {index()} failed: {type(wrong).__name__}: {wrong}")], wrong


def _unwrap(outcome: list):
    value, wrong = outcome
    if wrong is not None:
        raise wrong
    return value
