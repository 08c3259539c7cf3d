"""A bare PyTorch loop: the least that trains this network, and what torch itself saves and loads."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arms import BARE
from arms.arm import BATCH, INITIAL, RATE, SAMPLES, TRAINED, Arm, Job
from arms.damage import LAYOUTS
from arms.plain import LATENT, PlainVAE
from arms.watch import Watch

WEIGHTS = LAYOUTS[BARE].weights


class Bare(Arm):
    """A uint8 tensor in memory, logits, fused Adam; `torch.save` and `torch.load`."""

    def train(self, job: Job, watch: Watch) -> None:
        pixels = job.pixels("train")[: job.images].flatten(1)
        model = job.plain(INITIAL)
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
        watch.begin()
        for _ in range(job.epochs):
            for indices in torch.randperm(len(pixels)).split(BATCH):
                loss = _loss(model, pixels[indices].float().div_(255)) / len(indices)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                watch.step(len(indices))
            watch.end_epoch(
                model.encode,
                lambda z: torch.sigmoid(model.decode(z)),
                lambda: _mean_loss(model, watch.test),
            )
        torch.save(model.state_dict(), Path(job.work, TRAINED))

    def save(self, plain: PlainVAE, folder: Path) -> None:
        folder.mkdir()
        torch.save(plain.state_dict(), folder / WEIGHTS)

    def load(self, folder: Path) -> nn.Module:
        return self._load(folder, weights_only=True)

    def _load(self, folder: Path, weights_only: bool) -> nn.Module:
        model = PlainVAE()
        model.load_state_dict(torch.load(folder / WEIGHTS, weights_only=weights_only))
        return model.eval()

    def bound(self, model: nn.Module) -> Callable[[Tensor], float]:
        assert isinstance(model, PlainVAE)

        def nll(x: Tensor) -> float:
            mu, logvar = model.encode(x)
            noise = torch.randn(SAMPLES, LATENT)
            z = mu + noise * torch.exp(0.5 * logvar)
            logits = model.decode(z)
            x = x.view(1, -1).expand_as(logits)
            log_p_x = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
            log_p_z = -0.5 * z.square().sum(1)
            log_q_z = -0.5 * (noise.square() + logvar).sum(1)
            bound = torch.logsumexp(log_p_x + log_p_z - log_q_z, 0) - math.log(SAMPLES)
            return -bound.item()

        return nll


class Unchecked(Bare):
    """As `torch.load` was for years: any pickle is opened."""

    def load(self, folder: Path) -> nn.Module:
        return self._load(folder, weights_only=False)


def _loss(model: PlainVAE, x: Tensor) -> Tensor:
    """BCE + KL of images `(N, 784)`, summed, in nats."""
    logits, mu, logvar = model(x)
    bce = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    kl = -0.5 * torch.sum(1 + logvar - mu.square() - logvar.exp())
    return bce + kl


@torch.no_grad()
def _mean_loss(model: PlainVAE, pixels: Tensor) -> float:
    batches = pixels.flatten(1).split(BATCH)
    return sum(_loss(model, batch.float() / 255).item() for batch in batches) / len(pixels)
