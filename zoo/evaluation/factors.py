"""Scores of disentanglement: codes and the factors behind the images -> numbers in [0, 1], higher is better.

Each takes codes `(N, d)`, any floats, and factors `(N, F)`, whole numbers that stand for classes, and
draws what it draws from a seed. They are protocols as much as formulas: numbers of other programs
compare where factors, points and regressors are the same.
"""

from __future__ import annotations

import numpy as np

BINS = 20
"""Of each latent between its least and its greatest value, for the MIG."""
TREES, LEAF = 50, 5
"""Of each factor's forest, and least images of a leaf, for DCI."""
VOTES, TESTS, GROUP = 10_000, 5_000, 64
"""Groups of images that vote and that are told, and images of a group, for the FactorVAE score."""
LEAST_VARIANCE = 0.05
"""Of the largest of a latent's variance: less does not vote. That of a latent in use is about 1 in a VAE."""


def mig(codes: np.ndarray, factors: np.ndarray) -> float:
    """Mutual information gap (Chen et al. 2018, eq. 6).

    Of each factor: the mutual information with the latent that says most of it, less that with the
    next one, over the factor's entropy. Their mean.
    """
    gaps = []
    binned = [_binned(latent) for latent in codes.T]
    for factor in map(_classes, factors.T):
        told = sorted(_mutual_information(latent, factor) for latent in binned)
        gaps.append((told[-1] - told[-2]) / _mutual_information(factor, factor))
    return float(np.mean(gaps))


def dci(codes: np.ndarray, factors: np.ndarray, seed: int) -> tuple[float, float, float]:
    """Disentanglement, completeness and informativeness (Eastwood & Williams 2018).

    A latent's importance for a factor is that in a random forest that tells the factor from the
    codes of half of the images: 50 trees that see all latents at each split, with 5 images a leaf
    at least (the boosted trees of Locatello et al. 2019 are slow with many classes).
    Disentanglement: whether a latent matters for one factor only, a mean weighted by importance.
    Completeness: whether one latent only matters for a factor, the mean over factors.
    Informativeness: the mean accuracy on the other half, not an error as in the paper.
    """
    from sklearn.ensemble import RandomForestClassifier

    one, other = _halves(len(codes), seed)
    importance, accuracies = [], []
    for factor in map(_classes, factors.T):
        forest = RandomForestClassifier(
            TREES,
            max_features=None,  # pyright: ignore[reportArgumentType]  # it goes by the default alone
            min_samples_leaf=LEAF,
            random_state=seed % 2**32,
        )
        forest.fit(codes[one], factor[one])
        importance.append(forest.feature_importances_)
        accuracies.append(forest.score(codes[other], factor[other]))
    weights = np.stack(importance, axis=1)  # (d, F)
    of_latents = weights.sum(1)
    total = of_latents.sum()
    disentangled = float(_certainty(weights) @ of_latents / total) if total else 0.0
    return disentangled, float(_certainty(weights.T).mean()), float(np.mean(accuracies))


def sap(codes: np.ndarray, factors: np.ndarray, seed: int) -> float:
    """Separated attribute predictability (Kumar et al. 2018, section 3).

    Of each factor: how well the best latent tells its classes, less the next one. A latent tells
    them by thresholds, one fewer than there are classes, set on half of the images; how well is the
    balanced accuracy on the other half. Every factor counts as classes, as in Locatello et al.
    2019: the paper takes R^2 for those that are not.
    """
    from sklearn.tree import DecisionTreeClassifier

    one, other = _halves(len(codes), seed)
    gaps = []
    for factor in map(_classes, factors.T):
        tree = DecisionTreeClassifier(
            class_weight="balanced", max_leaf_nodes=int(factor.max()) + 1, random_state=0
        )
        told = sorted(
            _balanced_accuracy(
                tree.fit(latent[one], factor[one]).predict(latent[other]), factor[other]
            )
            for latent in codes.T[:, :, None]
        )
        gaps.append(told[-1] - told[-2])
    return float(np.mean(gaps))


