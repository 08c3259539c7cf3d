"""A model and images -> Metrics."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from zoo.data import AnyExamples, StreamedExamples, shown_in_testing
from zoo.data.corruptions import corrupted_by_number
from zoo.data.examples import PIECE
from zoo.data.factors import Factors
from zoo.data.moments import moments
from zoo.errors import InputError
from zoo.evaluation.disentanglement import check_factors, measure_factors
from zoo.evaluation.measure import (
    active_units,
    as_measured,
    batch_size,
    check_finite,
    code_sums,
    exact_float32,
    joined,
    mean_of,
    measure_elbo,
    measure_likelihood,
    measure_nll,
    measure_objective,
    measure_own,
    per_batch,
)
from zoo.evaluation.reconstruction import measure_batch
from zoo.likelihoods.fitting import accepts_missing, check_protocol, fitting_protocols
from zoo.models import Autoencoder, VariationalAutoencoder
from zoo.models.objectives import Objective, build
from zoo.models.objectives.deterministic import ReconstructionError
from zoo.registry import families
from zoo.runtime import processes
from zoo.specs.corruptions import Corruption
from zoo.specs.domains import domain_of
from zoo.specs.metrics import Metrics
from zoo.specs.protocols import Protocol, identity
from zoo.specs.reconstruction import reconstruction_identity


def evaluate_model(
    model: Autoencoder,
    images: AnyExamples,
    *,
    protocol: Protocol | None = None,
    nll_samples: int = 0,
    nll_examples: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    factors: Factors | None = None,
    device: torch.device | None = None,
) -> Metrics:
    """Measures a model on one split.

    Args:
        model: any model; it is measured in float32, whatever its dtype, and is not changed.
        images: the split.
        protocol: None is the likelihood's own.
        nll_samples: K of the importance-weighted bound; 0 leaves it out.
        nll_examples: take the bound on the first so many images only, for it takes the longest.
        limit: measure everything on the first so many images only.
        seed: of the posterior's draws, which are made per image; and of the scores' against factors.
        factors: of all images of the split, to measure codes against.
        device: where it computes; None is where the model is.

    Raises:
        InputError: for images of another shape, a protocol that does not fit the likelihood, or
            a limit below 1.
        InputError, DataError: for factors that do not fit: see `check_factors`.
    """
    return evaluate_each(
        model,
        images,
        protocol=protocol,
        nll_samples=nll_samples,
        nll_examples=nll_examples,
        limit=limit,
        seed=seed,
        factors=factors,
        device=device,
    )[0]


def evaluate_each(
    model: Autoencoder,
    images: AnyExamples,
    *,
    protocol: Protocol | None = None,
    nll_samples: int = 0,
    nll_examples: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    factors: Factors | None = None,
    device: torch.device | None = None,
) -> tuple[Metrics, dict[str, Tensor]]:
    """As `evaluate_model`, and beside the means each image's own numbers, `(N,)` by name."""
    check_shape(model, images)
    if protocol is None:  # an autoencoder's code is measured on gray images
        own_first = fitting_protocols(model.spec) or ("gray",)
        protocol = own_first[0 if isinstance(model, VariationalAutoencoder) else -1]
    check_protocol(protocol, model.spec)
    if limit is not None and limit < 1:
        raise InputError(f"limit is a number of examples, 1 or more; got {limit}.")
    if nll_samples < 0:
        raise InputError(f"nll_samples is a number of draws, 0 or more; got {nll_samples}.")
    count = min(len(images), limit or len(images))
    if factors:
        check_factors(model, images, factors, count, seed)
    measured = as_measured(model, device or model.device)
    guard = families.guarded(model, "failed to be measured")
    with guard, torch.inference_mode(), exact_float32():
        numbers, values, sha256 = _numbers(measured, images, count, protocol, seed)
        check_finite(numbers, images.key, model.spec.domain)
        if isinstance(measured, VariationalAutoencoder) and nll_samples and protocol != "gray":
            some = min(count, nll_examples or count)
            numbers |= _bound(measured, images, some, protocol, seed, nll_samples)
            check_finite(numbers, images.key, model.spec.domain)
            values |= {"nll_samples": nll_samples, "nll_n_examples": some}
        if factors:
            values |= processes.from_first(
                lambda: measure_factors(measured, images, factors, count, seed)
            )
        batches = torch.arange(count).split(batch_size(measured.spec.input_size))
        own = measure_own(measured, images.read(batches) if model.own_metrics else ())
    metrics = Metrics(
        dataset=images.dataset,
        split=images.split,
        domain=model.spec.domain.kind,
        protocol=protocol,
        protocol_id=identity(protocol),
        reconstruction_id=reconstruction_identity(model.spec.domain),
        n_examples=count,
        dataset_sha256=images.sha256 or sha256,
        seed=seed,
        own=own,
        **means_of(numbers),
        **values,
    )
    return metrics, numbers


def protocols_of(model: Autoencoder, own: Protocol) -> list[Protocol]:
    """What a published model is measured under: its recipe's own protocol, then all others that fit."""
    variational = isinstance(model, VariationalAutoencoder)
    fitting = (variational and fitting_protocols(model.spec)) or (own,)
    return sorted(fitting, key=lambda protocol: protocol != own)


def reconstruction_errors(model: Autoencoder, images: AnyExamples, count: int) -> dict[str, Tensor]:
    """`mse`, `psnr` and `ssim` alone of the first images, `(N,)` each, as `evaluate_model` takes them."""
    with torch.inference_mode(), exact_float32():
        size, errors = batch_size(model.spec.input_size), errors_of(model, images)
        return joined(per_batch(images, count, size, lambda values, _: errors(values)))


