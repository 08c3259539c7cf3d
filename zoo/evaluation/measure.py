"""The measurements: each takes a float32 model and a batch of images, and gives a number per image."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from safetensors.torch import load, save
from torch import Tensor

from zoo.data import AnyExamples, as_input
from zoo.errors import InputError
from zoo.evaluation.noise import IMPORTANCE_STREAM, elbo_noise, image_noise
from zoo.models import Autoencoder, VariationalAutoencoder
from zoo.models.loss import Batch
from zoo.models.objectives import NegativeELBO, Objective
from zoo.models.objectives.base import reconstruction
from zoo.models.objectives.bounds import VALUES_AT_ONCE
from zoo.models.primitives import parts_of
from zoo.registry import families
from zoo.runtime import processes
from zoo.specs.domains import Domain
from zoo.specs.metrics import OwnNumber
from zoo.specs.objectives import ELBO

IMAGES_AT_ONCE = 500


def per_batch(
    images: AnyExamples, count: int, size: int, measure: Callable[[Tensor, int], dict[str, Tensor]]
) -> list[dict[str, Tensor]]:
    """What `measure` gives of batches of the first `count` images, and of each one's first number.

    The processes share the batches out, and all of them get all values, in the order of the
    images: as one process does, bit for bit, for the batches are the same.
    """
    batches = torch.arange(count).split(size)
    mine = range(processes.index(), len(batches), processes.count())
    read = images.read(batches[number] for number in mine)
    kept, ends = bytearray(), [0]  # one block: small tensors between large ones fragment memory
    for number, levels in zip(mine, read, strict=True):
        found = measure(levels, number * size)
        kept += save({name: values.contiguous() for name, values in found.items()})
        ends.append(len(kept))
    values = [load(bytes(kept[start:end])) for start, end in itertools.pairwise(ends)]
    shares = processes.gathered(values)
    return [shares[n % len(shares)][n // len(shares)] for n in range(len(batches))]


def joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The numbers of all batches, one after the other, `(N,)` of each name."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def mean_of(values: Tensor) -> tuple[float, float | None]:
    """Mean of one number per image `(N,)` in float64, and its standard error: None of a single image."""
    values = values.double()
    error = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else None
    return values.mean().item(), error


def check_finite(
    per_example: Mapping[str, Tensor], key: Callable[[int], str], domain: Domain
) -> None:
    """Raises InputError for numbers `(N,)` that are not finite, with the first example's key."""
    for name, numbers in per_example.items():
        if len(wrong := (~numbers.isfinite()).nonzero()):
            first = int(wrong[0])
            raise InputError(
                f"{name} is {numbers[first].item()} for {domain.noun} {key(first)!r}, and not finite for "
                f"{len(wrong):,} of {len(numbers):,} {domain.nouns}: the {domain.noun} has a value far out of "
                "the model's range, or the model's outputs overflow or are no numbers."
            )


@contextmanager
def exact_float32() -> Iterator[None]:
    """TF32 off for as long as it lasts."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def measure_elbo(
    model: VariationalAutoencoder, shown: Tensor, first: int, seed: int
) -> dict[str, Tensor]:
    """The negative ELBO's terms of each example `(N, *input_shape)`, at beta = 1.

    The one-sample "reconstruction" and the closed-form "kl" of all groups of latents, `(N,)` in nats;
    `first` is the number of the first example in its split.
    """
    x = model.standardized(shown)
    noise = elbo_noise(seed, first, len(x), model.latent_shape).to(x.device)
    terms = dict(NegativeELBO(ELBO()).loss(model, Batch.of(x), noise).per_example)
    reconstruction = terms.pop("reconstruction")
    kl = torch.stack(list(terms.values())).sum(0)
    return {"reconstruction": reconstruction.cpu(), "kl": kl.cpu()}


def measure_nll(
    model: VariationalAutoencoder, shown: Tensor, seed: int, samples: int, first: int = 0
) -> Tensor:
    """Minus the importance-weighted bound with K = `samples` of each example, `(N,)`, float64."""
    device = model.device
    bounds = []
    for number, x in enumerate(model.standardized(shown).split(1), first):
        noise = image_noise(seed, number, samples, model.latent_shape, IMPORTANCE_STREAM)
        bounds.append(model.importance_bound(x, noise[:, None].to(device)).cpu())
    return -torch.cat(bounds)


def measure_likelihood(model: Autoencoder, shown: Tensor) -> dict[str, Tensor]:
    """-log p(x | encode(x)) of each example as "reconstruction", `(N,)` in nats.

    Nothing for a family without a likelihood.
    """
    if "likelihood" not in parts_of(type(model)):
        return {}
    x = model.standardized(shown)
    nats = reconstruction(model, model._likelihood(model._encode(x)), x)
    return {"reconstruction": nats.cpu()}


def measure_objective(
    model: Autoencoder, objective: Objective, shown: Tensor, first: int, seen: Tensor | None = None
) -> dict[str, Tensor]:
    """An objective's weighted "loss" of each example, `(N,)` in nats, with fixed noise.

    `seen` is what the model encodes instead, such as corrupted images. Where the objective has
    no value per example, it is the batch's for each of them.
    """
    target = model.standardized(shown)
    x = target if seen is None else model.standardized(seen)
    noise = None
    if objective.samples_posterior(model):
        noise = elbo_noise(0, first, len(x), model.latent_shape).to(x.device)[0]
    loss = objective.loss(model, Batch(x, target), noise)
    scores = loss.scores if loss.per_example else loss.total.expand(len(x))
    return {"loss": scores.cpu()}


def measure_own(model: Autoencoder, batches: Iterable[Tensor]) -> dict[str, OwnNumber]:
    """A family's own numbers of examples, given as batches `(N, *input_shape)` as data hold them.

    Raises PluginError where the family fails to give them.
    """
    if not model.own_metrics:
        return {}
    inputs = (model.standardized(as_input(values)) for values in batches)
    with families.guarded(model, "failed to measure its own metrics"):
        given = {name: float(value) for name, value in model._measure(inputs).items()}
        if given.keys() != model.own_metrics.keys():
            wanted = ", ".join(model.own_metrics)
            raise ValueError(
                f"_measure(self, batches) gives {list(given)}; own_metrics names {wanted}"
            )
        if not all(map(math.isfinite, given.values())):
            raise ValueError(f"these are not all finite: {given}")
    return {
        name: OwnNumber(value=given[name], unit=unit) for name, unit in model.own_metrics.items()
    }


def code_sums(model: Autoencoder, shown: Tensor) -> Tensor:
    """The codes of images added up, and their squares: `(2, d)`, float64."""
    codes = model._encode(model.standardized(shown)).flatten(1).cpu().double()
    return torch.stack([codes.sum(0), codes.square().sum(0)])


def active_units(sums: Tensor, count: int) -> int:
    """Latents whose posterior mean varies over the data by more than 0.01 (Burda et al. 2016).

    From `code_sums`, `(2, d)`, of `count` images.
    """
    total, squares = sums
    return int(((squares - total.square() / count) / max(1, count - 1) > 0.01).sum())


def as_measured(model: Autoencoder, device: torch.device) -> Autoencoder:
    """The model in float32 and eval mode on a device; a copy, unless it already is."""
    if not model.training and (model.dtype, model.device) == (torch.float32, device):
        return model
    return copy.deepcopy(model).to(device=device, dtype=torch.float32).eval()


def batch_size(values: int) -> int:
    """Images at once: bounded memory, by the values in one of them."""
    return max(1, min(IMAGES_AT_ONCE, VALUES_AT_ONCE // values))
