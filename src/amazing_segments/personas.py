"""Give segments their personas."""

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

UNFIT = "to_be_reviewed"
MIN_SIGNATURE_FIT = 0.35


def match_personas(centroids: pd.DataFrame, signatures: pd.DataFrame) -> pd.DataFrame:
    """Give each segment the persona whose signature fits its centroid best, one persona each.

    The fit is the cosine between centroid and signature over all features of the model, so that a
    segment that stands out elsewhere fits less. The assignment is optimal within each version
    (Kuhn 1955, The Hungarian method for the assignment problem).

    Args:
        centroids: model_version, segment, feature, value (standard deviations from the mean user).
        signatures: persona, feature, weight (its sign says the direction).

    Returns:
        One row per segment: model_version, segment, persona, fit (-1..1). The persona is
        `to_be_reviewed` where no free one reaches `MIN_SIGNATURE_FIT`.

    """
    types = {"model_version": "int64", "segment": "int64", "persona": "str", "fit": "float64"}
    matched = [pd.DataFrame(columns=list(types)).astype(types)]
    for version, of_version in centroids.groupby("model_version"):
        centres = of_version.pivot_table(index="segment", columns="feature", values="value")
        weights = (
            signatures.pivot_table(index="persona", columns="feature", values="weight")
            .reindex(columns=centres.columns)
            .fillna(0.0)
        )
        fits = _unit_rows(centres.to_numpy()) @ _unit_rows(weights.to_numpy()).T
        rows, columns = linear_sum_assignment(-fits)
        found = pd.Series(UNFIT, index=centres.index)
        fit = pd.Series(np.nan, index=centres.index)
        fit.iloc[rows] = fits[rows, columns]
        found.iloc[rows] = weights.index[columns]
        found[~(fit >= MIN_SIGNATURE_FIT)] = UNFIT
        of_segments = pd.DataFrame({"persona": found, "fit": fit}).reset_index()
        matched.append(of_segments.assign(model_version=version)[list(types)].astype(types))
    return pd.concat(matched, ignore_index=True)


def _unit_rows(values: np.ndarray) -> np.ndarray:
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
