"""Fit segments of users: transform, scale, project, cluster, and write the model down as a table.

Everything here is a pure function of frames and arrays. The steps follow scikit-learn's
estimators; what SQL needs to assign a user is derived from them exactly: with transforms `f_i`,
scaling, PCA and nearest centroid, the score of segment `s` is affine,
`score_s(x) = intercept_s + sum_i coefficient_si * f_i(x_i)`, and the segment is the arg max.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from amazing_segments.cluster_stability import REPEATED_USERS, bootstrap_jaccard, repeats_for
from amazing_segments.model_versions import PARAMETER_TYPES

TRANSFORMS = ("identity", "log", "log1p", "shrunk")
RANDOM_STATE = 0
CLIP_QUANTILE = 0.005
# A share of few sessions says little: it counts as if this many average sessions stood beside it.
PRIOR_SESSIONS = 2
EXPLAINED_VARIANCE = 0.9
# KMeans starts so often and keeps the tightest.
N_INIT = 10
# Warehouses differ in the last bits: what is compared, ranked or split is rounded to these places.
PLACES = 9
DECILES = np.linspace(0.1, 0.9, 9)
# Beyond the distance to the centroid that this share of a segment's users has, a user is atypical.
TYPICAL_SHARE = 0.99


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


def fit_clusters(coordinates: np.ndarray, n_clusters: int, n_init: int = N_INIT) -> KMeans:
    """Fit KMeans so that the same input gives the same bytes.

    One thread: with several, the order of the sums varies and with it the last bits.
    """
    with threadpool_limits(1):
        return KMeans(n_clusters, n_init=n_init, random_state=RANDOM_STATE).fit(coordinates)


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
        1, the largest first; components from 1.

        By feature: prior, clip_low, clip_high, mean and scale; with the component: bin_edge, the
        deciles in standard deviations, and bin_share, the share of the users below each and above
        the last. By component: explained_variance (a ratio); with the feature: loading. By segment
        and feature: centroid (in standard deviations) and coefficient; by segment: intercept,
        typical_distance (to the centroid, in standard deviations of all features), jaccard (see
        `bootstrap_jaccard`, of the first `REPEATED_USERS` users) and segment_share. By pair of
        segments: half_distance, half the squared distance between the two centroids, the second
        segment in the column component.
    """
    preparation = fit_preparation(users, transforms)
    scaled = preparation.scaler.transform(preparation.clip(users))
    coordinates = preparation.pca.transform(scaled)
    clusters = fit_clusters(coordinates, n_clusters)
    looked_at = coordinates[:REPEATED_USERS]
    with threadpool_limits(1):
        jaccard = bootstrap_jaccard(looked_at, clusters, repeats_for(len(looked_at)), RANDOM_STATE)
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
    centroids = preparation.pca.inverse_transform(centres)
    labels = np.argsort(order)[clusters.labels_]
    distances = np.linalg.norm(scaled - centroids[labels], axis=1)
    typical = pd.Series(distances).groupby(labels).quantile(TYPICAL_SHARE).to_numpy()
    scaled = scaled.round(PLACES)
    edges = np.quantile(scaled, DECILES, axis=0).round(PLACES)
    segment_shares = np.bincount(labels, minlength=n_clusters) / len(labels)
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
        _long("centroid", centroids, "segment", features),
        _long("coefficient", coefficients, "segment", features),
        _long("intercept", intercepts[:, None], "segment"),
        _long("typical_distance", typical[:, None], "segment"),
        _long("jaccard", jaccard[order, None], "segment"),
        _long("segment_share", segment_shares[:, None], "segment"),
        _long("bin_edge", edges, "component", features),
        _long("bin_share", bin_shares(scaled, edges), "component", features),
    ]
    pairs = _long("half_distance", half_distances, "segment", list(range(1, n_clusters + 1)))
    parts.append(pairs.assign(component=pairs["feature"], feature=None))
    return (
        pd.concat([part.astype(object) for part in parts], ignore_index=True)
        .assign(model_version=model_version)[list(PARAMETER_TYPES)]
        .astype(PARAMETER_TYPES)
    )


