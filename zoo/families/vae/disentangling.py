"""VAEs with a weighted total correlation: `beta-tc-vae` and `factor-vae`."""

from __future__ import annotations

from torch import Tensor
from torch.func import functional_call

from zoo.families.vae.model import GaussianVAE
from zoo.families.vae.spec import BetaTCVAESpec, FactorVAESpec
from zoo.models.parts.bodies import MLP


class BetaTCVAE(GaussianVAE):
    """`vae` with a decomposed KL and its total correlation weighted by beta (Chen et al. 2018, eq. 2)."""

    Spec = BetaTCVAESpec


class FactorVAE(GaussianVAE):
    """`vae` with a penalty of gamma times the total correlation (Kim & Mnih 2018, eq. 2).

    A discriminator, trained in the same step on detached codes, distinguishes codes from
    dimension-wise permuted ones; its logit estimates the total correlation.
    """

    Spec = FactorVAESpec

    def __init__(self, spec: FactorVAESpec) -> None:
        super().__init__(spec)
        self.discriminator = MLP([spec.latent_dim, *spec.discriminator, 1], "leaky-relu")

    def _discriminate(self, z: Tensor, learns: bool) -> Tensor:
        codes = z.to(self.dtype)
        if learns:
            return self.discriminator(codes)
        fixed = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        return functional_call(self.discriminator, fixed, (codes,))
