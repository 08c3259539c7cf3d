"""A folder <-> a model: strict, verified, byte-reproducible. Nothing in the folder is ever run."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from zoo import families, folder, specs
from zoo.errors import InputError, IntegrityError, MismatchError, WeightsError
from zoo.files import read_regular, read_sized, write_atomically
from zoo.folder import ModelInfo
from zoo.models import Autoencoder
from zoo.sources import Source

MAX_HEADER_BYTES = 2**20
MAX_FIGURE_BYTES = 16 * 2**20
FIX_DAMAGE = "Fetch it again: reinstall autoencoder-zoo, or ask whoever gave you this folder."


def build(family: str, spec: specs.Spec, seed: int | None = None) -> Autoencoder:
    """An untrained model of a family, in eval mode, its weights drawn from the seed."""
    cls = families.family_class(family)
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        return cls(spec).eval()


def load_source(source: Source) -> Autoencoder:
    """The model that a source means, float32 on the CPU, in eval mode.

    Of a published model, the index says what the hashes must be; otherwise config.json does.

    Raises:
        SourceError, UnsafeFormatError: for a folder without a zoo model.
        SpecError, WeightsError: for a config.json that cannot be used.
        IntegrityError: for weights with another sha256.
        MismatchError: for tensors that do not fit the Spec. Nothing is loaded.
    """
    where, line = source.folder, source.line
    if line is not None and (where / folder.CONFIG).exists():
        config = read_regular(where / folder.CONFIG, folder.MAX_CONFIG_BYTES)
        _check_sha256(config, line.config_sha256, where / folder.CONFIG)
    info = folder.read_info(where, source.origin, source.licence)
    model = _skeleton(families.family_class(info.family), info.spec)
    data = _read_weights(where, model.state_dict())
    expected = line.weights_sha256 if line is not None else info.sha256
    _check_sha256(data, expected, where / folder.WEIGHTS)
    _assign(model, _tensors(data, where / folder.WEIGHTS))
    model.info = info
    return model.eval()


def _skeleton(cls: type[Autoencoder], spec: specs.Spec) -> Autoencoder:
    """A model with its parameters on the meta device and its buffers real."""
    with _parameters_on_meta():
        return cls(spec)


@contextmanager
def _parameters_on_meta() -> Iterator[None]:
    """Parameters made by this thread hold no numbers, so their random start costs nothing."""
    thread = threading.get_ident()

    def to_meta(module: nn.Module, name: str, parameter: nn.Parameter | None):
        if parameter is None or threading.get_ident() != thread:
            return None
        return nn.Parameter(parameter.to("meta"), requires_grad=parameter.requires_grad)

    hook = register_module_parameter_registration_hook(to_meta)  # pyright: ignore[reportArgumentType]  # its stub forgets the value
    try:
        yield
    finally:
        hook.remove()


def _read_weights(source: Path, expected: dict[str, Tensor]) -> bytes:
    """The bytes of model.safetensors, if it has the size that these tensors need."""
    path = source / folder.WEIGHTS
    if not path.exists():
        raise folder.without(folder.WEIGHTS, source)
    size = sum(tensor.numel() * tensor.element_size() for tensor in expected.values())
    return read_sized(path, size + 8, size + 8 + MAX_HEADER_BYTES)


def _check_sha256(data: bytes, expected: str, path: Path) -> None:
    actual = hashlib.sha256(data).hexdigest()
    if actual != expected:
        raise IntegrityError(
            f"sha256 of {str(path)!r} is {actual[:12]}..., expected {expected[:12]}...: its bytes "
            f"are not the published ones. {FIX_DAMAGE}"
        )


def _tensors(data: bytes, path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as broken:
        raise WeightsError(
            f"{str(path)!r} is not a safetensors file ({broken}). Nothing was loaded."
        ) from None


def _assign(model: Autoencoder, tensors: dict[str, Tensor]) -> None:
    """Gives the model its tensors, after a look that each is there, fits and is finite."""
    expected = model.state_dict()
    problems = [f"missing {name}" for name in expected if name not in tensors]
    problems += [f"unexpected {name}" for name in tensors if name not in expected]
    for name in expected.keys() & tensors.keys():
        got, wanted = tensors[name], expected[name]
        if got.shape != wanted.shape:
            problems.append(f"{name} is {tuple(got.shape)}, expected {tuple(wanted.shape)}")
        elif got.dtype != wanted.dtype:
            problems.append(f"{name} is {got.dtype}, expected {wanted.dtype}")
    if problems:
        shown = "; ".join(sorted(problems)[:8]) + ("; ..." if len(problems) > 8 else "")
        raise MismatchError(f"The tensors do not fit the Spec: {shown}. Nothing was loaded.")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise WeightsError(f"{name} holds numbers that are not finite. Nothing was loaded.")
    model.load_state_dict(tensors, assign=True)


def weights_bytes(model: Autoencoder) -> bytes:
    """`model.safetensors` for a model: floating tensors as float32, the others as they are.

    Raises WeightsError for weights that are not finite or that share memory.
    """
    tensors = {}
    for name, tensor in model.state_dict().items():
        plain = tensor.detach().cpu().contiguous()
        plain = plain.float() if plain.is_floating_point() else plain
        if plain.is_floating_point() and not torch.isfinite(plain).all():
            raise WeightsError(f"{name} holds numbers that are not finite: nothing was saved.")
        tensors[name] = plain.clone()
    return safetensors.torch.save(tensors, metadata={"format": "pt"})


def save_folder(
    model: Autoencoder,
    target: Path,
    *,
    recipe: str | None = None,
    metrics: dict | None = None,
    figures: dict[str, bytes] | None = None,
    licence: str | None = None,
    card: Callable[[ModelInfo], str],
) -> ModelInfo:
    """Writes a model's whole folder; what else is in it stays. Returns what it now says.

    Each file is complete before it takes its place, the weights and config.json last. Raises
    ZooError where the disk is full or read-only, WeightsError for weights that cannot be saved.
    """
    data = weights_bytes(model)
    sha256 = hashlib.sha256(data).hexdigest()
    family = families.name_of(type(model))
    drawn = figures or {}
    for name, picture in drawn.items():
        write_atomically(target / folder.FIGURES / f"{name}.png", picture)
    if (target / folder.FIGURES).is_dir():
        for stale in (target / folder.FIGURES).glob("*.png"):
            if stale.stem not in drawn:
                stale.unlink()
    _write_or_remove(target / folder.RECIPE, recipe)
    _write_or_remove(target / folder.METRICS, metrics_text(metrics) if metrics else None)
    write_atomically(target / folder.WEIGHTS, data)
    write_atomically(target / folder.CONFIG, folder.config_text(family, model.spec, sha256))
    info = replace(folder.read_info(target, str(target)), licence=licence)
    write_atomically(target / folder.CARD, card(info))
    return info


def has_weights_of(model: Autoencoder, info: ModelInfo) -> bool:
    """Whether a model still has the weights that its info speaks of."""
    return hashlib.sha256(weights_bytes(model)).hexdigest() == info.sha256


def read_figures(source: Path | None) -> dict[str, bytes]:
    """The pictures in a model's folder, by name."""
    if source is None:
        return {}
    paths = sorted((source / folder.FIGURES).glob("*.png"))
    return {path.stem: read_regular(path, MAX_FIGURE_BYTES) for path in paths}


def metrics_text(metrics: dict) -> str:
    """metrics.json: floats as they are, no NaN."""
    return json.dumps(metrics, indent=2, allow_nan=False) + "\n"


def _write_or_remove(path: Path, text: str | None) -> None:
    if text is not None:
        write_atomically(path, text)
    else:
        path.unlink(missing_ok=True)


def check_target(target: Path) -> None:
    """Raises InputError if a model cannot be written here without losing something."""
    if target.exists() and not target.is_dir():
        raise InputError(f"{str(target)!r} is a file, not a folder.")
    if target.is_dir() and any(target.iterdir()) and not (target / folder.CONFIG).exists():
        raise InputError(f"{str(target)!r} holds other files. Name an empty or new folder.")
