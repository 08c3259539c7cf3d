"""The distance between two sets of features."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.runtime import processes


class Moments:
    """Count, mean and scatter of features that are added one at a time, in `(d, d)` memory.

    By Welford's update: sums of outer products alone would lose the digits of features far from 0.
    """

    def __init__(self, width: int) -> None:
        self.count = 0
        self.mean = torch.zeros(width, dtype=torch.float64)
        self.scatter = torch.zeros(width, width, dtype=torch.float64)
        """The sum of outer products of the features' distances from their mean."""

    def add(self, features: Tensor) -> None:
        """Adds one image's, `(d,)` float64."""
        self.count += 1
        apart = features - self.mean
        self.mean += apart / self.count
        self.scatter.addr_(apart, features - self.mean)

    def over_processes(self) -> Moments:
        """Of what all processes have added, in each of them."""
        found = Moments(len(self.mean))
        count, mean = self.count, self.mean
        found.count = int(processes.summed(torch.tensor(count)))
        found.mean = processes.summed(mean * count) / max(1, found.count)
        apart = mean - found.mean
        found.scatter = processes.summed(self.scatter.addr(apart, apart, alpha=count))
        return found


def frechet_distance(ours: Moments, theirs: Moments) -> float:
    """Between Gaussians with the means and covariances of two sets of features.

    Heusel et al. 2017, eq. 6. It falls with N: only equal numbers of images compare. Raises
    InputError for fewer than two images.
    """
    if min(ours.count, theirs.count) < 2:
        raise InputError("A Frechet distance needs two images or more.")
    covariances = [one.scatter / (one.count - 1) for one in (ours, theirs)]
    root = _root(covariances[0])
    cross = torch.linalg.eigvalsh(root @ covariances[1] @ root).clamp(min=0).sqrt().sum()
    traces = sum(one.trace() for one in covariances)
    distance = ((ours.mean - theirs.mean).square().sum() + traces - 2 * cross).item()
    return float(f"{distance:.10g}")  # sums over other numbers of processes end in other digits


def _root(matrix: Tensor) -> Tensor:
    """The symmetric square root of a covariance."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T
