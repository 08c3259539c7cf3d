"""A page -> whether it is what the zoo writes of the model that it names."""

from __future__ import annotations

import base64
import copy
import json
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.api import load
from zoo.errors import WeightsError, ZooError
from zoo.evaluation.report import Check, Report
from zoo.export.formats import ONNX
from zoo.export.parts import PARTS, Part
from zoo.export.write import check_installed, difference
from zoo.io.files import read_regular
from zoo.models import Autoencoder
from zoo.page.prior import PRIOR, prior_of
from zoo.page.write import CONTENTS, END, FILES, START, still_files

MOST_BYTES = 500_000_000
"""Of a file of a page, and of what it unpacks to."""
COUNT = 32


def is_page(folder: Path) -> bool:
    """Whether a folder looks like a page, and not like a model."""
    return (folder / CONTENTS).is_file() and not (folder / "config.json").exists()


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
    if model is None and not source:
        nobody = "it names no public model: zoo.page.verify.verify_page(folder, model) takes yours"
        return Report(str(folder), (Check("weights", "not measured", nobody),))
    try:
        model = model or load(source)
    except ZooError as absent:
        return Report(str(folder), (Check("weights", "not measured", str(absent)),))
    return Report(
        str(folder), (_weights(model, sha256), _script(model, files), *_networks(model, held))
    )


def read_page(folder: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of a page, and what its script is given. Raises WeightsError where they are not whole."""
    try:
        files = {name: read_regular(folder / name, MOST_BYTES) for name in FILES}
        script = files[CONTENTS].decode()
        if not (script.startswith(START) and script.endswith(END)):
            raise ValueError(f"{CONTENTS} holds something else than data")
        held = json.loads(script[len(START) : -len(END)])
        if not held.keys() >= {"source", "sha256", "networks", "images"}:
            raise ValueError(f"{CONTENTS} lacks what a page has")
    except (ZooError, ValueError, AttributeError) as wrong:
        raise WeightsError(str(wrong)) from None
    return files, held


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
    images = torch.rand(COUNT, *model.spec.image_shape, generator=generator)
    codes = model._encode(images)
    given: list[tuple[Part, Tensor]] = list(zip(PARTS, (images, codes), strict=True))
    prior = prior_of(model)
    if prior and prior.graph:
        given.append((PRIOR, torch.randn(COUNT, *prior.noise, generator=generator)))
    checks = []
    for part, tensor in given:
        try:
            graph = ONNX.opened(unpacked(held["networks"][part.name]), part)
            found = difference(model, part, tensor, graph)
        except Exception as wrong:  # whatever onnxruntime says of a strange file
            checks.append(Check(part.name, "failed", str(wrong).splitlines()[0][:200]))
        else:
            checks.append(Check(part.name, "passed", f"differs from the model by {found:.1e}"))
    return checks


def unpacked(text: str) -> bytes:
    """The bytes behind base64 and gzip. Raises WeightsError for too many, and for damage."""
    unzip = zlib.decompressobj(wbits=31)
    try:
        data = unzip.decompress(base64.b64decode(text, validate=True), MOST_BYTES)
    except (zlib.error, ValueError) as damage:
        raise WeightsError(f"A network of it does not unpack: {damage}.") from None
    if not unzip.eof:
        raise WeightsError("A network of it ends too early, or unpacks to more than one has.")
    return data
