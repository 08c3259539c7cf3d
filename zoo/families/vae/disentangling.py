"""`vae` with a penalty on the total correlation of its codes: `beta-tc-vae` and `factor-vae`."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal
from torch.func import functional_call

from zoo.distributions.gaussians import without_gradient
from zoo.families.vae.model import GaussianVAE
from zoo.families.vae.spec import BetaTCVAESpec, FactorVAESpec
from zoo.models.interface import Loss, full_precision
from zoo.models.parts.bodies import MLP
from zoo.models.variational import Gradient, at_least
from zoo.specs.objectives import ELBO, IWAE


class BetaTCVAE(GaussianVAE):
    """`vae` whose KL is split in three, of which the total correlation weighs beta.

    Chen et al. 2018, eq. 2: the mutual information of image and code, the total correlation of the
    code's numbers, and each number's own KL. The aggregate posterior is estimated within the batch,
    or the part of it that a process computes, by minibatch-weighted sampling (appendix C.1) without
    its constant log N, which has no gradient: so a term is not what it is over all images.
    """

    Spec = BetaTCVAESpec

    def __init__(self, spec: BetaTCVAESpec) -> None:
        super().__init__(spec)
        self.beta = spec.beta

    @property
    def loss_weights(self) -> dict[str, float]:
        return {"total_correlation": self.beta}

    def _loss(
        self,
        x: Tensor,
        gradient: Gradient = "reparameterized",
        noise: Tensor | None = None,
        objective: ELBO | IWAE = ELBO(),  # noqa: B008  # immutable
    ) -> Loss:
        posterior, z, likelihood = self._drawn(x, noise)
        with full_precision(x.device):
            own = without_gradient(posterior) if gradient == "stl" else posterior
            joint, marginals = aggregate(posterior, z)
            terms = {
                "reconstruction": -likelihood.log_prob(x.float()),
                "mutual_information": own.log_prob(z) - joint,
                "total_correlation": joint - marginals,
                "dimension_kl": marginals - self.prior().log_prob(z),
            }
            return Loss({name: term.mean() for name, term in terms.items()}, self.loss_weights)


def aggregate(posterior: Distribution, z: Tensor) -> tuple[Tensor, Tensor]:
    """log q(z) and the sum over numbers of log q(z_j), `(N,)` in nats, of codes `(N, d)`.

    q(z) is the mean of the posteriors of this very batch.
    """
    assert isinstance(posterior, Independent)
    assert isinstance(posterior.base_dist, Normal)
    base = posterior.base_dist
    pairs = Normal(base.loc[None], base.scale[None], validate_args=False).log_prob(z[:, None])
    shift = math.log(len(z))  # pairs: (N, N, d), codes by posteriors
    return pairs.sum(2).logsumexp(1) - shift, (pairs.logsumexp(1) - shift).sum(1)


class FactorVAE(GaussianVAE):
    """`vae` with a penalty of gamma times the total correlation (Kim & Mnih 2018, eq. 2).

    A discriminator, trained in the same step on codes that are held fixed, tells them from codes
    whose numbers come from different images; its logit measures the total correlation.
    """

    Spec = FactorVAESpec

    def __init__(self, spec: FactorVAESpec) -> None:
        super().__init__(spec)
        self.gamma = spec.gamma
        self.discriminator = MLP([spec.latent_dim, *spec.discriminator, 1], "leaky-relu")

    @property
    def loss_weights(self) -> dict[str, float]:
        return {"total_correlation": self.gamma}

    def _loss(
        self,
        x: Tensor,
        gradient: Gradient = "reparameterized",
        noise: Tensor | None = None,
        objective: ELBO | IWAE = ELBO(),  # noqa: B008  # immutable
    ) -> Loss:
        assert objective.kind == "elbo"
        posterior, z, likelihood = self._drawn(x, noise)
        fixed = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        logits = functional_call(self.discriminator, fixed, (z.to(self.dtype),)).float()
        codes = z.detach().to(self.dtype)
        told = self.discriminator(torch.cat([codes, shuffled(codes)])).float()  # (2 N, 1)
        with full_precision(x.device):
            real = torch.arange(len(told), device=told.device) < len(z)
            terms = {
                "reconstruction": -likelihood.log_prob(x.float()).mean(),
                "kl": at_least(self._kl(posterior, z, gradient).mean(), objective.free_bits),
                "total_correlation": logits.mean(),
                "discriminator": F.binary_cross_entropy_with_logits(told[:, 0], real.float()),
            }
        return Loss(terms, self.loss_weights)


def shuffled(codes: Tensor) -> Tensor:
    """Codes `(N, d)` whose numbers come from different images of the batch: each from the next one on.

    The order of a batch is drawn anew every epoch, so that no more draws are needed.
    """
    count, dims = codes.shape
    rows = torch.arange(count, device=codes.device)[:, None]
    steps = torch.arange(dims, device=codes.device) * max(1, count // dims)
    return codes.gather(0, (rows + steps) % count)
