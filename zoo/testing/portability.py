"""Checks of models that are copied, exported, compiled, or moved to another device."""

from __future__ import annotations

import copy
import warnings

import torch

from zoo.evaluation.measure import exact_float32
from zoo.runtime.devices import find_device
from zoo.testing.subject import CLOSE, NotMeasuredError, Subject, expect, expect_close, inputs


@torch.no_grad()
def check_deepcopy(subject: Subject) -> None:
    """A deep copy is the same model, and shares no memory with the first."""
    model, x = subject.build(), inputs(subject.spec)
    twin = copy.deepcopy(model)
    expect(torch.equal(twin.encode(x), model.encode(x)), "a deep copy encodes differently")
    first = {tensor.data_ptr() for tensor in model.state_dict().values() if tensor.numel()}
    for name, tensor in twin.state_dict().items():
        expect(tensor.data_ptr() not in first, f"a deep copy shares {name} with the first")


@torch.no_grad()
def check_export(subject: Subject) -> None:
    """`torch.export` makes a graph of `decode(encode(x))`, for any number of examples."""
    model, x = subject.build(), inputs(subject.spec)
    dynamic = ({0: torch.export.Dim("n", min=1, max=4096)},)
    whole = torch.nn.Sequential(model)  # alone, torch refuses a module with a part called `code`
    with warnings.catch_warnings(action="ignore"):
        program = torch.export.export(whole, (x[:3],), dynamic_shapes=dynamic)
    ours, theirs = (model.standardized(y) for y in (program.module()(x), model(x)))
    expect_close(ours, theirs, "the exported graph differs")


def check_compile(subject: Subject) -> None:
    """`torch.compile` makes one graph of `decode(encode(x))`, and one of the loss with its gradients.

    The graphs are run as they are: what a compiler's code makes of them is torch's own business.
    """
    model, x = subject.build(), inputs(subject.spec)
    try:
        with warnings.catch_warnings(action="ignore"):
            compiled = torch.compile(model.reconstruct, fullgraph=True, backend="eager")
            ours, theirs = (model.standardized(y) for y in (compiled(x), model.reconstruct(x)))
            expect_close(ours, theirs, "the compiled graph differs")
            loss = torch.compile(model.train().loss, fullgraph=True, backend="aot_eager")
            loss(x).total.backward()
    finally:
        torch.compiler.reset()
    for name, parameter in model.named_parameters():
        whole = parameter.grad is not None and bool(torch.isfinite(parameter.grad).all())
        expect(whole or not parameter.requires_grad, f"compiled, {name} gets no finite gradient")


def check_devices(subject: Subject) -> str:
    """Another device gives what the CPU gives."""
    device = find_device("auto")
    if device.type == "cpu":
        raise NotMeasuredError("there is no GPU here")
    model, x = subject.build(), inputs(subject.spec)
    twin = copy.deepcopy(model).to(device)
    with torch.no_grad(), exact_float32():
        for method, given in (("encode", x), ("decode", model.encode(x))):
            ours, theirs = getattr(model, method)(given), getattr(twin, method)(given)
            expect(theirs.device.type == device.type, f"{method} gives a tensor on {theirs.device}")
            if method == "decode":
                ours, theirs = model.standardized(ours), model.standardized(theirs.cpu())
            most = 10 * CLOSE * float(ours.abs().max().clamp(min=1))
            expect_close(theirs.cpu(), ours, f"{method} differs on {device}", most)
    loss = twin.train().loss(x.to(device)).total
    loss.backward()
    expect(torch.isfinite(loss), f"the loss on {device} is {loss.item()}")
    return f"{device} agrees with the CPU"
