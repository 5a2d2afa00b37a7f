"""What a confidence means: how many customers with it have the same segment a month later."""

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.isotonic import IsotonicRegression

from amazing_segments.model_versions import CALIBRATION_TYPES
from amazing_segments.segmentation import assign

BINS = 10
# A share of fewer customers says nothing.
MIN_USERS = 100
Z = norm.ppf(0.975)


def calibrate(
    histories: pd.DataFrame,
    parameters: pd.DataFrame,
    transforms: dict[str, str],
    min_events: int,
    model_version: int,
) -> pd.DataFrame:
    """Measure, by deciles of confidence, the share of customers who keep their segment for a month.

    Customers who had enough events a month ago are given the segment of then and of now by the same
    model. The shares are made to rise with confidence by isotonic regression (Zadrozny & Elkan
    2002, Transforming classifier scores into accurate multiclass probability estimates); the 95 %
    interval is Wilson's (1927).

    Args:
        histories: The rows of int_partial_histories whose part is whole or month ago.
        parameters: The rows of `fit_parameters` of the version.
        transforms: Those of the version.
        min_events: Events from which a customer has a segment.
        model_version: The version.

    Returns:
        One row per decile, with the columns of `CALIBRATION_TYPES`; fewer rows where many customers
        have the same confidence, and one without figures for fewer than `MIN_USERS` customers.

    """
    labelled = histories.join(assign(parameters, transforms, histories))
    now = labelled[labelled["part"] == "whole"].set_index("user_key")["segment"]
    then = labelled[
        (labelled["part"] == "month ago") & (labelled["event_count"] >= min_events)
    ].set_index("user_key")
    if len(then) < MIN_USERS:
        nothing = {"model_version": model_version, "confidence_from": 0.0, "user_count": len(then)}
        return pd.DataFrame([nothing], columns=list(CALIBRATION_TYPES)).astype(CALIBRATION_TYPES)
    kept = now.reindex(then.index) == then["segment"]
    edges = np.unique(np.quantile(then["confidence"], np.linspace(0, 1, BINS + 1)[1:-1]))
    of_bins = (
        pd.DataFrame({"kept": kept, "bin": np.searchsorted(edges, then["confidence"], "right")})
        .groupby("bin")["kept"]
        .agg(["size", "mean"])
    )
    count, share = of_bins["size"].to_numpy(), of_bins["mean"].to_numpy()
    middle = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z * np.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2)) / (1 + Z**2 / count)
    found = of_bins.index.to_numpy()
    bounds = np.concatenate([[0.0], edges, [np.nan]])
    return pd.DataFrame(
        {
            "model_version": model_version,
            "confidence_from": bounds[found],
            "confidence_below": bounds[found + 1],
            "user_count": count,
            "kept_share": share,
            "kept_share_low": middle - half,
            "kept_share_high": middle + half,
            "persistence": IsotonicRegression().fit_transform(found, share, sample_weight=count),
        }
    )[list(CALIBRATION_TYPES)].astype(CALIBRATION_TYPES)
