"""The negative ELBO with a weighted total correlation."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from zoo.distributions.gaussians import draw_at, without_gradient
from zoo.models.loss import Batch, Loss
from zoo.models.objectives.base import Objective, reconstruction
from zoo.models.primitives import Primitives, full_precision
from zoo.specs.objectives import TotalCorrelation


class MinibatchTotalCorrelation(Objective[TotalCorrelation]):
    """The KL decomposed into three terms, estimated within the batch (Chen et al. 2018, eq. 2).

    Index-code mutual information, total correlation, and dimension-wise KL. The aggregate posterior
    is estimated by minibatch-weighted sampling (appendix C.1) without the constant log N, which has
    no gradient, so the terms' values differ from those over the whole dataset.
    """

    def loss(self, model: Primitives, batch: Batch, noise: Tensor | None) -> Loss:
        assert noise is not None
        posterior = model._posterior(batch.input)
        z = draw_at(posterior, noise)
        nats = reconstruction(model, model._likelihood(z), batch.target)
        with full_precision(z.device):
            scored = without_gradient(posterior) if self.gradient == "stl" else posterior
            joint, marginals = aggregate(posterior, z)
            terms = {
                "mutual_information": scored.log_prob(z) - joint,
                "total_correlation": joint - marginals,
                "dimension_kl": marginals - model.prior().log_prob(z),
            }
            means = {name: term.mean() for name, term in terms.items()}
            return Loss({"reconstruction": nats}, means, model.loss_weights)


class DiscriminatedTotalCorrelation(Objective[TotalCorrelation]):
    """The KL plus the total correlation estimated by a discriminator (Kim & Mnih 2018, eq. 2).

    The discriminator is trained in the same step, on detached codes, to distinguish codes from
    dimension-wise permuted ones; its logit estimates the total correlation.
    """

    def loss(self, model: Primitives, batch: Batch, noise: Tensor | None) -> Loss:
        assert noise is not None
        inference = model._infer(batch.input, noise, stl=self.gradient == "stl")
        nats = reconstruction(model, inference.likelihood, batch.target)
        z = inference.z
        logits = model._discriminate(z, False).float()  # (N, 1)
        codes = z.detach()
        both = model._discriminate(torch.cat([codes, permuted(codes)]), True).float()  # (2 N, 1)
        with full_precision(z.device):
            real = torch.arange(len(both), device=both.device) < len(z)
            error = F.binary_cross_entropy_with_logits(both[:, 0], real.float())
            means = {"total_correlation": logits.mean(), "discriminator": error}
            return Loss({"reconstruction": nats, **inference.kl}, means, model.loss_weights)


def aggregate(posterior: Distribution, z: Tensor) -> tuple[Tensor, Tensor]:
    """log q(z) and the sum over dimensions of log q(z_j), `(N,)` in nats, of codes `(N, d)`.

    q(z) is the mean of this batch's posteriors.
    """
    assert isinstance(posterior, Independent)
    assert isinstance(posterior.base_dist, Normal)
    base = posterior.base_dist
    pairs = Normal(base.loc[None], base.scale[None], validate_args=False).log_prob(z[:, None])
    shift = math.log(len(z))  # pairs: (N, N, d), codes by posteriors
    return pairs.sum(2).logsumexp(1) - shift, (pairs.logsumexp(1) - shift).sum(1)


def permuted(codes: Tensor) -> Tensor:
    """Codes `(N, d)` with each dimension taken from a different example: column j is rolled by j steps.

    No further random numbers are needed, because an epoch's order is random.
    """
    count, dims = codes.shape
    rows = torch.arange(count, device=codes.device)[:, None]
    steps = torch.arange(dims, device=codes.device) * max(1, count // dims)
    return codes.gather(0, (rows + steps) % count)
