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
    from torch import Tensor

ValueT = TypeVar("ValueT")

LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR")
"""Variables that torchrun and Accelerate's launchers set in every process that they start."""


def are_many() -> bool:
    """Whether a launcher started more than this process. Imports and connects nothing."""
    return count() > 1


def count() -> int:
    """The number of processes that the launcher started; 1 without a launcher.

    `WORLD_SIZE` and `RANK` alone are no launcher: pods of a cluster have them too.
    """
    return int(os.environ["WORLD_SIZE"]) if all(map(os.environ.get, LAUNCHED)) else 1


def index() -> int:
    """The number of this process, from 0."""
    return int(os.environ["RANK"]) if are_many() else 0


def is_first() -> bool:
    """Whether this is the process that writes and prints."""
    return index() == 0


def about_launcher() -> str:
    """A line on an environment that counts several processes although no launcher started this one, or ""."""
    size = os.environ.get("WORLD_SIZE", "1")
    if are_many() or size == "1" or all(map(os.environ.get, LAUNCHED)):
        return ""
    missing = ", ".join(name for name in LAUNCHED if not os.environ.get(name))
    return (
        f"WORLD_SIZE is {size}, but no launcher started this process ({missing} is not set): it trains "
        "alone, on all images. To share a training among processes, start it with torchrun."
    )


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_this_machine() -> int:
    """How many of the processes share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if are_many() else 1


def index_here() -> int:
    """The number of this process among those of this machine, from 0."""
    return int(os.environ["LOCAL_RANK"]) if are_many() else 0


def connect(cpu: bool) -> PartialState:
    """Accelerate's state. Connects the processes where nothing has yet: by gloo for CPUs, else by nccl."""
    from accelerate import PartialState

    _disconnect_at_exit()
    return PartialState(cpu=cpu) if are_many() else PartialState()


def state() -> PartialState:
    """As `connect`, for those who compute nothing themselves: by nccl where there are GPUs."""
    import torch
    from accelerate.utils import parse_flag_from_env

    gpu = torch.accelerator.current_accelerator(check_available=True)
    no_gpu = gpu is None or gpu.type == "mps"  # which has no way to connect processes
    return connect(no_gpu or bool(parse_flag_from_env("ACCELERATE_USE_CPU")))


def group() -> tuple[int, int]:
    """The number of this process and how many there are, as this program has connected them, if it has."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


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


@functools.cache
def _disconnect_at_exit() -> None:
    atexit.register(_disconnect)


def gathered(value: ValueT) -> list[ValueT]:
    """The values of all processes, in their order, in every one of them."""
    if not are_many():
        return [value]
    from accelerate.utils import gather_object

    state()
    return gather_object([value])


def summed(values: Tensor) -> Tensor:
    """The sum over all processes, in every one of them, of tensors of one shape and dtype."""
    if not are_many():
        return values
    from accelerate.utils import reduce

    everywhere = reduce(values.to(state().device), "sum")
    return everywhere.to(values.device)  # pyright: ignore[reportAttributeAccessIssue]  # a tensor's is one


def from_first(make: Callable[[], ValueT]) -> ValueT:
    """What `make` gives in the first process, in every process; where it raises, all of them do."""
    if not are_many():
        return make()
    from accelerate.utils import broadcast_object_list

    state()
    told, failure = _attempted(make) if is_first() else ([], None)
    (told,) = broadcast_object_list([told])
    if failure is not None:
        raise failure
    return _unpacked(told)


def first_here(make: Callable[[], object]) -> None:
    """Calls `make` in one process of each machine, while the others wait; where one raises, all do."""
    told, failure = _attempted(make) if index_here() == 0 else ([None, None], None)
    everything = gathered(told)
    if failure is not None:
        raise failure
    for one in everything:
        _unpacked(one)


def _attempted(make: Callable[[], object]) -> tuple[list, Exception | None]:
    """What other processes are to return or else raise after `make`, and what it raised here."""
    try:
        return [make(), None], None
    except ZooError as wrong:
        return [None, wrong], wrong
    except Exception as wrong:  # another process may not be able to unpickle its class
        return [None, ZooError(f"Process {index()} failed: {type(wrong).__name__}: {wrong}")], wrong


def _unpacked(told: list):
    value, wrong = told
    if wrong is not None:
        raise wrong
    return value