def factor_vae_score(codes: np.ndarray, factors: np.ndarray, seed: int) -> float:
    """The score of the FactorVAE's authors (Kim & Mnih 2018, section 4).

    All images of a group have one factor in common. The latent that varies least in it, against its
    variance over all images, votes for that factor; the score is the share of further groups whose
    factor is that for which their latent voted most. Groups are drawn with replacement from the
    images, of which each factor is as likely; without a latent in use it is 0.
    """
    variances = codes.var(0)
    used = variances > LEAST_VARIANCE * variances.max()
    if not used.any():
        return 0.0
    scaled = codes[:, used] / np.sqrt(variances[used])
    common, least = _groups(scaled, factors, VOTES + TESTS, seed)
    votes = np.zeros((scaled.shape[1], factors.shape[1]), np.int64)
    np.add.at(votes, (least[:VOTES], common[:VOTES]), 1)
    return float((votes.argmax(1)[least[VOTES:]] == common[VOTES:]).mean())


def _groups(
    codes: np.ndarray, factors: np.ndarray, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """What images of each group have in common, and the latent that varies least: `(count,)` each."""
    common = (uniform(seed, 1, count) * factors.shape[1]).astype(np.int64)
    examples = (uniform(seed, 2, count) * len(codes)).astype(np.int64)
    places = uniform(seed, 3, count * GROUP).reshape(count, GROUP)
    least = np.empty(count, np.int64)
    for number, factor in enumerate(factors.T):
        order = np.argsort(factor, kind="stable")
        for group in np.flatnonzero(common == number):
            value = factor[examples[group]]
            first, end = np.searchsorted(factor, [value, value + 1], sorter=order)
            members = order[first + (places[group] * (end - first)).astype(np.int64)]
            least[group] = codes[members].var(0).argmin()
    return common, least


def _classes(factor: np.ndarray) -> np.ndarray:
    """Numbers from 0 without gaps, `(N,)`."""
    return np.unique(factor, return_inverse=True)[1]


def _binned(latent: np.ndarray) -> np.ndarray:
    """In which of the bins each value is, `(N,)`."""
    low, high = latent.min(), latent.max()
    share = (latent - low) / (high - low) if high > low else np.zeros_like(latent)
    return np.minimum((share * BINS).astype(np.int64), BINS - 1)


def _mutual_information(one: np.ndarray, other: np.ndarray) -> float:
    """In nats, of two `(N,)` of numbers from 0; of one with itself it is the entropy."""
    joint = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(joint, (one, other), 1 / len(one))
    independent = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    there = joint > 0
    return float((joint[there] * np.log(joint[there] / independent[there])).sum())


def _certainty(weights: np.ndarray) -> np.ndarray:
    """1 less the entropy of each row `(n, k)` over that of k equal weights, `(n,)`; 0 without weights."""
    total = weights.sum(1, keepdims=True)
    shares = np.divide(
        weights, total, out=np.full_like(weights, 1 / weights.shape[1]), where=total > 0
    )
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.clip(1 + (shares * logs).sum(1) / np.log(max(2, weights.shape[1])), 0, 1)


def _balanced_accuracy(told: np.ndarray, factor: np.ndarray) -> float:
    """The mean over classes of the share that is told right."""
    return float(np.mean([(told[factor == value] == value).mean() for value in np.unique(factor)]))


def _halves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(uniform(seed, 0, count), kind="stable")
    return order[: count // 2], order[count // 2 :]


def uniform(seed: int, stream: int, count: int) -> np.ndarray:
    """Numbers in [0, 1), `(count,)`, the same everywhere: NumPy's raw Philox output never changes."""
    raw = np.random.Philox(key=[seed % 2**64, stream]).random_raw(count)
    return (raw >> np.uint64(11)) * 2.0**-53