def errors_of(model: Autoencoder, images: AnyExamples) -> Callable[[Tensor], dict[str, Tensor]]:
    """What takes the errors of the reconstructions of a batch of a split, `(N,)` by name.

    `mse`, `psnr` and `ssim` of images. Of rows and series `mse` alone, in units of each column's or
    channel's variance over the split, so that models of the same examples compare; missing values
    are left out, and codes of categories count as numbers.
    """
    if model.spec.domain.is_image:
        return functools.partial(measure_batch, model)
    _, scale = processes.from_first(lambda: moments(images))

    def errors(values: Tensor) -> dict[str, Tensor]:
        x = values.double().cpu()
        x_hat = model.reconstruct(values).double().cpu()
        squares = ((x_hat - x) / scale).square().flatten(1)
        if not accepts_missing(model.spec):
            return {"mse": squares.mean(1)}
        return {"mse": squares.nanmean(1).nan_to_num(0.0)}  # 0 of a row without a value

    return errors


def validation_loss(
    model: Autoencoder,
    objective: Objective,
    *,
    images: AnyExamples,
    protocol: Protocol,
    corruption: Sequence[Corruption] = (),
) -> float:
    """What choices minimize, in nats per example, with fixed noise: the objective, or what stands in for it.

    That is the negative ELBO, with the Spec's weight of the KL, where an importance-weighted bound
    or a total correlation is trained. With a `corruption` the model encodes images that are corrupted by
    a fixed draw.
    """
    measured = build(objective.settings.validated())
    if isinstance(objective, ReconstructionError):
        measured = objective

    def measure(values: Tensor, first: int) -> dict[str, Tensor]:
        shown, seen = shown_in_testing(values, protocol, first), None
        if corruption:
            numbers = range(first, first + len(shown))
            seen = corrupted_by_number(shown, corruption, numbers, seed=0, epoch=0)
        return measure_objective(model, measured, shown, first, seen)

    with torch.inference_mode(), exact_float32():
        size = batch_size(model.spec.input_size)
        numbers = joined(per_batch(images, len(images), size, measure))
        return mean_of(numbers["loss"])[0]


def _numbers(
    model: Autoencoder, images: AnyExamples, count: int, protocol: Protocol, seed: int
) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Everything but the importance-weighted bound: numbers of each image, those of all, and the
    sha256 of a stream's first `count` images.

    One process reads a stream once. Of several, the first reads it once more, to hash it in order.
    """
    hashed, many = hashlib.sha256(), processes.are_many()
    errors = errors_of(model, images)
    streamed = isinstance(images, StreamedExamples)

    def measure(levels: Tensor, first: int) -> dict[str, Tensor]:
        shown = shown_in_testing(levels, protocol, first)
        found = errors(levels)
        if streamed and not many:
            hashed.update(levels.contiguous().numpy().data)
        if not isinstance(model, VariationalAutoencoder):
            return found | measure_likelihood(model, shown)
        codes = {"codes": code_sums(model, shown)}
        return found | measure_elbo(model, shown, first, seed) | codes

    batches = per_batch(images, count, batch_size(model.spec.input_size), measure)
    codes = [batch.pop("codes") for batch in batches if "codes" in batch]
    numbers = joined(batches)
    values: dict[str, Any] = {}
    if isinstance(model, VariationalAutoencoder):
        total = "bce_plus_kl" if protocol == "gray" else "neg_elbo"
        numbers[total] = numbers["reconstruction"].double() + numbers["kl"].double()
        if total == "neg_elbo" and model.spec.domain.is_image:
            values |= _bits(*mean_of(numbers[total]), model.spec.input_size, protocol)
        values["active_units"] = active_units(torch.stack(codes).sum(0), count)
    if streamed and many:
        return numbers, values, processes.from_first(lambda: _sha256_of(images, count))
    return numbers, values, hashed.hexdigest()


def _sha256_of(images: AnyExamples, count: int) -> str:
    hashed = hashlib.sha256()
    for levels in images.read(torch.arange(count).split(PIECE)):
        hashed.update(levels.contiguous().numpy().data)
    return hashed.hexdigest()


def _bits(
    neg_elbo: float, error: float | None, pixels: int, protocol: Protocol
) -> dict[str, float | None]:
    per_bit = pixels * math.log(2)
    shift = 8.0 if protocol == "dequantized" else 0.0  # 256 levels were squeezed into [0, 1]
    return {
        "bits_per_dim": neg_elbo / per_bit + shift,
        "bits_per_dim_se": None if error is None else error / per_bit,
    }


def _bound(
    model: VariationalAutoencoder,
    images: AnyExamples,
    count: int,
    protocol: Protocol,
    seed: int,
    samples: int,
) -> dict[str, Tensor]:
    """The importance-weighted bound of the first `count` images, each taken by itself."""

    def measure(levels: Tensor, first: int) -> dict[str, Tensor]:
        shown = shown_in_testing(levels, protocol, first)
        return {"nll": measure_nll(model, shown, seed, samples, first)}

    return joined(per_batch(images, count, 1, measure))


def means_of(per_image: dict[str, Tensor]) -> dict[str, Any]:
    """Mean and standard error, `<name>_se`, of the numbers `(N,)` of each name."""
    values = {}
    for name, numbers in per_image.items():
        values[name], values[f"{name}_se"] = mean_of(numbers)
    return values


def check_shape(model: Autoencoder, images: AnyExamples) -> None:
    """Raises InputError for examples of another shape than the model takes."""
    if images.shape != model.spec.input_shape:
        raise InputError(
            f"The model takes {model.spec.domain}; {images.dataset} has {domain_of(images.shape)}."
        )
