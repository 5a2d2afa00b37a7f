"""Laws of how well segments tell the month that follows, on customers with planted futures."""

import numpy as np
import pandas as pd
import pytest

from amazing_segments import business_value, model_versions, segmentation

TRANSFORMS = {"price": "identity", "night": "identity"}
MIN_EVENTS = 10
USERS = 2000


@pytest.fixture(scope="module")
def parameters() -> pd.DataFrame:
    """A model of two segments, parted at a price of 0.5."""
    chance = np.random.default_rng(0)
    users = pd.DataFrame(
        {
            "price": np.arange(200) % 2 + chance.normal(0, 0.01, 200),
            "night": chance.normal(0, 0.01, 200),
            "session_count": 3,
        }
    )
    return segmentation.fit_parameters(users, TRANSFORMS, 2, 1)


@pytest.fixture(scope="module")
def then() -> pd.DataFrame:
    """Customers of a month ago, half of them with orders, which say nothing."""
    chance = np.random.default_rng(1)
    orders = chance.integers(1, 4, USERS) * (np.arange(USERS) % 4 < 2)
    return pd.DataFrame(
        {
            "user_key": np.arange(USERS),
            "part": "month ago",
            "price": chance.uniform(0, 1, USERS),
            "night": chance.normal(0, 0.005, USERS),
            "event_count": MIN_EVENTS,
            "session_count": 3,
            "order_count": orders,
            "order_recency_days": np.where(orders > 0, chance.uniform(0, 90, USERS), np.nan),
            "revenue_amount": orders * 10.0,
        }
    )


def followed_by(then: pd.DataFrame, returned: np.ndarray, spend: np.ndarray) -> pd.DataFrame:
    """Add what the customers are now: those who spent have one order more."""
    now = then.assign(
        part="whole",
        session_count=then["session_count"] + returned,
        order_count=then["order_count"] + (spend > 0),
        revenue_amount=then["revenue_amount"] + spend,
    )
    return pd.concat([then, now], ignore_index=True)


def measure(frame: pd.DataFrame, parameters: pd.DataFrame) -> pd.DataFrame:
    found = business_value.measure_business_value(frame, parameters, TRANSFORMS, MIN_EVENTS, 1)
    assert found.dtypes.astype(str).to_dict() == model_versions.BUSINESS_VALUE_TYPES
    # a version that was looked at has its rows, so that it is not looked at with each build
    assert len(found) == 15
    return found.set_index(["outcome", "predictor"])


def drawn(chance: np.ndarray) -> np.ndarray:
    return np.random.default_rng(2).uniform(size=USERS) < chance


def test_what_segments_tell_is_found(then: pd.DataFrame, parameters: pd.DataFrame) -> None:
    is_dear = then["price"].to_numpy() > 0.5
    returned = drawn(np.where(is_dear, 0.5, 0.1))
    spend = np.where(drawn(np.where(is_dear, 0.4, 0.05)), np.where(is_dear, 90.0, 10.0), 0.0)
    found = measure(followed_by(then, returned, spend), parameters)
    base_rates = found.loc[(slice(None), "none"), "base_rate"].to_numpy()
    assert base_rates == pytest.approx([returned.mean(), (spend > 0).mean(), (spend > 0).mean()])
    nothing, segments = (
        found.xs(predictor, level="predictor") for predictor in ("none", "segments")
    )
    # who is told nothing ranks by chance
    assert (nothing["top_tenth_lift"] == 1).all() and (nothing["top_tenth_share"] == 0.1).all()
    assert nothing["average_precision"].to_numpy()[:2] == pytest.approx(base_rates[:2])
    assert nothing["rank_correlation"].isna().all()
    # of the dear half, a tenth returns as half of them do
    expected = returned[is_dear].mean() / returned.mean()
    assert segments.loc["returned", "top_tenth_lift"] == pytest.approx(expected, rel=0.05)
    assert segments.loc["returned", "average_precision"] > base_rates[0] + 0.1
    assert segments.loc["spend", "rank_correlation"] > 0.3
    assert np.isnan(segments.loc["spend", "average_precision"])
    # orders that say nothing help nobody
    rfm = found.xs("rfm", level="predictor")
    assert rfm["top_tenth_lift"].to_numpy() == pytest.approx(1, abs=0.35)


