"""Whether segments help the business: how well they tell the month that follows."""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import average_precision_score
from sklearn.preprocessing import TargetEncoder
from threadpoolctl import threadpool_limits

from amazing_segments.algorithm_comparison import RfmRules
from amazing_segments.model_versions import BUSINESS_VALUE_TYPES
from amazing_segments.segmentation import PLACES, RANDOM_STATE, assign, scale

# A ranking of fewer customers says nothing.
MIN_USERS = 100
# What a campaign reaches.
REACHED_SHARE = 0.1
# The rate of a group is drawn to that of all customers as if so many of them stood beside it.
SMOOTHING = 10.0
# Small trees, few of them: they are not tuned, and have to hold for a thousand customers, too.
BOOSTING = {
    "max_iter": 50,
    "max_leaf_nodes": 8,
    "early_stopping": False,
    "random_state": RANDOM_STATE,
}
SPEND = "spend"
FEATURES = "features"
PREDICTORS = ("none", "rfm", "segments", "segments_and_rfm", FEATURES)
FIGURES = ("average_precision", "rank_correlation", "top_tenth_share", "top_tenth_lift")


def measure_business_value(
    histories: pd.DataFrame,
    parameters: pd.DataFrame,
    transforms: dict[str, str],
    min_events: int,
    model_version: int,
) -> pd.DataFrame:
    """Rank customers of a month ago by what each predictor expects, and look at what followed.

    A predictor learns on one half of the customers and is judged on the other, both ways; figures
    are the means of the two. Groups expect what their customers did, drawn to all customers
    (Micci-Barreca 2001, A preprocessing scheme for high-cardinality categorical attributes);
    features expect what gradient boosting makes of them (Friedman 2001, Greedy function
    approximation). The model knows the month that followed, but no outcome: clusters were fitted on
    features up to now.

    Args:
        histories: The rows of int_partial_histories whose part is whole or month ago, sorted by
            part and user_key.
        parameters: The rows of `fit_parameters` of the version.
        transforms: Those of the version.
        min_events: Events that a customer must have had a month ago.
        model_version: The version.

    Returns:
        One row per outcome and predictor, with the columns of `BUSINESS_VALUE_TYPES`. Figures are
        null for fewer than `MIN_USERS` customers, or where nobody or everybody in a half has the
        outcome; average_precision is null for spend, rank_correlation for the others and where a
        predictor tells nobody apart.

    """
    then = histories[(histories["part"] == "month ago") & (histories["event_count"] >= min_events)]
    now = histories[histories["part"] == "whole"].set_index("user_key").loc[then["user_key"]]
    segments = assign(parameters, transforms, then)["segment"].to_numpy()
    features = scale(parameters, transforms, then)
    order_columns = ["order_recency_days", "order_count", "revenue_amount"]
    orders = then[order_columns].to_numpy(dtype=float).round(PLACES)
    more = {
        column: now[column].to_numpy(dtype=float) - then[column].to_numpy(dtype=float)
        for column in ("session_count", "order_count", "revenue_amount")
    }
    outcomes = {
        "returned": (more["session_count"] > 0).astype(float),
        "ordered": (more["order_count"] > 0).astype(float),
        SPEND: more["revenue_amount"].round(2),
    }
    # keys are keyed hashes: every second one is a random half
    is_even = np.arange(len(then)) % 2 == 0
    measured = []
    with threadpool_limits(1):
        for outcome, happened in outcomes.items():
            figures = pd.DataFrame(np.nan, index=PREDICTORS, columns=FIGURES)
            if len(then) >= MIN_USERS and all(
                0 < (happened[half] > 0).mean() < 1 for half in (is_even, ~is_even)
            ):
                one, other = (
                    _judged(_expected(happened, half, segments, orders, features), happened[~half])
                    for half in (is_even, ~is_even)
                )
                figures = (one + other) / 2
            figures["rank_correlation" if outcome != SPEND else "average_precision"] = np.nan
            ranked = figures["average_precision"].fillna(figures["rank_correlation"])
            measured.append(
                figures.assign(
                    outcome=outcome,
                    predictor=PREDICTORS,
                    base_rate=(happened > 0).mean() if len(then) >= MIN_USERS else np.nan,
                    loss_against_features=ranked[FEATURES] - ranked,
                )
            )
    return (
        pd.concat(measured, ignore_index=True)
        .assign(model_version=model_version, user_count=len(then))[list(BUSINESS_VALUE_TYPES)]
        .astype(BUSINESS_VALUE_TYPES)
    )


def _expected(
    happened: np.ndarray,
    learns: np.ndarray,
    segments: np.ndarray,
    orders: np.ndarray,
    features: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return what each predictor, once it has learned of the one half, expects of the other."""
    rfm = RfmRules().fit(orders[learns]).predict(orders)
    groups = {
        "none": np.zeros(len(happened)),
        "rfm": rfm,
        "segments": segments,
        "segments_and_rfm": segments * len(RfmRules.GROUPS) + rfm,
    }
    expected = {}
    for predictor, group in groups.items():
        encoder = TargetEncoder(target_type="continuous", smooth=SMOOTHING)
        encoder.fit(group[learns, None], happened[learns])
        expected[predictor] = encoder.transform(group[~learns, None])[:, 0]
    if np.isin(happened, (0, 1)).all():
        boosting = HistGradientBoostingClassifier(**BOOSTING).fit(
            features[learns], happened[learns]
        )
        expected[FEATURES] = boosting.predict_proba(features[~learns])[:, 1]
    else:
        # never negative, mostly 0, and the higher the more uncertain
        boosting = HistGradientBoostingRegressor(loss="poisson", **BOOSTING)
        boosting.fit(features[learns], happened[learns])
        expected[FEATURES] = boosting.predict(features[~learns])
    return expected


def _judged(expected: dict[str, np.ndarray], happened: np.ndarray) -> pd.DataFrame:
    """Return the figures of each predictor among customers that it did not learn of."""
    return pd.DataFrame.from_dict(
        {
            predictor: {
                "average_precision": average_precision_score(happened > 0, expectation),
                "rank_correlation": spearmanr(happened, expectation).statistic
                if np.ptp(expectation) > 0
                else np.nan,
                "top_tenth_share": top_share(happened, expectation),
            }
            for predictor, expectation in expected.items()
        },
        orient="index",
    ).assign(top_tenth_lift=lambda figures: figures["top_tenth_share"] / REACHED_SHARE)


def top_share(happened: np.ndarray, expected: np.ndarray) -> float:
    """Return how much of what happened falls to the tenth of whom most is expected.

    Of customers of whom the same is expected, who fall only partly into the tenth, each counts in
    part: what a draw among them would give on average.

    Args:
        happened: Shape (n_users,), from 0.
        expected: Shape (n_users,).
    """
    groups = pd.DataFrame({"expected": expected, "happened": happened}).groupby("expected")
    highest_first = groups["happened"].agg(["sum", "size"])[::-1]
    before = highest_first["size"].cumsum() - highest_first["size"]
    reached = (REACHED_SHARE * len(happened) - before) / highest_first["size"]
    return float((highest_first["sum"] * reached.clip(0, 1)).sum() / happened.sum())
