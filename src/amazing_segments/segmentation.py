"""Fit segments of users: transform, scale, project, cluster, and write the model down as a table.

Everything here is a pure function of frames and arrays. The steps follow scikit-learn's
estimators; what SQL needs to assign a user is derived from them exactly: with transforms `f_i`,
scaling, PCA and nearest centroid, the score of segment `s` is affine,
`score_s(x) = intercept_s + sum_i coefficient_si * f_i(x_i)`, and the segment is the arg max.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import (
    adjusted_rand_score,
    calinski_harabasz_score,
    davies_bouldin_score,
    silhouette_score,
)
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from amazing_segments.model_versions import (
    K_SELECTION_TYPES,
    PARAMETER_TYPES,
    empty_k_selection,
    features_text,
)

TRANSFORMS = ("identity", "log", "log1p", "shrunk")
RANDOM_STATE = 0
CLIP_QUANTILE = 0.005
# A share of few sessions says little: it counts as if this many average sessions stood beside it.
PRIOR_SESSIONS = 2
EXPLAINED_VARIANCE = 0.9
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


@dataclass(frozen=True)
class Preparation:
    """What turns features into the space where distances are measured.

    Attributes:
        transforms: identity, log, log1p or shrunk for each feature, in the order of the columns.
        prior: The mean share to which a shrunk feature is drawn, NaN for others, (n_features,).
        low: Lower clipping bounds after the transform, shape (n_features,).
        high: Upper clipping bounds after the transform, shape (n_features,).
        scaler: Fitted on the transformed features.
        pca: Fitted on the scaled features.
    """

    transforms: dict[str, str]
    prior: np.ndarray
    low: np.ndarray
    high: np.ndarray
    scaler: StandardScaler
    pca: PCA

    @property
    def features(self) -> list[str]:
        """The names of the features."""
        return list(self.transforms)

    def transform(self, users: pd.DataFrame) -> np.ndarray:
        """Return the users' coordinates, shape (n_users, n_components)."""
        return self.project(self.clip(users))

    def clip(self, users: pd.DataFrame) -> np.ndarray:
        """Return the users' features, transformed and clipped, shape (n_users, n_features)."""
        return np.clip(_transform(users, self.transforms, self.prior), self.low, self.high)

    def project(self, clipped: np.ndarray) -> np.ndarray:
        """Return the coordinates of what `clip` gives, shape (n_users, n_components)."""
        return self.pca.transform(self.scaler.transform(clipped))


def fit_preparation(users: pd.DataFrame, transforms: dict[str, str]) -> Preparation:
    """Fit transforms, scaler and PCA.

    Args:
        users: One row per user, sorted by key; session_count and a column per feature, no missing
            values.
        transforms: One of `TRANSFORMS` for each feature of the model.

    Raises:
        ValueError: An unknown transform, or a value that is missing or infinite.
    """
    unknown = set(transforms.values()) - set(TRANSFORMS)
    if unknown:
        raise ValueError(f"unknown transforms {sorted(unknown)}: expected {', '.join(TRANSFORMS)}")
    finite = np.isfinite(users[list(transforms)].to_numpy(dtype=float)).all(axis=0)
    if not finite.all():
        wrong = [name for name, is_finite in zip(transforms, finite, strict=True) if not is_finite]
        raise ValueError(f"features with missing or infinite values: {wrong}")
    sessions = users["session_count"].to_numpy(dtype=float)
    prior = np.array(
        [
            np.average(users[feature].to_numpy(dtype=float), weights=sessions)
            if transform == "shrunk"
            else np.nan
            for feature, transform in transforms.items()
        ]
    )
    values = _transform(users, transforms, prior)
    # frozen bounds: a later outlier can move no boundary between segments
    low, high = np.quantile(values, [CLIP_QUANTILE, 1 - CLIP_QUANTILE], axis=0)
    clipped = np.clip(values, low, high)
    with threadpool_limits(1):
        scaler = StandardScaler().fit(clipped)
        pca = PCA(n_components=EXPLAINED_VARIANCE, svd_solver="full").fit(scaler.transform(clipped))
    return Preparation(transforms, prior, low, high, scaler, pca)