def test_hard_segments_lose_what_lies_within_them(
    then: pd.DataFrame, parameters: pd.DataFrame
) -> None:
    # the cheapest and the dearest of each segment
    returned = then["price"].to_numpy() % 0.5 > 0.4
    found = measure(followed_by(then, returned, returned * 20.0), parameters)
    features, segments = (
        found.xs(predictor, level="predictor") for predictor in ("features", "segments")
    )
    assert (features["top_tenth_lift"] > 4).all() and (segments["top_tenth_lift"] < 1.5).all()
    assert (features["loss_against_features"] == 0).all()
    assert (segments["loss_against_features"] > 0.5).all()
    for outcome, figure in (("ordered", "average_precision"), ("spend", "rank_correlation")):
        lost = features.loc[outcome, figure] - segments.loc[outcome, figure]
        assert segments.loc[outcome, "loss_against_features"] == pytest.approx(lost)


def test_both_together_tell_what_neither_tells_alone(
    then: pd.DataFrame, parameters: pd.DataFrame
) -> None:
    is_dear, has_ordered = (then["price"] > 0.5).to_numpy(), (then["order_count"] > 0).to_numpy()
    returned = is_dear == has_ordered
    found = measure(followed_by(then, returned, np.zeros(USERS)), parameters).loc["returned"]
    assert found.loc["segments_and_rfm", "average_precision"] > 0.99
    assert found.loc[["rfm", "segments"], "average_precision"].max() < 0.6


def test_nobody_is_judged_by_what_was_learned_of_them(
    then: pd.DataFrame, parameters: pd.DataFrame
) -> None:
    by_chance = drawn(np.full(USERS, 0.3))
    found = measure(followed_by(then, by_chance, by_chance * 10.0), parameters)
    assert found["top_tenth_lift"].between(0.6, 1.4).all()
    assert found["average_precision"].dropna().between(0.25, 0.38).all()
    assert found["rank_correlation"].dropna().abs().max() < 0.1


def test_who_had_too_few_events_a_month_ago_does_not_count(
    then: pd.DataFrame, parameters: pd.DataFrame
) -> None:
    returned = drawn(np.full(USERS, 0.3))
    frame = followed_by(then, returned, returned * 10.0)
    had_few = (frame["part"] == "month ago") & (frame["user_key"] >= 500)
    frame.loc[had_few, "event_count"] = MIN_EVENTS - 1
    found = measure(frame, parameters)
    assert (found["user_count"] == 500).all()
    assert found["base_rate"].to_numpy() == pytest.approx(returned[:500].mean())


@pytest.mark.parametrize(("users", "is_enough"), [(100, True), (99, False), (0, False)])
def test_too_few_customers_tell_nothing(
    then: pd.DataFrame, parameters: pd.DataFrame, users: int, is_enough: bool
) -> None:
    returned = drawn(np.full(USERS, 0.5))
    frame = followed_by(then, returned, returned * 10.0)
    found = measure(frame[frame["user_key"] < users], parameters)
    assert (found["user_count"] == users).all()
    for figure in ("base_rate", "top_tenth_lift", "top_tenth_share"):
        assert (found[figure].notna() == is_enough).all()
    for figure in ("average_precision", "rank_correlation", "loss_against_features"):
        assert found[figure].notna().any() == is_enough


@pytest.mark.parametrize("everybody", [False, True])
def test_an_outcome_of_nobody_or_everybody_tells_nothing(
    then: pd.DataFrame, parameters: pd.DataFrame, everybody: bool
) -> None:
    returned = drawn(np.full(USERS, 0.5))
    found = measure(followed_by(then, returned, np.full(USERS, 10.0 * everybody)), parameters)
    assert found.loc["returned", "top_tenth_lift"].notna().all()
    assert (found.loc["ordered", "base_rate"] == everybody).all()
    for outcome in ("ordered", "spend"):
        assert (
            found.loc[outcome]
            .drop(columns=["base_rate", "user_count"])
            .iloc[:, 1:]
            .isna()
            .all(axis=None)
        )


def test_customers_of_whom_the_same_is_expected_count_in_part() -> None:
    chance = np.random.default_rng(0)
    expected, happened = chance.integers(0, 15, 200), chance.integers(0, 3, 200).astype(float)
    shares = []
    for _ in range(3000):
        order = np.lexsort([chance.uniform(size=200), -expected])
        shares.append(happened[order[:20]].sum() / happened.sum())
    found = business_value.top_share(happened, expected.astype(float))
    assert found == pytest.approx(np.mean(shares), abs=0.001)


def test_the_same_input_gives_the_same_figures(
    then: pd.DataFrame, parameters: pd.DataFrame
) -> None:
    returned = drawn(np.full(USERS, 0.5))
    frame = followed_by(then, returned, returned * 10.0)
    pd.testing.assert_frame_equal(measure(frame, parameters), measure(frame, parameters))
