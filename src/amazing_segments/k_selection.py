"""Choose the number of segments: measure each candidate, then apply a rule."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from sklearn.metrics import (
    adjusted_rand_score,
    calinski_harabasz_score,
    davies_bouldin_score,
    silhouette_score,
)
from threadpoolctl import threadpool_limits

from amazing_segments.model_versions import K_SELECTION_TYPES, empty, features_text
from amazing_segments.segmentation import RANDOM_STATE, fit_clusters, fit_preparation

CANDIDATE_K = range(2, 13)
MAX_SEGMENTS = max(CANDIDATE_K)
# A choice of k looks at this many users, silhouette (quadratic) at fewer.
DIAGNOSTIC_USERS = 20_000
SILHOUETTE_USERS = 5_000
# Below this many users a segment of the smallest accepted share would hold one or two of them.
MIN_TRAINING_USERS = 100

# The rule for k: enough segments to act on, none too small to address, found again on other
# users; among those the best separated.
MIN_USEFUL_K = 4
MIN_SEGMENT_SHARE = 0.02
MIN_STABILITY = 0.6


def select_k(users: pd.DataFrame, transforms: dict[str, str], model_version: int) -> pd.DataFrame:
    """Measure each candidate number of segments and choose one.

    Args:
        users: As for `fit_preparation`, with as_of; the first `DIAGNOSTIC_USERS` are looked at.
        transforms: As for `fit_preparation`.
        model_version: The version that is trained.

    Returns:
        One row per k, with the columns of `K_SELECTION_TYPES`. stability is the adjusted Rand index
        between the segments that two disjoint halves of the users give to all of them. No row
        where there are fewer than `MIN_TRAINING_USERS` users: too few to tell habits apart.

    """
    if len(users) < MIN_TRAINING_USERS:
        return empty(K_SELECTION_TYPES)
    sample = users.head(DIAGNOSTIC_USERS)
    coordinates = fit_preparation(sample, transforms).transform(sample)
    halves = np.random.default_rng(RANDOM_STATE).permutation(len(coordinates)) % 2 == 0
    # one k a core, each on one thread: see fit_clusters
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as cores:
        rows = list(cores.map(lambda k: _evaluate_k(coordinates, halves, k), CANDIDATE_K))
    evaluated = pd.DataFrame(rows)
    return evaluated.assign(
        model_version=model_version,
        is_chosen=evaluated["k"] == choose_k(evaluated),
        user_count=len(users),
        random_state=RANDOM_STATE,
        features=features_text(transforms),
        as_of=users["as_of"].iloc[0],
        trained_at=pd.Timestamp.now(tz="UTC").tz_localize(None),
    )[list(K_SELECTION_TYPES)].astype(K_SELECTION_TYPES)


def _evaluate_k(coordinates: np.ndarray, halves: np.ndarray, k: int) -> dict[str, float]:
    clusters = fit_clusters(coordinates, k)
    one, other = (
        fit_clusters(coordinates[half], k).predict(coordinates) for half in (halves, ~halves)
    )
    return {
        "k": k,
        "inertia": clusters.inertia_,
        "silhouette": silhouette_score(
            coordinates[:SILHOUETTE_USERS], clusters.labels_[:SILHOUETTE_USERS]
        ),
        "calinski_harabasz": calinski_harabasz_score(coordinates, clusters.labels_),
        "davies_bouldin": davies_bouldin_score(coordinates, clusters.labels_),
        "stability": adjusted_rand_score(one, other),
        "smallest_share": np.bincount(clusters.labels_, minlength=k).min() / len(coordinates),
    }


def choose_k(evaluated: pd.DataFrame) -> int:
    """Apply the rule for k to the rows of `select_k`.

    Of the k from `MIN_USEFUL_K` whose smallest segment holds `MIN_SEGMENT_SHARE` of the users and
    whose stability reaches `MIN_STABILITY`, the best silhouette wins; where none passes, the most
    stable.
    """
    useful = evaluated[evaluated["k"] >= MIN_USEFUL_K]
    passing = useful[
        (useful["smallest_share"] >= MIN_SEGMENT_SHARE) & (useful["stability"] >= MIN_STABILITY)
    ]
    if passing.empty:
        return int(useful.loc[useful["stability"].idxmax(), "k"])
    return int(passing.loc[passing["silhouette"].idxmax(), "k"])
