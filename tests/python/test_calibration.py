"""Laws of what a confidence means."""

import numpy as np
import pandas as pd
import pytest

from amazing_segments import calibration, segmentation

TRANSFORMS = {"price": "identity"}


@pytest.fixture(scope="module")
def parameters() -> pd.DataFrame:
    """Two segments, centres at 0 and 1: confidence is twice the distance from the middle."""
    users = pd.DataFrame({"price": [0.0, 1.0] * 100, "session_count": 3})
    return segmentation.fit_parameters(users, TRANSFORMS, 2, 1)


def histories(then: np.ndarray, now: np.ndarray, event_count: int = 10) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"user_key": range(len(then)), "part": part, "price": price})
        for part, price in (("month ago", then), ("whole", now))
    ]
    return pd.concat(parts, ignore_index=True).assign(session_count=3, event_count=event_count)


@pytest.fixture(scope="module")
def drifting() -> pd.DataFrame:
    """Customers who move a little in a month: who was near the middle may cross it."""
    chance = np.random.default_rng(0)
    then = chance.uniform(0, 1, 5000)
    return histories(then, then + chance.normal(0, 0.2, 5000))


def calibrated(frame: pd.DataFrame, parameters: pd.DataFrame) -> pd.DataFrame:
    return calibration.calibrate(frame, parameters, TRANSFORMS, 5, 1)


def test_shares_are_those_of_the_users_in_each_range(
    drifting: pd.DataFrame, parameters: pd.DataFrame
) -> None:
    found = calibrated(drifting, parameters)
    assert len(found) == 10 and found["user_count"].sum() == 5000
    assert found["confidence_from"].iloc[0] == 0 and np.isnan(found["confidence_below"].iloc[-1])
    assert (found["confidence_from"].iloc[1:].to_numpy() == found["confidence_below"][:-1]).all()
    then, now = (drifting[drifting["part"] == part]["price"] for part in ("month ago", "whole"))
    kept = (then.to_numpy() > 0.5) == (now.to_numpy() > 0.5)
    confidence = (2 * (then - 0.5).abs()).to_numpy()
    for row in found.fillna({"confidence_below": np.inf}).itertuples():
        of_range = (confidence >= row.confidence_from) & (confidence < row.confidence_below)
        assert row.user_count == of_range.sum()
        assert row.kept_share == pytest.approx(kept[of_range].mean())
        assert 0 <= row.kept_share_low < row.kept_share < row.kept_share_high <= 1


def test_persistence_never_falls_and_is_right_on_the_whole(
    drifting: pd.DataFrame, parameters: pd.DataFrame
) -> None:
    found = calibrated(drifting, parameters)
    assert found["persistence"].is_monotonic_increasing
    assert found["persistence"].iloc[0] < 0.6 < 0.9 < found["persistence"].iloc[-1]
    weights = found["user_count"]
    assert np.average(found["persistence"], weights=weights) == pytest.approx(
        np.average(found["kept_share"], weights=weights)
    )


def test_confidence_that_means_nothing_shows_as_such(parameters: pd.DataFrame) -> None:
    chance = np.random.default_rng(0)
    frame = histories(chance.uniform(0, 1, 5000), chance.uniform(0, 1, 5000))
    found = calibrated(frame, parameters)
    assert found["persistence"].between(0.4, 0.6).all()


def test_equal_confidences_share_a_range(parameters: pd.DataFrame) -> None:
    everyone = np.tile([0.0, 1.0], 500)
    found = calibrated(histories(everyone, everyone), parameters)
    assert found["user_count"].tolist() == [1000] and found["persistence"].tolist() == [1]


def test_who_had_too_few_events_a_month_ago_does_not_count(
    drifting: pd.DataFrame, parameters: pd.DataFrame
) -> None:
    of_few = (drifting["part"] == "month ago") & (drifting["user_key"] >= 500)
    events = drifting["event_count"].where(~of_few, 4)
    found = calibrated(drifting.assign(event_count=events), parameters)
    assert found["user_count"].sum() == 500
    too_few = drifting[drifting["user_key"] < calibration.MIN_USERS - 1]
    (row,) = calibrated(too_few, parameters).itertuples()
    assert row.user_count == calibration.MIN_USERS - 1 and row.confidence_from == 0
    assert np.isnan(row.kept_share) and np.isnan(row.persistence)
