"""The family `vq-vae`: an autoencoder with vector-quantized codes.

The encoder outputs a grid of vectors, each of which is replaced by the nearest codebook vector before
decoding (van den Oord et al. 2017, arXiv:1711.00937).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

from zoo.families.vq_vae.spec import VQVAESpec
from zoo.models.interface import Autoencoder
from zoo.models.loss import Code
from zoo.models.parts.bodies import GridDecoder, GridEncoder
from zoo.models.parts.likelihoods import LikelihoodHead
from zoo.models.primitives import full_precision
from zoo.runtime import processes

DECAY = 0.99
"""Decay of the codebook's moving averages: the paper's gamma."""
DEAD = 0.01
"""Codes used less than this fraction of uniform usage are re-initialized (dead codes)."""
PICTURE = 8
"""Rows and columns of the codebook's picture."""


class VQVAE(Autoencoder):
    """A VQ-VAE with a spatial code `(latent_dim, h, w)`; `encode` returns codebook vectors.

    The codebook is updated by exponential moving averages of encoder outputs (appendix A.1), not by
    gradients: `_code` computes the statistics of a batch, and `_learn` applies them. Dead codes are
    re-initialized at encoder outputs of the batch; at the first step, all codes are. (With
    `ema_decay`, a code re-initialized in the last steps is averaged with its previous value.)
    """

    Spec = VQVAESpec
    spec: VQVAESpec
    own_metrics: ClassVar = {"codebook_usage": "of the codes", "perplexity": "codes"}
    own_pictures: ClassVar = {
        "codebook": "Each vector of the codebook at every place, the most used ones first."
    }
    codebook: Tensor
    uses: Tensor

    def __init__(self, spec: VQVAESpec) -> None:
        super().__init__(spec)
        width, numbers = spec.body.channels[-1], spec.latent_dim
        self.encoder = GridEncoder(spec.body, spec.input_shape)
        self.to_vectors = nn.Conv2d(width, numbers, 1)
        self.from_vectors = nn.Conv2d(numbers, width, 3, padding=1)
        self.decoder = GridDecoder(spec.body, spec.likelihood.outputs(spec.input_shape))
        self.likelihood_head = LikelihoodHead(spec.likelihood, spec.input_shape)
        self.register_buffer("codebook", 0.2 * torch.randn(spec.codes, numbers))  # (K, D)
        self.register_buffer("uses", torch.zeros(spec.codes))  # (K,), of one image, on average

    def set_output_mean(self, mean: Tensor) -> None:
        with torch.no_grad():
            self.decoder.set_output_bias(self.likelihood_head.outputs_for(mean))

    def _encode(self, x: Tensor) -> Tensor:
        return self._vectors(self._nearest(self._outputs(x)))  # (N, D, h, w)

    def _likelihood(self, z: Tensor) -> Distribution:
        codes = z.reshape(-1, *z.shape[-3:])  # (prod(batch), D, h, w)
        logits = self.decoder(self.from_vectors(codes))  # (prod(batch), C, H, W)
        return self.likelihood_head.distribution(
            logits.float().reshape(*z.shape[:-3], *logits.shape[1:])
        )

    def _outputs(self, x: Tensor) -> Tensor:
        return self.to_vectors(self.encoder(x))  # (N, D, h, w)

    def _code(self, x: Tensor, noise: Tensor | None) -> Code:
        """Codes with a straight-through gradient, and their commitment loss (eq. 3), in nats."""
        h = self._outputs(x)  # (N, D, h, w)
        numbers = self._nearest(h)  # (N, h, w)
        z = self._vectors(numbers)  # (N, D, h, w)
        with full_precision(x.device):
            commitment = (h.float() - z.float()).square().flatten(1).sum(1)  # (N,)
            statistics = {}
            if self.training:
                statistics = self._statistics(h.detach().float(), numbers, noise)
        return Code(h + (z - h).detach(), {"commitment": commitment}, statistics=statistics)

    def _code_noise(self, size: int, generator: torch.Generator | None) -> Tensor:
        """For each codebook vector, a position in the batch to re-initialize it from: `(size, K)` int64.

        The index of the position in its image's row; -1 in all other rows.
        """
        _, height, width = self.latent_shape
        codes = self.spec.codes
        device = generator.device if generator else self.device
        images = torch.randint(size, (1, codes), generator=generator, device=device)
        places = torch.randint(height * width, (1, codes), generator=generator, device=device)
        none = torch.full((size, codes), -1, dtype=torch.int64, device=device)
        if generator is None:  # a batch per process: each vector is assigned to one of them
            index, count = processes.group()
            others = torch.arange(codes, device=device) % count != index  # (K,)
            places = places.masked_fill(others, -1)
        return none.scatter(0, images, places)

    def _statistics(self, h: Tensor, numbers: Tensor, noise: Tensor | None) -> dict[str, Tensor]:
        """Codebook statistics of encoder outputs `(N, D, h, w)`, as means over the images.

        "uses" `(K,)` and "sums" `(K, D)` are the number and the sum of the outputs nearest to each
        vector; "chosen" `(K,)` and "outputs" `(K, D)` are whether a vector's re-initialization
        position is among these images, and the output there.
        """
        count, codes = len(h), self.spec.codes
        outputs = h.movedim(1, -1).flatten(0, 2)  # (N * h * w, D)
        nearest = F.one_hot(numbers.flatten(), codes).to(h.dtype)  # (N * h * w, K)
        noise = self._code_noise(count, None) if noise is None else noise  # (N, K)
        image = noise.argmax(0)  # (K,)
        place = noise.amax(0)  # (K,), -1 if it is in another part of the batch
        chosen = (place >= 0).to(h.dtype)  # (K,)
        at_place = h.flatten(2)[image, :, place.clamp(min=0)]  # (K, D)
        sums = {
            "uses": nearest.sum(0),
            "sums": nearest.T @ outputs,
            "chosen": chosen,
            "outputs": chosen[:, None] * at_place,
        }
        return {name: tensor / count for name, tensor in sums.items()}

    @torch.no_grad()
    def _learn(self, statistics: Mapping[str, Tensor]) -> None:
        """Updates the codebook from the statistics of a whole batch (appendix A.1, eq. 6-8)."""
        before = DECAY * self.uses.float()  # (K,)
        uses = before + (1 - DECAY) * statistics["uses"]
        sums = before[:, None] * self.codebook.float() + (1 - DECAY) * statistics["sums"]  # (K, D)
        _, height, width = self.latent_shape
        uniform = height * width / self.spec.codes
        dead = uses < DEAD * uniform  # (K,)
        restarts = statistics["outputs"] / statistics["chosen"][:, None]  # (K, D)
        means = sums / uses.clamp(min=DEAD * uniform)[:, None]  # (K, D)
        self.codebook.copy_(torch.where(dead[:, None], restarts, means))
        self.uses.copy_(torch.where(dead, uniform, uses))

    def _nearest(self, h: Tensor) -> Tensor:
        """Index of the nearest codebook vector at each position of `(N, D, h, w)`: `(N, h, w)` int64."""
        with torch.no_grad(), full_precision(h.device):
            codebook = self.codebook.float()  # (K, D)
            product = torch.einsum("ndhw,kd->nhwk", h.float(), codebook)  # (N, h, w, K)
            return (product - codebook.square().sum(1) / 2).argmax(-1)  # (N, h, w)

    def _vectors(self, numbers: Tensor) -> Tensor:
        return F.embedding(numbers, self.codebook).movedim(-1, 1)  # (N, D, h, w)

    def _counts(self, batches: Iterable[Tensor]) -> Tensor:
        """Number of positions at which each vector is nearest, `(K,)` int64."""
        counts = torch.zeros(self.spec.codes, dtype=torch.int64, device=self.device)  # (K,)
        for x in batches:
            numbers = self._nearest(self._outputs(x))  # (N, h, w)
            counts += numbers.flatten().bincount(minlength=self.spec.codes)  # (K,)
        return counts

    def _measure(self, batches: Iterable[Tensor]) -> dict[str, float]:
        counts = self._counts(batches).cpu().double()  # (K,)
        entropy = torch.special.entr(counts / counts.sum()).sum()
        return {
            "codebook_usage": (counts > 0).double().mean().item(),
            "perplexity": entropy.exp().item(),
        }

    def _draw(self, x: Tensor) -> dict[str, Tensor]:
        columns = min(PICTURE, self.spec.codes)
        rows = min(PICTURE, self.spec.codes // columns)
        order = self._counts([x]).argsort(descending=True, stable=True)[: rows * columns]
        _, height, width = self.latent_shape
        everywhere = order[:, None, None].expand(-1, height, width)  # (rows * columns, h, w)
        images = self._decode(self._vectors(everywhere))  # (rows * columns, C, H, W)
        return {"codebook": images.unflatten(0, (rows, columns))}  # (rows, columns, C, H, W)