def fit_clusters(coordinates: np.ndarray, n_clusters: int) -> KMeans:
    """Fit KMeans so that the same input gives the same bytes.

    One thread: with several, the order of the sums varies and with it the last bits.
    """
    with threadpool_limits(1):
        return KMeans(n_clusters, n_init=10, random_state=RANDOM_STATE).fit(coordinates)


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
        return empty_k_selection()
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


def fit_parameters(
    users: pd.DataFrame, transforms: dict[str, str], n_clusters: int, model_version: int
) -> pd.DataFrame:
    """Fit a model on all the users given and write it down.

    Args:
        users: As for `fit_preparation`.
        transforms: As for `fit_preparation`.
        n_clusters: The number of segments.
        model_version: The version that is trained.

    Returns:
        One row per number of the model, with the columns of `PARAMETER_TYPES`. Segments count from
        1, the largest first; components from 1. By feature: prior, clip_low, clip_high, mean and
        scale. By component: explained_variance (a ratio); with the feature: loading. By segment and
        feature: centroid (in standard deviations) and coefficient; by segment: intercept. By pair
        of segments: half_distance, half the squared distance between the two centroids, the second
        segment in the column component.
    """
    preparation = fit_preparation(users, transforms)
    clusters = fit_clusters(preparation.transform(users), n_clusters)
    # KMeans numbers its clusters by chance
    order = np.argsort(-np.bincount(clusters.labels_, minlength=n_clusters), kind="stable")
    centres = clusters.cluster_centers_[order]
    loadings, scaler = preparation.pca.components_, preparation.scaler
    coefficients = centres @ loadings / scaler.scale_
    # nearest centroid: the largest c.z - |c|^2 / 2, where z projects (x - mean) / scale - pca.mean_
    intercepts = (
        -(centres**2).sum(axis=1) / 2
        - coefficients @ scaler.mean_
        - centres @ (loadings @ preparation.pca.mean_)
    )
    half_distances = ((centres[:, None] - centres[None]) ** 2).sum(axis=2) / 2
    features = preparation.features
    by_feature = {
        "prior": preparation.prior,
        "clip_low": preparation.low,
        "clip_high": preparation.high,
        "mean": scaler.mean_,
        "scale": scaler.scale_,
    }
    parts = [
        _long(parameter, values[None, :], feature=features)
        for parameter, values in by_feature.items()
    ]
    parts += [
        _long(
            "explained_variance", preparation.pca.explained_variance_ratio_[:, None], "component"
        ),
        _long("loading", loadings, "component", features),
        _long("centroid", preparation.pca.inverse_transform(centres), "segment", features),
        _long("coefficient", coefficients, "segment", features),
        _long("intercept", intercepts[:, None], "segment"),
    ]
    pairs = _long("half_distance", half_distances, "segment", list(range(1, n_clusters + 1)))
    parts.append(pairs.assign(component=pairs["feature"], feature=None))
    return (
        pd.concat([part.astype(object) for part in parts], ignore_index=True)
        .assign(model_version=model_version)[list(PARAMETER_TYPES)]
        .astype(PARAMETER_TYPES)
    )


def _transform(users: pd.DataFrame, transforms: dict[str, str], prior: np.ndarray) -> np.ndarray:
    # the same operations in the same order as the macro transform_feature: labels must agree
    sessions = users["session_count"].to_numpy(dtype=float)
    columns = []
    for (feature, transform), mean in zip(transforms.items(), prior, strict=True):
        values = users[feature].to_numpy(dtype=float)
        if transform == "log":
            values = np.log(values)
        elif transform == "log1p":
            values = np.log(1 + values)
        elif transform == "shrunk":
            values = (values * sessions + PRIOR_SESSIONS * mean) / (sessions + PRIOR_SESSIONS)
        columns.append(values)
    return np.column_stack(columns)


def _long(
    parameter: str, values: np.ndarray, rows: str | None = None, feature: list | None = None
) -> pd.DataFrame:
    n_rows, n_columns = values.shape
    number = np.repeat(np.arange(1, n_rows + 1), n_columns)
    return pd.DataFrame(
        {
            "parameter": parameter,
            "segment": number if rows == "segment" else None,
            "component": number if rows == "component" else None,
            "feature": feature * n_rows if feature else None,
            "value": values.ravel(),
        }
    )
