"""Checks of models that are copied, exported, compiled, or moved to another device."""

from __future__ import annotations

import copy
import warnings

import torch

from zoo.api.compression import compress, decompress
from zoo.errors import InputError, NotInstalledError
from zoo.evaluation.measure import exact_float32
from zoo.integers.base import ExactModel, State, TopDown, images_as_activations
from zoo.integers.forms import has_form
from zoo.integers.grids import ONE
from zoo.integers.models import Quantized, exact
from zoo.likelihoods.fitting import likelihood_of
from zoo.models import Autoencoder, VariationalAutoencoder
from zoo.runtime.devices import find_device
from zoo.testing.subject import (
    CLOSE,
    NotMeasuredError,
    Subject,
    expect,
    expect_close,
    inputs,
    values,
)

EXACT_CLOSE = 0.05
"""How far codes in whole numbers may be off, in units of themselves or of 1."""
LIKELIHOOD_CLOSE = 0.002
"""How far log-likelihoods may be off, in units of themselves."""


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


def check_exact(subject: Subject) -> str:
    """The integer form encodes as the model does, whatever the batch, and its images are coded bit for bit."""
    forms, coded, refused = 0, 0, ""
    for spec in subject.specs:
        model = subject.build(spec)
        if not has_form(model):
            raise NotMeasuredError("it has no exact form: zoo.register_exact gives one")
        try:
            form = exact(model)
        except InputError as why:  # of a Spec with other data, or with a layer that has none
            refused = str(why)
            continue
        levels = values(spec, 3)
        codes = form.encode(levels)
        each = torch.cat([form.encode(one[None]) for one in levels])
        expect(torch.equal(each, codes), "exact codes depend on the batch")
        with torch.no_grad():
            off = (codes - model.encode(levels / 255)).abs()
        close = (off <= EXACT_CLOSE * codes.abs().clamp(min=1)).double().mean()
        expect(close > 0.9, f"{1 - close:.0%} of exact codes are others than those of encode")
        if isinstance(form, TopDown) and isinstance(model, VariationalAutoencoder):
            _check_decoder(model, form, codes, levels)
        forms, coded = forms + 1, coded + _is_coded(model, form, levels)
    if not forms:
        raise NotMeasuredError(refused)
    return f"{forms} of {len(subject.specs)} Specs have an exact form; images of {coded} are coded"


def _check_decoder(
    model: VariationalAutoencoder, form: TopDown, codes: torch.Tensor, levels: torch.Tensor
) -> None:
    """Bits-back coding loses nothing by a wrong decoder; its files are only larger."""
    likelihood, state = likelihood_of(model.spec), State()
    if form.levels is None or likelihood is None:
        return
    for group, own in enumerate(codes.double().split(form.sizes, 1)):
        state = form.descend(group, own * ONE, state)
    outputs = (form.outputs(state) / ONE).float()
    x = levels / 255 if form.levels.values == "levels" else (levels > 127).float()
    with torch.no_grad():
        ours = likelihood.distribution(outputs, form.shape).log_prob(x)
        theirs = model.likelihood(codes).log_prob(x)
    off = float((ours / theirs - 1).abs().max())
    expect(off < LIKELIHOOD_CLOSE, f"exact likelihoods are off by {off:.1%}")


def _is_coded(model: Autoencoder, form: ExactModel, levels: torch.Tensor) -> bool:
    """Whether its images can be compressed; they are, and restored."""
    if form.levels is None:
        return False
    lossy = isinstance(form, Quantized)
    binary = form.levels.values == "binary" and not lossy
    images = (levels > 127).to(torch.uint8) * 255 if binary else levels
    try:
        blob = compress(model, images, lossy=lossy)
    except NotInstalledError as absent:
        raise NotMeasuredError(str(absent)) from None
    except InputError:
        return False
    restored = decompress(blob, model=model)
    if isinstance(form, Quantized):
        images = form.restored(form.numbers(images_as_activations(images)))
        with torch.no_grad():
            close = (images - 255 * model.reconstruct(levels / 255)).abs() < 255 * EXACT_CLOSE
        share = close.double().mean()
        expect(share > 0.9, f"{1 - share:.0%} of the restored pixels are others than reconstruct's")
    expect(torch.equal(restored, images), "compressed images are not restored bit for bit")
    return True


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
