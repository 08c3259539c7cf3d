"""The distance between two sets of features."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import InputError


def frechet_distance(ours: Tensor, theirs: Tensor) -> float:
    """Between Gaussians with the means and covariances of two sets of features, `(N, d)` float64.

    Heusel et al. 2017, eq. 6. It falls with N: only equal numbers of images compare. Raises
    InputError for fewer than two images.
    """
    if min(len(ours), len(theirs)) < 2:
        raise InputError("A Frechet distance needs two images or more.")
    covariances = [torch.cov(one.T).reshape(one.shape[1], -1) for one in (ours, theirs)]
    root = _root(covariances[0])
    cross = torch.linalg.eigvalsh(root @ covariances[1] @ root).clamp(min=0).sqrt().sum()
    traces = sum(one.trace() for one in covariances)
    return ((ours.mean(0) - theirs.mean(0)).square().sum() + traces - 2 * cross).item()


def _root(matrix: Tensor) -> Tensor:
    """The symmetric square root of a covariance."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T
