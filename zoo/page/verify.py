"""A page -> whether it is what the zoo writes of the model that it names."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.api.models import load
from zoo.errors import WeightsError, ZooError
from zoo.evaluation.report import Check, Report
from zoo.export.formats import ONNX
from zoo.export.parts import Part, parts_for
from zoo.export.write import check_installed, gap
from zoo.models import Autoencoder
from zoo.page.prior import PRIOR, prior_of
from zoo.page.read import read_page, unpacked
from zoo.page.write import still_files
from zoo.registry import published

COUNT = 32
SECONDS = 60.0
"""That a network may take for these images."""


def verify_page(folder: Path, model: Autoencoder | None = None) -> Report:
    """Checks a page against the weights of its model.

    Args:
        folder: of the page.
        model: which it should be of; None is the published one, or the one on the Hub, that it names.

    Raises InputError without `autoencoder-zoo[export]`.
    """
    check_installed(ONNX)
    try:
        files, held = read_page(folder)
        source, sha256 = held["source"], held["sha256"]
    except WeightsError as wrong:
        return Report(str(folder), (Check("files", "failed", f"not a whole page: {wrong}"),))
    if model is None and not _is_public(source):
        nobody = "it names no public model: `zoo verify PAGE --model MODEL` says which it should be"
        return Report(str(folder), (Check("weights", "not measured", nobody),))
    try:
        model = model or load(source)
    except ZooError as absent:
        return Report(str(folder), (Check("weights", "not measured", str(absent)),))
    return Report(
        str(folder), (_weights(model, sha256), _script(model, files), *_networks(model, held))
    )


def _is_public(source: object) -> bool:
    """Whether a page names a published model, or one on the Hub: no folder of this machine."""
    return isinstance(source, str) and (
        source.startswith("hf://") or published.known(source) is not None
    )


def _weights(model: Autoencoder, sha256: object) -> Check:
    own = model.info.sha256 if model.info else None
    if sha256 != own:
        return Check("weights", "failed", f"made from {sha256}, and the model's are {own}")
    return Check("weights", "passed", f"sha256 {own}")


def _script(model: Autoencoder, files: dict[str, bytes]) -> Check:
    """Everything that runs but the networks: the very bytes that this version writes."""
    expected = still_files(model)
    other = [name for name, content in expected.items() if files[name] != content.encode()]
    if other:
        detail = f"{', '.join(other)}: not what this version of the zoo writes of this model"
        return Check("script", "failed", detail)
    return Check("script", "passed", "the bytes that this version of the zoo writes")


def _networks(model: Autoencoder, held: dict[str, Any]) -> list[Check]:
    """Each network beside the model: what it gives may differ by rounding alone."""
    model = copy.deepcopy(model).to("cpu", torch.float32).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(COUNT, *model.spec.input_shape, generator=generator)
    codes = model._encode(images)
    given: list[tuple[Part, Tensor]] = list(
        zip(parts_for(model.spec.domain), (images, codes), strict=True)
    )
    prior = prior_of(model)
    if prior and prior.graph:
        given.append((PRIOR, torch.randn(COUNT, *prior.noise, generator=generator)))
    checks = []
    for part, tensor in given:
        try:
            graph = _opened(unpacked(held["networks"][part.name]), part)
            found, most = gap(model, part, tensor, graph)
            if not found <= most:
                raise WeightsError(f"differs from the model by {found:.1e}, more than {most:.0e}")
        except Exception as wrong:  # whatever onnx and onnxruntime say of a strange file
            said = (str(wrong).splitlines() or [type(wrong).__name__])[0][:200]
            checks.append(Check(part.name, "failed", said))
        else:
            checks.append(Check(part.name, "passed", f"differs from the model by {found:.1e}"))
    return checks


def _opened(data: bytes, part: Part) -> Callable[[Tensor], Tensor]:
    """A stranger's network as a function that ends: nothing of it loops or reads a file.

    Raises WeightsError for one that does, or takes longer than `SECONDS` for an input.
    """
    import onnxruntime

    _check_plain(data)
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])

    def run(given: Tensor) -> Tensor:
        limits = onnxruntime.RunOptions()
        stop = threading.Timer(SECONDS, setattr, (limits, "terminate", True))
        stop.start()
        try:
            [found] = session.run([part.gives], {part.takes: given.numpy()}, limits)
        except Exception:
            if limits.terminate:
                raise WeightsError(f"takes longer than {SECONDS:.0f} s: it was stopped") from None
            raise
        finally:
            stop.cancel()
        return torch.from_numpy(found)

    return run


def _check_plain(data: bytes) -> None:
    """Raises WeightsError for a graph with more than the zoo writes: plain operators, weights within."""
    import onnx

    model = onnx.load_model_from_string(data)
    graphs = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
    for node in model.graph.node:
        if node.domain or any(one.type in graphs for one in node.attribute):
            raise WeightsError(
                f"has the operator {node.op_type[:40]!r}, which the zoo never writes"
            )
    tensors = [*model.graph.initializer, *(a.t for n in model.graph.node for a in n.attribute)]
    if any(one.data_location == onnx.TensorProto.EXTERNAL for one in tensors):
        raise WeightsError("has weights in another file, which the zoo never writes")
    if model.functions or model.graph.sparse_initializer:
        raise WeightsError("has functions or sparse weights, which the zoo never writes")
