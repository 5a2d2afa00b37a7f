"""Give segments identities that outlive the models, and identities their personas."""

import hashlib
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from amazing_segments.model_versions import IDENTITY_TYPES, empty, transforms_of
from amazing_segments.segmentation import assign, by_segment

UNFIT = "to_be_reviewed"
MIN_SIGNATURE_FIT = 0.35
# More than a half, so that no segment can share as much with two segments of another model.
MIN_JACCARD = 0.6


class Model(NamedTuple):
    """A model as it was written down.

    Attributes:
        parameters: The rows of `segmentation.fit_parameters`.
        transforms: The transform of each of its features.
    """

    parameters: pd.DataFrame
    transforms: dict[str, str]

    def by_feature(self, parameter: str) -> pd.Series:
        """Return a number of each feature, shape (n_features,)."""
        rows = self.parameters[self.parameters["parameter"] == parameter]
        return rows.set_index("feature")["value"]

    def by_segment(self, parameter: str) -> pd.DataFrame:
        """Return a number of each segment and feature, shape (n_segments, n_features)."""
        return by_segment(self.parameters, self.transforms, parameter)


def name_segments(
    models: pd.DataFrame,
    parameters: pd.DataFrame,
    users: pd.DataFrame,
    signatures: pd.DataFrame,
    overrides: pd.DataFrame,
    named: pd.DataFrame,
) -> pd.DataFrame:
    """Give the segments of the versions that have none yet their identities and personas.

    A segment that shares most users with a segment of the last version that was in use keeps its
    identity, and with it the persona that this once got, whatever the signatures say by now. The
    others are born. Where nothing is named yet, those of all versions are.

    Args:
        models: model_version, features (as `model_versions.features_text` writes them), refusal.
        parameters: The rows of `segmentation.fit_parameters` of all versions.
        users: The sample of now: user_key, as_of, session_count and a column per feature.
        signatures: persona, feature, weight (its sign says the direction).
        overrides: identity, persona, decided_on: the names that persons gave; the latest decision
            on an identity wins.
        named: The rows of this function so far.

    Returns:
        One row per segment of those versions, with the columns of `IDENTITY_TYPES`.

    """
    by_version = {
        version: Model(parameters[parameters["model_version"] == version], transforms_of(features))
        for version, features in zip(models["model_version"], models["features"], strict=True)
    }
    # no customer has had the names of a version that was refused; use_model takes the refusal back
    used = named["model_version"].isin(models.loc[models["refusal"].isna(), "model_version"])
    last_version = named.loc[used, "model_version"].max()
    last = named[named["model_version"] == last_version].set_index("segment")
    # numbers begin anew in each warehouse, and a decision for one must not rename in another
    sample = f"{users['user_key'].min()} {users['as_of'].max()}"
    mark = hashlib.sha256(sample.encode()).hexdigest()[:4]
    decisions = overrides.sort_values(
        ["decided_on", "persona"], ascending=[False, True]
    ).drop_duplicates("identity")[["identity", "persona"]]
    found = [empty(IDENTITY_TYPES)]
    for version in sorted(by_version.keys() - set(named["model_version"])):
        model = by_version[version]
        rows = match_segments(model, by_version.get(last_version), users)
        is_kept = rows["jaccard"] >= MIN_JACCARD
        rows["state"] = np.where(is_kept, "kept", "born")
        rows["identity"] = [f"{version}.{segment}-{mark}" for segment in rows.index]
        rows["given_persona"] = UNFIT
        inherited = last.loc[rows.loc[is_kept, "previous_segment"], ["identity", "given_persona"]]
        rows.loc[is_kept, inherited.columns] = inherited.to_numpy()
        borne = rows[is_kept].merge(decisions, on="identity", how="left")
        taken = set(borne["persona"].fillna(borne["given_persona"]))
        fits = signature_fits(model.by_segment("centroid"), signatures)
        free = fits.columns.difference(taken)
        rows.loc[~is_kept, "given_persona"] = best_personas(fits.loc[~is_kept, free])
        rows["fit"] = [
            fits[persona][segment] if persona in fits else np.nan
            for segment, persona in rows["given_persona"].items()
        ]
        rows["model_version"] = version
        found.append(rows.reset_index()[list(IDENTITY_TYPES)].astype(IDENTITY_TYPES))
    return pd.concat(found, ignore_index=True)


