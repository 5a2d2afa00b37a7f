"""Laws of what is told about features, on customers with three planted habits."""

import numpy as np
import pandas as pd
import pytest

from amazing_segments import model_versions, segmentation
from amazing_segments.feature_importance import CART_LOGGING_ROSE_ON, measure_features

TRANSFORMS = {"amount": "log1p", "level": "log", "night": "shrunk", "variety": "identity"}
FEATURES = [
    ("amount", "money", "log1p"),
    ("amount_twin", "money", "log1p"),
    ("level", "money", "log"),
    ("night", "timing", "shrunk"),
    ("variety", "taste", "identity"),
    ("tenure_days", "recency", "log1p"),
    ("last_order_days", "recency", "log1p"),
    ("carts", "funnel", "identity"),
    ("still", "depth", "shrunk"),
    ("unknown", "depth", "identity"),
]
CATALOGUE = pd.DataFrame(FEATURES, columns=["feature", "family", "transform"]).assign(
    position=range(1, len(FEATURES) + 1)
)
DAY = pd.Timedelta(days=1)


def users(count: int = 1200, seed: int = 0) -> pd.DataFrame:
    """Three groups that differ in amount, level and night; half of the users come after the day."""
    chance = np.random.default_rng(seed)
    group = np.arange(count) % 3
    came_on = chance.integers(-30, 90, count)
    came_at = CART_LOGGING_ROSE_ON + pd.to_timedelta(came_on, unit="D")
    amount = np.array([1.0, 50.0, 900.0])[group] * chance.lognormal(0, 0.1, count)
    return pd.DataFrame(
        {
            "amount": amount,
            "amount_twin": 3 * amount,
            "level": np.array([0.2, 1.0, 5.0])[group] * chance.lognormal(0, 0.1, count),
            "night": np.clip(
                np.array([0.1, 0.8, 0.3])[group] + chance.normal(0, 0.05, count), 0, 1
            ),
            "variety": chance.normal(1, 0.3, count),
            "tenure_days": 100.0 - came_on,
            "last_order_days": np.where(group > 0, chance.integers(1, 50, count), np.nan),
            "carts": chance.normal(0, 1, count) + (came_on > 0),
            "still": 0.3,
            "unknown": np.nan,
            "session_count": chance.integers(5, 50, count),
            "first_event_at": came_at,
            "last_event_at": came_at + pd.Timedelta(hours=1),
            "group": group,
        }
    )


def measure(
    frame: pd.DataFrame,
    transforms: dict[str, str] = TRANSFORMS,
    weightless: str | None = None,
) -> pd.DataFrame:
    parameters = segmentation.fit_parameters(frame, transforms, 3, 7)
    of_feature = parameters["feature"] == weightless
    parameters.loc[of_feature & (parameters["parameter"] == "coefficient"), "value"] = 0.0
    return measure_features(frame, CATALOGUE, parameters, transforms).set_index("feature")


@pytest.fixture(scope="module")
def measured() -> pd.DataFrame:
    return measure(users())


def test_every_feature_has_a_row_and_the_same_users_give_the_same_bytes(
    measured: pd.DataFrame,
) -> None:
    assert measured.index.tolist() == CATALOGUE["feature"].tolist()
    assert (measured["model_version"] == 7).all()
    assert measured[measured["is_in_model"]].index.tolist() == list(TRANSFORMS)
    # to the last bit
    pd.testing.assert_frame_equal(measure(users()), measured, check_exact=True)
    types = measured.reset_index().dtypes.astype(str).to_dict()
    assert types == model_versions.FEATURE_IMPORTANCE_TYPES


def test_shuffling_a_feature_changes_segments_as_far_as_the_model_depends_on_it(
    measured: pd.DataFrame,
) -> None:
    importance = measured["permutation_importance"]
    assert importance.notna().equals(measured["is_in_model"].rename(importance.name))
    assert importance["variety"] < 0.01 < importance["amount"]
    # a feature without weight changes nobody, whatever it is
    assert measure(users(), weightless="amount")["permutation_importance"]["amount"] == 0


def test_a_model_of_one_feature_owes_it_all() -> None:
    found = measure(users(), {"amount": "log1p"})
    # of three equal groups two thirds land in another one
    assert found["permutation_importance"]["amount"] == pytest.approx(2 / 3, abs=0.02)
    assert np.isnan(found["agreement_without_family"]["amount"]), "nothing would be left"
    assert found["agreement_of_refit"]["amount"] == 1


def test_variance_between_segments_and_the_segment_that_stands_out(
    measured: pd.DataFrame,
) -> None:
    frame = users()
    parameters = segmentation.fit_parameters(frame, TRANSFORMS, 3, 7)
    segments = segmentation.assign(parameters, TRANSFORMS, frame)["segment"]
    for feature in ("amount", "level", "night"):
        preparation = segmentation.fit_preparation(frame, {feature: TRANSFORMS[feature]})
        values = pd.Series(preparation.clip(frame)[:, 0])
        expected = values.groupby(segments).transform("mean").var() / values.var()
        means = ((values - values.mean()) / values.std(ddof=0)).groupby(segments).mean()
        furthest = means.abs().idxmax()
        found = measured.loc[feature]
        assert found["variance_between_segments"] == pytest.approx(expected)
        assert found["most_deviating_segment"] == furthest
        assert found["deviation"] == pytest.approx(means[furthest])
    assert (measured["deviation"] > 0.9).any() and (measured["deviation"] < -0.9).any()
    assert measured["variance_between_segments"]["variety"] < 0.02


