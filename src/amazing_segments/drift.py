"""How far customers have moved since a model was trained."""

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from amazing_segments.model_versions import DRIFT_TYPES
from amazing_segments.segmentation import (
    assign,
    bin_shares,
    by_component,
    by_segment,
    fit_clusters,
    fit_preparation,
    scale,
)

# A refit looks at this many users.
REFIT_USERS = 50_000


def measure_drift(
    users: pd.DataFrame,
    parameters: pd.DataFrame,
    transforms: dict[str, str],
    min_confidence: float,
    model_version: int,
) -> pd.DataFrame:
    """Compare the users of now with those from whom a model was trained.

    Args:
        users: As for `fit_preparation`, with as_of: those of whom a model would be trained now.
        parameters: The rows of `fit_parameters` of the version.
        transforms: Those of the version.
        min_confidence: Below it a user is between two personas.
        model_version: The version.

    Returns:
        One row per measure and feature, with the columns of `DRIFT_TYPES`. psi, by feature: the
        population stability index of the deciles of the training (Siddiqi 2006, Credit risk
        scorecards), 0 where nothing moved. segment_psi: that of the segments. refit_agreement: the
        adjusted Rand index with a model of as many segments, fitted to the first `REFIT_USERS`
        users. low_confidence_share and atypical_share of the users. A measure that the model holds
        no reference for (it was trained before there was one) has no row.

    """
    rows = []
    assigned = assign(parameters, transforms, users)
    scaled = scale(parameters, transforms, users)
    if (parameters["parameter"] == "bin_edge").any():
        edges, shares = (
            by_component(parameters, transforms, name).to_numpy()
            for name in ("bin_edge", "bin_share")
        )
        psi = stability_index(bin_shares(scaled, edges), shares, len(users))
        rows += [("psi", *pair) for pair in zip(transforms, psi, strict=True)]
    segment_shares, typical = (
        parameters[parameters["parameter"] == name].set_index("segment")["value"].sort_index()
        for name in ("segment_share", "typical_distance")
    )
    if not segment_shares.empty:
        counts = np.bincount(assigned["segment"] - 1, minlength=len(segment_shares))
        (psi,) = stability_index(
            counts[:, None] / len(users), segment_shares.to_numpy()[:, None], len(users)
        )
        rows.append(("segment_psi", None, psi))
    if not typical.empty:
        centroids = by_segment(parameters, transforms, "centroid")
        own = assigned["segment"].to_numpy() - 1
        distances = np.linalg.norm(scaled - centroids.to_numpy()[own], axis=1)
        rows.append(("atypical_share", None, (distances > typical.to_numpy()[own]).mean()))
    rows.append(("low_confidence_share", None, (assigned["confidence"] < min_confidence).mean()))
    first = users.head(REFIT_USERS)
    n_segments = int(parameters["segment"].max())
    if len(first) >= n_segments:
        refit = fit_clusters(fit_preparation(first, transforms).transform(first), n_segments)
        agreement = adjusted_rand_score(assigned["segment"].iloc[: len(first)], refit.labels_)
        rows.append(("refit_agreement", None, agreement))
    return (
        pd.DataFrame(rows, columns=["measure", "feature", "value"])
        .assign(model_version=model_version, as_of=users["as_of"].iloc[0])[list(DRIFT_TYPES)]
        .astype(DRIFT_TYPES)
    )


def stability_index(shares: np.ndarray, reference: np.ndarray, n_users: int) -> np.ndarray:
    """Return the population stability index of each column of shares, shape (n,).

    Args:
        shares: Of the bins now, shape (n_bins, n).
        reference: Of the bins then, shape (n_bins, n).
        n_users: How many users there are now: an empty bin counts as half a user.

    """
    least = 0.5 / n_users
    now, then = np.maximum(shares, least), np.maximum(reference, least)
    return ((now - then) * np.log(now / then)).sum(axis=0)
