"""How early a customer's segment can be told: classifiers of the first events."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from amazing_segments.min_events import BOOTSTRAPS, INTERVAL
from amazing_segments.model_versions import EARLY_CLASSIFIER_TYPES
from amazing_segments.segmentation import RANDOM_STATE, assign, scale

# First events that are looked at: int_partial_histories has them too.
EVENT_TARGETS = (1, 2, 3, 5, 8, 12, 20)
# So many customers at most, of which two thirds train: the time of SVC grows with their square.
MAX_USERS = 12_000
# Fewer, with half as many to be tested on, say nothing.
MIN_TRAINING_USERS = 200
MODEL = "model"
# None needs to be tuned on data: the point is how far each comes as people use it.
CLASSIFIERS = {
    "majority": DummyClassifier(),
    "decision_tree": DecisionTreeClassifier(min_samples_leaf=20, random_state=RANDOM_STATE),
    "k_nearest_neighbours": KNeighborsClassifier(25),
    "svm": SVC(),
    "random_forest": RandomForestClassifier(min_samples_leaf=3, random_state=RANDOM_STATE),
}


class Split(NamedTuple):
    """Customers by their first events, whom a classifier learns from and is tested on.

    Attributes:
        event_target: How many first events are looked at.
        training: Features as the model takes them, shape (n_training, n_features).
        training_segments: The segments of the whole histories, shape (n_training,).
        test: Features of other customers, who were seen later, shape (n_test, n_features).
        test_segments: The segments of their whole histories, shape (n_test,).
        early_segments: The segments that the model gives to their first events, shape (n_test,).
    """

    event_target: int
    training: np.ndarray
    training_segments: np.ndarray
    test: np.ndarray
    test_segments: np.ndarray
    early_segments: np.ndarray


def compare_early_classifiers(
    histories: pd.DataFrame,
    parameters: pd.DataFrame,
    transforms: dict[str, str],
    min_events: int,
    model_version: int,
) -> pd.DataFrame:
    """Predict the segment of customers' whole histories from their first events.

    A classifier that is given the very features from which segments are made would only learn the
    model by heart. Here it sees the first events alone, and what it has to beat is the model itself
    on the same events. Customers whose first events were seen first train, the later third tests.

    Args:
        histories: The rows of int_partial_histories whose part is whole or early, sorted by part,
            event_target and user_key.
        parameters: The rows of `fit_parameters` of the version.
        transforms: Those of the version.
        min_events: Events from which a customer has a segment.
        model_version: The version.

    Returns:
        One row per number of first events and classifier, with the columns of
        `EARLY_CLASSIFIER_TYPES`, of the first `MAX_USERS` customers who have a segment and at least
        twice so many events in all. The 95 % interval of macro F1 is the percentile bootstrap over
        test customers (Efron & Tibshirani 1993). Figures are null for fewer than
        `MIN_TRAINING_USERS`, or where all who train or all who test have the same segment.

    """
    segments = assign(parameters, transforms, histories)["segment"].to_numpy()
    features = scale(parameters, transforms, histories)
    splits = [_split(histories, features, segments, target, min_events) for target in EVENT_TARGETS]
    n_segments = int(parameters["segment"].max())
    # one classifier a core, each on one thread
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as cores:
        rows = cores.map(
            lambda task: _judge(*task, n_segments), product(splits, [MODEL, *CLASSIFIERS])
        )
        found = pd.DataFrame(rows)
    of_target = found.groupby("event_target")["macro_f1"]
    # the model comes first
    found["gain_over_model"] = found["macro_f1"] - of_target.transform(lambda f1: f1.iloc[0])
    found["is_best"] = of_target.rank(method="first", ascending=False) == 1
    found["model_version"] = model_version
    return found[list(EARLY_CLASSIFIER_TYPES)].astype(EARLY_CLASSIFIER_TYPES)


def _split(
    histories: pd.DataFrame,
    features: np.ndarray,
    segments: np.ndarray,
    event_target: int,
    min_events: int,
) -> Split:
    is_whole = (histories["part"] == "whole").to_numpy()
    whole = histories[is_whole].assign(segment=segments[is_whole]).set_index("user_key")
    whole = whole[whole["event_count"] >= max(2 * event_target, min_events)]
    is_early = (
        (histories["part"] == "early")
        & (histories["event_target"] == event_target)
        & histories["user_key"].isin(whole.index)
    )
    early = np.flatnonzero(is_early)[:MAX_USERS]
    early = early[np.argsort(histories["as_of"].to_numpy()[early], kind="stable")]
    eventual = whole["segment"].loc[histories["user_key"].iloc[early]].to_numpy()
    cut = 2 * len(early) // 3
    return Split(
        event_target,
        features[early[:cut]],
        eventual[:cut],
        features[early[cut:]],
        eventual[cut:],
        segments[early[cut:]],
    )


def _judge(split: Split, classifier: str, n_segments: int) -> dict[str, object]:
    row = {
        "event_target": split.event_target,
        "classifier": classifier,
        "training_user_count": len(split.training),
        "test_user_count": len(split.test),
    }
    if (
        len(split.training) < MIN_TRAINING_USERS
        or len(np.unique(split.training_segments)) == 1
        or len(np.unique(split.test_segments)) == 1
    ):
        figures = ("macro_f1", "macro_f1_low", "macro_f1_high", "accuracy", "balanced_accuracy")
        return row | dict.fromkeys(figures, np.nan)
    if classifier == MODEL:
        predicted = split.early_segments
    else:
        estimator: BaseEstimator = clone(CLASSIFIERS[classifier])
        predicted = estimator.fit(split.training, split.training_segments).predict(split.test)
    codes = (split.test_segments - 1) * n_segments + predicted - 1
    counts = np.bincount(codes, minlength=n_segments**2)
    chance = np.random.default_rng(RANDOM_STATE)
    drawn = chance.multinomial(len(codes), counts / len(codes), size=BOOTSTRAPS)
    tables = np.vstack([counts, drawn]).reshape(-1, n_segments, n_segments)
    macro_f1 = _macro_f1(tables)
    low, high = np.quantile(macro_f1[1:], INTERVAL)
    right, true = np.diag(tables[0]), tables[0].sum(axis=1)
    return row | {
        "macro_f1": macro_f1[0],
        "macro_f1_low": low,
        "macro_f1_high": high,
        "accuracy": right.sum() / true.sum(),
        "balanced_accuracy": (right[true > 0] / true[true > 0]).mean(),
    }


def _macro_f1(tables: np.ndarray) -> np.ndarray:
    """Return the mean F1 of the segments that occur or are predicted.

    Args:
        tables: Counts by true and predicted segment, shape (n_tables, n_segments, n_segments).
    """
    right = np.diagonal(tables, axis1=1, axis2=2)
    either = tables.sum(axis=1) + tables.sum(axis=2)
    f1 = np.divide(2 * right, either, where=either > 0, out=np.full(right.shape, np.nan))
    return np.nanmean(f1, axis=1)
