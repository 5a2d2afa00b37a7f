"""Choose the number of segments: measure each candidate, then apply a rule."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, calinski_harabasz_score, davies_bouldin_score
from threadpoolctl import threadpool_limits

from amazing_segments.cluster_stability import (
    DOUBTFUL_JACCARD,
    FEW_REPEATS,
    REPEATED_USERS,
    REPEATS,
    VALID_JACCARD,
    agreement_of_halves,
    bootstrap_jaccard,
    gap_statistic,
    repeats_for,
    separation,
)
from amazing_segments.model_versions import K_SELECTION_TYPES, current_model, empty, features_text
from amazing_segments.segmentation import N_INIT, RANDOM_STATE, fit_clusters, fit_preparation

CANDIDATE_K = range(2, 13)
MAX_SEGMENTS = max(CANDIDATE_K)
# A choice of k looks at this many users; silhouette (quadratic) and gap (slow on noise) at fewer.
DIAGNOSTIC_USERS = 20_000
SILHOUETTE_USERS = 5_000
# Below this many users a segment of the smallest accepted share would hold one or two of them.
MIN_TRAINING_USERS = 100
# The starts of each fit where there are few users (see repeats_for): hundreds of fits wait for it.
FEW_INIT = 3
# Seeds of the fits that must give what RANDOM_STATE gives.
OTHER_SEEDS = (1, 2)

# The rule for k, see choose_k: as many segments as marketing can act on and run,
MIN_USEFUL_K = 4
MAX_USEFUL_K = 10
# found again on other users,
MIN_STABILITY = 0.6
MIN_JACCARD = VALID_JACCARD
# and none too small to address.
MIN_SEGMENT_SHARE = 0.02
# Stability differs by as much from one sample of users to the next.
STABILITY_TOLERANCE = 0.05


def select_k(users: pd.DataFrame, transforms: dict[str, str], model_version: int) -> pd.DataFrame:
    """Measure each candidate number of segments and choose one.

    Args:
        users: As for `fit_preparation`, with as_of; the first `DIAGNOSTIC_USERS` are looked at, the
            first `REPEATED_USERS` of them for the Jaccard index, the first `SILHOUETTE_USERS` for
            silhouette and gap.
        transforms: As for `fit_preparation`.
        model_version: The version that is trained.

    Returns:
        One row per k, with the columns of `K_SELECTION_TYPES`; see `cluster_stability` for the
        measures and `choose_k` for the rule. seed_agreement is the mean adjusted Rand index with
        fits of `OTHER_SEEDS`. The columns null_* measure users whose features were shuffled, each
        apart from the others: the same values, and no habits. No row where there are fewer than
        `MIN_TRAINING_USERS` users: too few to tell habits apart.

    """
    if len(users) < MIN_TRAINING_USERS:
        return empty(K_SELECTION_TYPES)
    sample = users.head(DIAGNOSTIC_USERS)
    repeats = repeats_for(len(sample))
    coordinates, null = (
        fit_preparation(frame, transforms).transform(frame)
        for frame in (sample, _shuffled(sample, list(transforms)))
    )
    # one k a core, each on one thread: see fit_clusters
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as cores:
        rows = list(cores.map(lambda k: _evaluate_k(coordinates, null, k, repeats), CANDIDATE_K))
    evaluated = judge_k(pd.DataFrame(rows))
    return evaluated.assign(
        model_version=model_version,
        is_chosen=evaluated["k"] == choose_k(evaluated),
        user_count=len(users),
        repeat_count=repeats,
        random_state=RANDOM_STATE,
        features=features_text(transforms),
        as_of=users["as_of"].iloc[0],
        trained_at=pd.Timestamp.now(tz="UTC").tz_localize(None),
        promoted_at=pd.NaT,
        refusal=None,
        retrain_requested_at=pd.NaT,
    )[list(K_SELECTION_TYPES)].astype(K_SELECTION_TYPES)


def promote(challenger: pd.DataFrame, trained: pd.DataFrame) -> pd.DataFrame:
    """Put a new model to use if it is not less stable than the one in use, else say why not.

    A model of other features is always put to use: the SQL that gives users their segments knows
    those of the catalogue alone.

    Args:
        challenger: The rows of `select_k` of the new version.
        trained: Those of all versions before it.

    Returns:
        The rows of the new version with promoted_at or refusal, in the row of the chosen k.

    """
    champion = current_model(trained)
    is_chosen = challenger["is_chosen"]
    row = challenger[is_chosen]
    if (
        champion is not None
        and (row["features"] == champion["features"]).all()
        and (row["stability"] < champion["stability"] - STABILITY_TOLERANCE).all()
    ):
        refusal = (
            f"stability {row['stability'].item():.2f}, less than the {champion['stability']:.2f} "
            f"of version {champion['model_version']}"
        )
        return challenger.assign(refusal=pd.Series(refusal, challenger.index).where(is_chosen))
    return challenger.assign(promoted_at=challenger["trained_at"].where(is_chosen))


def _shuffled(users: pd.DataFrame, features: list[str]) -> pd.DataFrame:
    chance = np.random.default_rng(RANDOM_STATE)
    return users.assign(**{name: chance.permutation(users[name].to_numpy()) for name in features})


def _evaluate_k(
    coordinates: np.ndarray, null: np.ndarray, k: int, repeats: int
) -> dict[str, float]:
    n_init = N_INIT if repeats == REPEATS else FEW_INIT
    clusters = fit_clusters(coordinates, k, n_init)
    labels, several = clusters.labels_, len(np.unique(clusters.labels_)) > 1
    gap, gap_error = gap_statistic(coordinates[:SILHOUETTE_USERS], clusters, repeats, RANDOM_STATE)
    reseeded = (clone(clusters).set_params(random_state=seed) for seed in OTHER_SEEDS)
    agreements = [adjusted_rand_score(labels, other.fit(coordinates).labels_) for other in reseeded]
    figures, jaccard = _reliability(coordinates, clusters, repeats)
    # noise takes KMeans longest, and two samples of it are enough to compare with
    null_figures, _ = _reliability(null, fit_clusters(null, k, n_init), FEW_REPEATS)
    return {
        "k": k,
        "inertia": clusters.inertia_,
        "calinski_harabasz": calinski_harabasz_score(coordinates, labels) if several else np.nan,
        "davies_bouldin": davies_bouldin_score(coordinates, labels) if several else np.nan,
        "gap": gap,
        "gap_error": gap_error,
        "seed_agreement": np.mean(agreements),
        "valid_segment_count": (jaccard >= VALID_JACCARD).sum(),
        "doubtful_segment_count": ((jaccard >= DOUBTFUL_JACCARD) & (jaccard < VALID_JACCARD)).sum(),
        "dissolved_segment_count": (jaccard < DOUBTFUL_JACCARD).sum(),
        "smallest_share": np.bincount(labels, minlength=k).min() / len(coordinates),
        **figures,
        **{f"null_{name}": value for name, value in null_figures.items()},
    }


def _reliability(
    coordinates: np.ndarray, clusters: KMeans, repeats: int
) -> tuple[dict[str, float], np.ndarray]:
    """Return what is measured of the users and of the shuffled ones, and Jaccard by segment."""
    # a halving fits and predicts all users twice: half as many of them
    stability, strength = agreement_of_halves(coordinates, clusters, repeats // 2, RANDOM_STATE)
    jaccard = bootstrap_jaccard(coordinates[:REPEATED_USERS], clusters, repeats, RANDOM_STATE)
    return {
        "silhouette": separation(
            coordinates[:SILHOUETTE_USERS], clusters.labels_[:SILHOUETTE_USERS]
        ),
        "stability": stability,
        "prediction_strength": strength,
        "lowest_jaccard": np.nanmin(jaccard),
    }, jaccard


def judge_k(evaluated: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `select_k` with the gates that each k passes.

    is_stable: stability reaches `MIN_STABILITY` and every segment is found again (Jaccard index
    from `MIN_JACCARD`). is_distinct: the silhouette is above that of shuffled users. Stability does
    not tell this: when single features have two peaks, shuffled users too fall into the same
    segments each time. is_addressable: the smallest segment holds `MIN_SEGMENT_SHARE`.
    """
    return evaluated.assign(
        is_stable=(evaluated["stability"] >= MIN_STABILITY)
        & (evaluated["lowest_jaccard"] >= MIN_JACCARD),
        is_distinct=evaluated["silhouette"] > evaluated["null_silhouette"],
        is_addressable=evaluated["smallest_share"] >= MIN_SEGMENT_SHARE,
    )


def choose_k(evaluated: pd.DataFrame) -> int:
    """Apply the rule for k to the rows that `judge_k` gives.

    Of the k from `MIN_USEFUL_K` to `MAX_USEFUL_K` that pass all gates, the best silhouette wins.
    Where none does, small segments are accepted, then segments no more distinct than chance would
    make them; where none is stable, the most stable wins, the smallest k among equals.

    Gap, prediction strength, seed_agreement and the two indices of variance are there to read: the
    gap grows with k as long as users spread, prediction strength falls with k by construction (the
    worst of more segments), other seeds say nothing about other users.
    """
    useful = evaluated[evaluated["k"].between(MIN_USEFUL_K, MAX_USEFUL_K)]
    gates = ["is_stable", "is_distinct", "is_addressable"]
    while gates:
        passing = useful[useful[gates].all(axis=1)]
        if not passing.empty:
            return int(passing.loc[passing["silhouette"].fillna(-1).idxmax(), "k"])
        gates.pop()
    return int(useful.loc[useful["stability"].idxmax(), "k"])
