"""Whether a clustering is found again, and whether it is tighter than noise.

Pure functions of coordinates, shape (n_users, n_components), and of a scikit-learn estimator, which
is cloned for each fit. On tiny data a segment may have no user; nothing here fails for it.
"""

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, silhouette_score

# Hennig's marks for the Jaccard index of a segment: found again, and a pattern with doubtful users.
VALID_JACCARD = 0.75
DOUBTFUL_JACCARD = 0.60
# What is drawn anew is drawn so often; of few users twice, for a build waits for it.
REPEATS = 10
FEW_REPEATS = 2
FEW_USERS = 3_000
# Repeated fits look at this many users.
REPEATED_USERS = 10_000


def repeats_for(n_users: int) -> int:
    """Return how often to draw anew from so many users."""
    return REPEATS if n_users >= FEW_USERS else FEW_REPEATS


def agreement_of_halves(
    coordinates: np.ndarray, estimator: BaseEstimator, repeats: int, random_state: int
) -> tuple[float, float]:
    """Return how well two disjoint halves of the users lead to the same segments.

    Args:
        coordinates: Shape (n_users, n_components).
        estimator: Has `fit`, `predict` and `labels_`.
        repeats: Number of halvings.
        random_state: Seed of the halvings.

    Returns:
        The adjusted Rand index of the segments that both halves give to all users, as a mean over
        the halvings; and the prediction strength (Tibshirani & Walther 2005, Cluster Validation by
        Prediction Strength): of the pairs of users in a segment of one half, the share that the
        other half's segments leave together, for the segment where it is lowest, as a mean over
        halvings and directions. A segment of one user has no pair and does not count.
    """
    chance = np.random.default_rng(random_state)
    indices, strengths = [], []
    for _ in range(repeats):
        half = chance.permutation(len(coordinates)) % 2 == 0
        one, other = (clone(estimator).fit(coordinates[rows]) for rows in (half, ~half))
        by_one, by_other = (fitted.predict(coordinates) for fitted in (one, other))
        indices.append(adjusted_rand_score(by_one, by_other))
        strengths += [
            _lowest_strength(one.labels_, by_other[half]),
            _lowest_strength(other.labels_, by_one[~half]),
        ]
    return float(np.mean(indices)), float(np.mean(strengths))


def bootstrap_jaccard(
    coordinates: np.ndarray, clusters: BaseEstimator, repeats: int, random_state: int
) -> np.ndarray:
    """Return how well each segment is found again when the users are drawn anew.

    For each segment, the Jaccard index with the most similar segment of a bootstrap sample, among
    the users of that sample, each counted once; the mean over the samples (Hennig 2007,
    Cluster-wise assessment of cluster stability).

    Args:
        coordinates: Shape (n_users, n_components).
        clusters: Fitted, with `predict` and `n_clusters`.
        repeats: Number of bootstrap samples.
        random_state: Seed of the samples.

    Returns:
        Shape (n_clusters,), from 0 to 1; NaN for a segment that has no user in any sample.
    """
    chance = np.random.default_rng(random_state)
    labels = clusters.predict(coordinates)
    jaccard = np.full((repeats, clusters.n_clusters), np.nan)
    for repeat in range(repeats):
        drawn = chance.integers(len(coordinates), size=len(coordinates))
        rows = np.unique(drawn)
        refitted = clone(clusters).fit(coordinates[drawn])
        shared = _contingency(labels[rows], refitted.predict(coordinates[rows]))
        sizes, others = shared.sum(axis=1), shared.sum(axis=0)
        union = sizes[:, None] + others - shared
        best = (shared / np.maximum(union, 1)).max(axis=1)
        jaccard[repeat, : len(sizes)] = np.where(sizes > 0, best, np.nan)
    counts = np.isfinite(jaccard).sum(axis=0)
    return np.where(counts > 0, np.nansum(jaccard, axis=0) / np.maximum(counts, 1), np.nan)


def gap_statistic(
    coordinates: np.ndarray, estimator: BaseEstimator, repeats: int, random_state: int
) -> tuple[float, float]:
    """Return by how much the clustering is tighter than one of noise.

    The noise is uniform in the box of the principal components of the coordinates (Tibshirani,
    Walther & Hastie 2001, Estimating the number of clusters in a data set via the gap statistic).

    Args:
        coordinates: Shape (n_users, n_components).
        estimator: Has `fit` and `inertia_`.
        repeats: Number of samples of noise.
        random_state: Seed of the noise.

    Returns:
        The difference of the natural logarithms of the inertia, and its standard error with that of
        the simulation; NaN where the users fill no space.
    """
    chance = np.random.default_rng(random_state)
    rotated = PCA(svd_solver="full").fit_transform(coordinates)
    low, high = rotated.min(axis=0), rotated.max(axis=0)
    inertias = [clone(estimator).fit(coordinates).inertia_] + [
        clone(estimator).fit(chance.uniform(low, high, rotated.shape)).inertia_
        for _ in range(repeats)
    ]
    if min(inertias) <= 0:
        return np.nan, np.nan
    observed, *noise = np.log(inertias)
    return float(np.mean(noise) - observed), float(np.std(noise) * np.sqrt(1 + 1 / repeats))


def separation(coordinates: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean silhouette (Rousseeuw 1987); NaN where there is none, as with one segment.

    Args:
        coordinates: Shape (n_users, n_components).
        labels: Shape (n_users,).
    """
    if not 1 < len(np.unique(labels)) < len(labels):
        return np.nan
    return float(silhouette_score(coordinates, labels))


def _lowest_strength(labels: np.ndarray, others: np.ndarray) -> float:
    shared = _contingency(labels, others)
    sizes = shared.sum(axis=1)
    together = (shared * (shared - 1)).sum(axis=1)[sizes > 1]
    return (together / (sizes * (sizes - 1))[sizes > 1]).min(initial=1.0)


def _contingency(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return how many users have each pair of labels, shape (max(one) + 1, max(other) + 1)."""
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1)
    return table
