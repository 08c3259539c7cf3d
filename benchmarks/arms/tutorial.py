"""What tutorials write: torchvision's dataset, ToTensor, a DataLoader, BCE on a sigmoid, Adam."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from arms.arm import BATCH, INITIAL, RATE, Arm, Job
from arms.plain import PlainVAE
from arms.watch import Watch


class Tutorial(Arm):
    """The loop of the textbooks. It trains only: what it saves and loads is the bare loop's."""

    def train(self, job: Job, watch: Watch) -> None:
        from torchvision import datasets, transforms

        train, test = (
            datasets.MNIST(job.data, train=part, transform=transforms.ToTensor())
            for part in (True, False)
        )
        train.data, train.targets = train.data[: job.images], train.targets[: job.images]
        loader = DataLoader(train, batch_size=BATCH, shuffle=True)
        model = job.plain(INITIAL)
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
        watch.begin()
        for _ in range(job.epochs):
            total = 0.0
            for x, _ in loader:
                loss = _loss(model, x) / len(x)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() * len(x)
                watch.step(len(x))
            watch.end_epoch(
                model.encode,
                lambda z: torch.sigmoid(model.decode(z)),
                lambda: _mean_loss(model, DataLoader(test, batch_size=BATCH)),
            )


def _loss(model: PlainVAE, x: Tensor) -> Tensor:
    """BCE + KL of images `(N, 1, 28, 28)`, summed, in nats."""
    logits, mu, logvar = model(x)
    bce = F.binary_cross_entropy(torch.sigmoid(logits), x.view(-1, 784), reduction="sum")
    kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kl


@torch.no_grad()
def _mean_loss(model: PlainVAE, loader: DataLoader) -> float:
    total, seen = 0.0, 0
    for x, _ in loader:
        total, seen = total + _loss(model, x).item(), seen + len(x)
    return total / seen