def assign(
    parameters: pd.DataFrame, transforms: dict[str, str], users: pd.DataFrame
) -> pd.DataFrame:
    """Give users the segments of a model as it was written down, like user_segments in SQL.

    Args:
        parameters: The rows of `fit_parameters` of one version.
        transforms: Those of that version, see `model_versions.transforms_of`.
        users: As for `fit_preparation`.

    Returns:
        One row per user, with their index: segment, runner_up_segment, margin (difference of the
        two scores) and confidence (0 on the border of the two, 1 at the centre and beyond).

    """
    coefficients = by_segment(parameters, transforms, "coefficient")
    intercepts = _of(parameters, "intercept").set_index("segment")["value"]
    half_distances = _of(parameters, "half_distance").pivot_table(
        index="segment", columns="component", values="value"
    )
    scores = clip(parameters, transforms, users) @ coefficients.to_numpy().T + intercepts.to_numpy()
    best, second = np.argsort(-scores, axis=1, kind="stable")[:, :2].T
    everyone = np.arange(len(scores))
    margin = scores[everyone, best] - scores[everyone, second]
    return pd.DataFrame(
        {
            "segment": best + 1,
            "runner_up_segment": second + 1,
            "margin": margin,
            "confidence": np.minimum(margin / half_distances.to_numpy()[best, second], 1),
        },
        index=users.index,
    )


def clip(parameters: pd.DataFrame, transforms: dict[str, str], users: pd.DataFrame) -> np.ndarray:
    """Return the users' features as a written model takes them, shape (n_users, n_features)."""
    prior, low, high = _by_feature(parameters, transforms, "prior", "clip_low", "clip_high")
    return np.clip(_transform(users, transforms, prior), low, high)


def scale(parameters: pd.DataFrame, transforms: dict[str, str], users: pd.DataFrame) -> np.ndarray:
    """Return what `clip` gives in standard deviations from the mean user of the training.

    Rounded to `PLACES`.
    """
    mean, deviation = _by_feature(parameters, transforms, "mean", "scale")
    return ((clip(parameters, transforms, users) - mean) / deviation).round(PLACES)


def project(
    parameters: pd.DataFrame, transforms: dict[str, str], users: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """Return where users and segments are in the space of a model as it was written down.

    Args:
        parameters: The rows of `fit_parameters` of one version.
        transforms: Those of that version, see `model_versions.transforms_of`.
        users: As for `fit_preparation`.

    Returns:
        The coordinates of users, shape (n_users, n_components), and of the centres of segments, in
        their order, shape (n_segments, n_components).
    """
    loadings = by_component(parameters, transforms, "loading").to_numpy()
    centroids = by_segment(parameters, transforms, "centroid").to_numpy()
    # the mean of what PCA saw is 0: the features were scaled
    return scale(parameters, transforms, users) @ loadings.T, centroids @ loadings.T


def bin_shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the shares of values below each edge and above the last, shape (n_edges + 1, n).

    Args:
        values: Shape (n_users, n).
        edges: Ascending in each column, shape (n_edges, n); a bin between equal edges is empty.

    """
    return np.column_stack(
        [
            np.bincount(np.searchsorted(edge, column, "right"), minlength=len(edge) + 1)
            / len(values)
            for column, edge in zip(values.T, edges.T, strict=True)
        ]
    )


def by_segment(parameters: pd.DataFrame, transforms: dict[str, str], name: str) -> pd.DataFrame:
    """Return a number of each segment and feature of a written model, shape (n_segments, n)."""
    return _pivot(parameters, transforms, name, "segment")


def by_component(parameters: pd.DataFrame, transforms: dict[str, str], name: str) -> pd.DataFrame:
    """Return a number of each component, or bin, and feature, shape (n_components, n)."""
    return _pivot(parameters, transforms, name, "component")


def _pivot(
    parameters: pd.DataFrame, transforms: dict[str, str], name: str, index: str
) -> pd.DataFrame:
    rows = _of(parameters, name)
    return rows.pivot_table(index=index, columns="feature", values="value")[list(transforms)]


def _by_feature(
    parameters: pd.DataFrame, transforms: dict[str, str], *names: str
) -> list[np.ndarray]:
    return [
        _of(parameters, name).set_index("feature")["value"].reindex(list(transforms)).to_numpy()
        for name in names
    ]


def _of(parameters: pd.DataFrame, parameter: str) -> pd.DataFrame:
    return parameters[parameters["parameter"] == parameter].sort_values(["segment", "component"])


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