def test_of_features_that_repeat_each_other_the_first_stays(measured: pd.DataFrame) -> None:
    assert measured["nearest_model_feature"]["amount_twin"] == "amount"
    assert measured["correlation"]["amount_twin"] > 0.99
    assert measured["verdict"]["amount_twin"] == "left out: redundant"
    both = measure(users(), TRANSFORMS | {"amount_twin": "log1p"})
    assert not both["is_redundant"]["amount"]
    assert both["nearest_model_feature"]["amount"] == "amount_twin"
    assert both["verdict"]["amount_twin"] == "in the model, watch: redundant"


def test_leaving_out_a_family_hurts_as_far_as_the_segments_owe_to_it(
    measured: pd.DataFrame,
) -> None:
    agreement = measured["agreement_without_family"]
    assert agreement["variety"] > 0.99, "noise"
    assert agreement["amount_twin"] == agreement["amount"], "of the family, outside the model"
    assert agreement[["tenure_days", "carts", "still"]].isna().all()
    assert (measured["agreement_of_refit"] == 1).all()
    two = measure(users(), {"amount": "log1p", "variety": "identity"})
    assert two["agreement_without_family"]["amount"] < 0.3


def test_what_follows_the_edge_of_the_data_is_named(measured: pd.DataFrame) -> None:
    assert measured["tenure_correlation"]["tenure_days"] == pytest.approx(1)
    assert measured["verdict"]["tenure_days"] == "left out: edge of the data"
    assert measured["tenure_correlation"]["night"] < 0.1
    steep = measure(users().assign(carts=lambda found: 2 ** found["tenure_days"]))
    assert steep["tenure_correlation"]["carts"] > 0.999, "the order counts, not the size"
    frame = users().assign(night=lambda found: found["tenure_days"] / 200)
    assert measure(frame)["verdict"]["night"] == "in the model, watch: edge of the data"


def test_what_jumps_on_the_day_is_told_from_what_moves_with_time(measured: pd.DataFrame) -> None:
    # a deviation apart: one, of which its own jump is no part
    assert measured["cart_logging_shift"]["carts"] == pytest.approx(1, abs=0.15)
    assert abs(measured["usual_shift"]["carts"]) < 0.2
    assert measured["verdict"]["carts"] == "left out: shift of 2019-11-08"
    assert measured["verdict"]["night"] == "in the model"
    frame = users()
    days = frame["tenure_days"]
    # half of it chance, so that it is not taken for the edge of the data
    moving = days + np.random.default_rng(1).permutation(days) * 2
    found = measure(frame.assign(carts=moving)).loc["carts"]
    assert found["cart_logging_shift"] < -0.4
    assert found["verdict"] == "left out: describes segments only"


def test_a_shift_of_few_users_is_none() -> None:
    frame = users()
    before = frame["last_event_at"] < CART_LOGGING_ROSE_ON
    few = pd.concat([frame[before].head(99), frame[~before]]).sort_index()
    found = measure(few.reset_index(drop=True))
    assert found["cart_logging_shift"].isna().all()
    assert found["segments_by_cart_logging"].isna().all()
    assert found["usual_shift"].notna().any()
    # who was there on both sides is on neither
    both = frame.assign(first_event_at=CART_LOGGING_ROSE_ON - DAY)
    both["last_event_at"] = CART_LOGGING_ROSE_ON + DAY
    assert measure(both)["cart_logging_shift"].isna().all()


def test_segments_that_follow_the_data_are_seen(measured: pd.DataFrame) -> None:
    ours = ["segments_by_tenure", "segments_by_cart_logging"]
    assert (measured[ours].abs() < 0.02).all(axis=None)
    following = users()
    following["amount"] *= np.where(following["tenure_days"] > 99, 1, 1e6)
    found = measure(following, {"amount": "log1p"})
    assert (found[ours] > 0.2).all(axis=None)


def test_odd_features_have_rows_without_figures(measured: pd.DataFrame) -> None:
    figures = ["variance_between_segments", "correlation", "tenure_correlation", "usual_shift"]
    for feature in ("still", "unknown"):
        assert measured.loc[feature, figures].isna().all()
        assert pd.isna(measured["most_deviating_segment"][feature])
        assert measured["verdict"][feature] == "left out: constant"
    # known of two thirds of the users
    assert measured.loc["last_order_days", figures].notna().all()
    # fewer users stand out than are clipped
    constant = measure(users().assign(variety=1.0, carts=lambda found: 0.3 + (found.index < 3)))
    assert constant.loc["carts", figures].isna().all()
    assert constant["verdict"]["carts"] == "left out: constant"
    assert constant["verdict"]["variety"] == "in the model, watch: constant"
    assert constant["permutation_importance"]["variety"] == 0


def test_too_few_users_tell_nothing() -> None:
    assert len(measure(users(100))) == len(CATALOGUE)
    assert measure(users(99)).empty
