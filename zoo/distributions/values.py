"""Log-probabilities of single values of an example, and of some of them."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution, Independent

from zoo.distributions.discretized_logistic import DiscretizedLogisticImage
from zoo.errors import InputError


def log_prob_by_value(likelihood: Distribution, x: Tensor) -> Tensor | None:
    """log p(x_i | z) of each value, `(..., *event)`; None for a likelihood that does not factorize."""
    if per_value := getattr(likelihood, "per_value", None):
        return per_value(x)
    if isinstance(likelihood, Independent):
        return likelihood.base_dist.log_prob(x)
    return None


def log_prob_where(likelihood: Distribution, x: Tensor, where: Tensor) -> Tensor:
    """log p of the values that `where` selects, `(...)` in nats.

    Args:
        likelihood: p(x | z), event `(*event)`.
        x: examples `(..., *event)`.
        where: bool, broadcastable to `x`; of images with a discretized logistic, whole pixels.

    Raises InputError for a likelihood that does not factorize over its values.
    """
    if isinstance(likelihood, DiscretizedLogisticImage):
        nats, chosen = likelihood.per_pixel(x), where.all(-3)  # (..., H, W)
        return nats.masked_fill(~chosen, 0.0).flatten(-2).sum(-1)
    nats = log_prob_by_value(likelihood, x)
    if nats is None:
        raise InputError(
            f"{type(likelihood).__name__} has no log-probability per value, which missing values need."
        )
    sides = len(likelihood.event_shape)
    return nats.masked_fill(~where, 0.0).flatten(nats.dim() - sides).sum(-1)
