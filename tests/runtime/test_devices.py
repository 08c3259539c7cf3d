"""Names of devices: what a caller names is given, and under a launcher a share has a GPU of its own."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.errors import DeviceError
from zoo.runtime import processes
from zoo.runtime.devices import find_rank_device


@pytest.fixture
def connected(monkeypatch) -> list[bool]:
    """Two GPUs that are not there, and what `processes.connect` is called with."""
    calls: list[bool] = []
    gpu = torch.device("cuda")
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: gpu)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    monkeypatch.setattr(processes, "connect", lambda cpu: calls.append(cpu))
    return calls


@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:1"])
def test_each_process_computes_on_the_gpu_of_its_number(name, connected, as_rank):
    as_rank(2, 1)
    assert find_rank_device(name) == torch.device("cuda:1")
    assert connected == [False]


def test_the_gpu_of_another_process_is_refused(connected, as_rank):
    as_rank(2, 1)
    with pytest.raises(
        DeviceError, match=r"'cuda:0' belongs to another process.* its own GPU, here cuda:1"
    ):
        find_rank_device("cuda:0")
    assert connected == []


def test_on_the_cpu_they_are_connected_by_gloo_beside_gpus_too(connected, as_rank):
    as_rank(2, 1)
    assert find_rank_device("cpu") == torch.device("cpu")
    assert connected == [True]


def test_a_load_takes_the_device_that_it_is_given_under_a_launcher_too(as_rank, monkeypatch):
    as_rank(2, 1)
    there = torch.zeros
    monkeypatch.setattr(
        torch, "zeros", lambda *size, **of: there(*size, **of | {"device": "meta"} if of else of)
    )
    monkeypatch.setattr(processes, "connect", lambda cpu: pytest.fail("connected"))
    assert zoo.load("vae-digits-8", device="cuda:0").device.type == "meta"  # not this process's
