"""Checkpoints: one safetensors file from which a run resumes with bitwise identical results."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from zoo.data import Fingerprint
from zoo.errors import TrainingError
from zoo.io.files import read_regular, write_atomically
from zoo.runtime import processes
from zoo.training.parallel import check_alike
from zoo.training.step import AveragedWeights

MAX_BYTES = 64 * 2**30


@dataclass
class RunProgress:
    """Progress of a run."""

    epoch: int = 0
    """Finished epochs."""
    step_in_epoch: int = 0
    steps: int = 0
    """Finished steps of the whole run."""
    terms: list[str] = field(default_factory=list)
    """Names of the loss's terms, known after the first step."""
    sums: list[float] = field(default_factory=list)
    """Each loss term summed over the images of this epoch so far."""
    images: int = 0
    """Images of this epoch so far."""
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float | None = None
    data: dict[str, Fingerprint] = field(default_factory=dict)
    """What the images of each split are."""
    processes: int = 1
    """Number of processes that trained it last."""


@dataclass
class State:
    """Mutable state of a training."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedWeights | None
    best: dict[str, Tensor]
    """Weights of the best epoch so far, with early stopping only."""
    draws: torch.Generator
    """Generator of the batches' random numbers, in the same state in every process."""
    device: torch.device
    progress: RunProgress


def save_checkpoint(path: Path, state: State) -> None:
    """Writes the whole state atomically.

    Collective: all processes contribute their generators, and the first one writes. Raises
    TrainingError if the weights differ between processes.
    """
    check_alike(state.model)
    generators = processes.gathered(_generators(state.device))
    if not processes.is_first():
        return
    tensors = {f"model.{name}": tensor for name, tensor in state.model.state_dict().items()}
    if state.average:
        tensors |= {f"average.{name}": tensor for name, tensor in state.average.average.items()}
    tensors |= {f"best.{name}": tensor for name, tensor in state.best.items()}
    for index, parameter in enumerate(_parameters(state.optimizer)):
        for key, value in state.optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{index}.{key}"] = torch.as_tensor(value)
    tensors["random.draws"] = state.draws.get_state()
    for index, own in enumerate(generators):
        tensors |= {f"random.{index}.{kind}": generator for kind, generator in own.items()}
    progress = json.dumps(asdict(state.progress)).encode()
    tensors["progress"] = torch.frombuffer(bytearray(progress), dtype=torch.uint8)
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, safetensors.torch.save(plain))


def restore_checkpoint(path: Path, state: State) -> None:
    """Restores a saved state in place. Raises TrainingError for a damaged file or another recipe's."""
    data = processes.from_first(lambda: read_regular(path, MAX_BYTES, TrainingError))
    try:
        tensors = safetensors.torch.load(data)
        _restore(tensors, state)
    except (SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as damaged:
        raise TrainingError(
            f"The checkpoint {str(path)!r} is damaged or belongs to another recipe ({damaged}). "
            "Delete the run's folder and train again."
        ) from damaged


@torch.no_grad()
def _restore(tensors: dict[str, Tensor], state: State) -> None:
    for name, tensor in state.model.state_dict().items():
        tensor.copy_(tensors[f"model.{name}"])
    if state.average:
        for name, tensor in state.average.average.items():
            tensor.copy_(tensors[f"average.{name}"])
    state.best = _under("best.", tensors)
    for index, parameter in enumerate(_parameters(state.optimizer)):
        saved = _under(f"optimizer.{index}.", tensors)
        state.optimizer.state[parameter] = {
            key: torch.empty_like(parameter).copy_(value)  # in the parameter's memory format
            if value.shape == parameter.shape and key != "step"
            else value.to(parameter.device)  # fused optimizers keep the step count on the device
            for key, value in saved.items()
        }
    state.progress = RunProgress(**json.loads(bytes(tensors["progress"].numpy())))
    state.draws.set_state(tensors["random.draws"])
    own = _under(f"random.{processes.index()}.", tensors)
    if "cpu" in own:  # missing if fewer processes wrote it
        torch.set_rng_state(own["cpu"])
    kind = state.device.type
    if kind != "cpu" and kind in own:
        torch.get_device_module(kind).set_rng_state(own[kind], state.device)


def _generators(device: torch.device) -> dict[str, Tensor]:
    """States of torch's global generators, which families may use."""
    found = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        found[device.type] = torch.get_device_module(device).get_rng_state(device)
    return found


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