def match_segments(model: Model, previous: Model | None, users: pd.DataFrame) -> pd.DataFrame:
    """Find for each segment of a model the one of a previous model that shares most users with it.

    Both models give segments to the same users, so it does not matter which users either was
    trained from. Shared is measured by the Jaccard index, intersection over union (Jaccard 1901,
    Étude comparative de la distribution florale). Two segments that reach more than a half have
    more than half of each other, so such pairs are one to one of themselves; from 0.57 on every
    optimal assignment holds them. The nearer centroid breaks ties.

    Of the previous model counts what is left of it without the features that users lack.

    Args:
        model: The model.
        previous: The one before it, if any.
        users: As for `segmentation.fit_preparation`, in any order.

    Returns:
        One row per segment of the model, by its number: previous_segment (null where it shares no
        user with any), jaccard (0..1) and centroid_distance, that of the two centroids in standard
        deviations of the previous model over the features that both take alike (null where they
        share none).

    """
    centroids = model.by_segment("centroid")
    nothing = pd.DataFrame(
        {"previous_segment": pd.NA, "jaccard": np.nan, "centroid_distance": np.nan},
        index=centroids.index,
    )
    if previous is None or users.columns.intersection(list(previous.transforms)).empty:
        return nothing
    known = restrict(previous, users.columns)
    shared = pd.crosstab(
        assign(*model, users)["segment"], assign(*known, users)["segment"]
    ).reindex(index=centroids.index, columns=previous.by_segment("centroid").index, fill_value=0)
    union = shared.sum(axis=1).to_numpy()[:, None] + shared.sum().to_numpy() - shared
    jaccard = (shared / union.clip(lower=1)).to_numpy()
    distances = centroid_distances(model, previous)
    nearest = np.lexsort((distances, -jaccard))[:, 0]
    everyone = np.arange(len(nearest))
    best = pd.DataFrame(
        {
            "previous_segment": shared.columns[nearest],
            "jaccard": jaccard[everyone, nearest],
            "centroid_distance": distances[everyone, nearest],
        },
        index=centroids.index,
    )
    return best.where(best["jaccard"] > 0, nothing)


def restrict(model: Model, known: pd.Index) -> Model:
    """Return a model that knows no other features: nearest centroid over those that are left.

    Users whom the others told apart fall to the segment that is like them otherwise. Where no
    feature is missing, it is the model itself.
    """
    transforms = {name: kind for name, kind in model.transforms.items() if name in known}
    if transforms == model.transforms:
        return model
    kept = model.parameters[
        model.parameters["feature"].isin(list(transforms))
        & (model.parameters["parameter"] != "coefficient")
    ]
    half_distances = model.parameters[model.parameters["parameter"] == "half_distance"]
    centroids = kept[kept["parameter"] == "centroid"]
    slopes = centroids["value"] / centroids["feature"].map(model.by_feature("scale"))
    constants = -(centroids["value"] ** 2) / 2 - slopes * centroids["feature"].map(
        model.by_feature("mean")
    )
    intercepts = constants.groupby(centroids["segment"]).sum().rename("value").reset_index()
    parameters = [
        kept,
        half_distances,
        centroids.assign(parameter="coefficient", value=slopes),
        intercepts.assign(parameter="intercept"),
    ]
    return Model(pd.concat(parameters, ignore_index=True), transforms)


def centroid_distances(model: Model, previous: Model) -> np.ndarray:
    """Return how far the segments of two models are apart, shape (n_segments, n_previous).

    In standard deviations of the previous model, over the features that both transform alike; NaN
    where there are none.
    """
    features = [
        name for name, kind in model.transforms.items() if previous.transforms.get(name) == kind
    ]
    mean, scale = (previous.by_feature(name)[features] for name in ("mean", "scale"))
    transformed = model.by_segment("centroid") * model.by_feature("scale") + model.by_feature(
        "mean"
    )
    here = ((transformed[features] - mean) / scale).to_numpy()
    there = previous.by_segment("centroid")[features].to_numpy()
    distances = np.linalg.norm(here[:, None] - there[None], axis=2)
    return distances if features else np.full_like(distances, np.nan)


def signature_fits(centroids: pd.DataFrame, signatures: pd.DataFrame) -> pd.DataFrame:
    """Return how well each persona's signature fits each segment's centroid.

    The fit is the cosine between the two over all features of the model, so that a segment that
    stands out elsewhere fits less.

    Args:
        centroids: Standard deviations from the mean user, shape (n_segments, n_features).
        signatures: persona, feature, weight (its sign says the direction).

    Returns:
        Fits from -1 to 1, shape (n_segments, n_personas).

    """
    weights = (
        signatures.pivot_table(index="persona", columns="feature", values="weight")
        .reindex(columns=centroids.columns)
        .fillna(0.0)
    )
    return pd.DataFrame(
        _unit_rows(centroids.to_numpy()) @ _unit_rows(weights.to_numpy()).T,
        index=centroids.index,
        columns=weights.index,
    )


def best_personas(fits: pd.DataFrame) -> pd.Series:
    """Give each segment the persona that fits it best, one persona each.

    The assignment is optimal (Kuhn 1955, The Hungarian method for the assignment problem).

    Args:
        fits: Those of `signature_fits`, of the segments and personas that are free.

    Returns:
        The persona of each segment, `to_be_reviewed` where no free one reaches
        `MIN_SIGNATURE_FIT`.

    """
    personas = pd.Series(UNFIT, index=fits.index, dtype=object)
    for segment, persona in zip(*linear_sum_assignment(-fits.to_numpy()), strict=True):
        if fits.iloc[segment, persona] >= MIN_SIGNATURE_FIT:
            personas.iloc[segment] = fits.columns[persona]
    return personas


def _unit_rows(values: np.ndarray) -> np.ndarray:
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
