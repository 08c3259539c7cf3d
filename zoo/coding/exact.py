"""The integer form of a model, which a file is coded by."""

from __future__ import annotations

from zoo.coding.stack import check_installed
from zoo.errors import InputError
from zoo.integers.base import ExactModel, TopDown
from zoo.integers.models import Quantized, exact
from zoo.likelihoods.fitting import likelihood_of
from zoo.models import Autoencoder


def exact_form(model: Autoencoder) -> ExactModel:
    """The integer form of a model whose images can be coded. Raises InputError for any other."""
    check_installed()
    found = exact(model)
    if not isinstance(found, TopDown | Quantized):
        raise InputError(
            f"{type(model).__name__} has no prior over its codes, so it cannot compress: models with a prior and "
            "a posterior can, such as vae-mnist-20."
        )
    if isinstance(found, Quantized) and (found.levels is None or found.levels.values != "binary"):
        raise InputError("A vq-vae compresses with the likelihood 'bernoulli' alone.")
    if found.levels is None:
        likelihood = likelihood_of(model.spec)
        name = likelihood.name() if likelihood else "none"
        raise InputError(
            f"The likelihood {name!r} is of real numbers, and files have levels: it cannot compress. Train with "
            "'bernoulli', of black and white pixels, or with 'discretized-logistic', of 256 levels "
            '(protocol = "levels").'
        )
    return found
