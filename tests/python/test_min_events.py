"""Laws of the number of events from which a customer can be classified."""

import re

import numpy as np
import pandas as pd
import pytest
from segments import TRANSFORMS, three_segments
from sklearn.metrics import cohen_kappa_score
from warehouses import PROJECT, Warehouse

from amazing_segments import min_events, model_versions, segmentation


def part(name: str, target: int, prices: np.ndarray, **columns: object) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_key": np.arange(len(prices)),
            "part": name,
            "event_target": target,
            "price": prices,
            "night": 0.0,
            "event_count": target,
            "session_count": 1,
            "revenue_amount": 1.0,
        }
        | columns
    )


def noisy(true: np.ndarray, event_count: int, seed: int) -> np.ndarray:
    return true + np.random.default_rng(seed).normal(0, 2 / event_count, len(true))


@pytest.fixture(scope="module")
def histories() -> pd.DataFrame:
    """Customers with a dear and a cheap taste, which shows the better the more events there are."""
    true = np.arange(1000) % 2.0
    parts = [part("whole", 0, true, event_count=np.arange(1000) % 60 + 1, session_count=2)]
    for target in min_events.EVENT_TARGETS:
        for seed, name in enumerate(("odd", "even", "early", "late")):
            parts.append(part(name, target, noisy(true, target, 10 * target + seed)))
    return pd.concat(parts, ignore_index=True)


def measure(histories: pd.DataFrame, target_kappa: float = 0.6) -> pd.DataFrame:
    return min_events.measure_min_events(histories, three_segments(), TRANSFORMS, target_kappa, 1)


def test_kappa_is_that_of_scikit_learn_of_all_and_of_each_segment(histories: pd.DataFrame) -> None:
    found = measure(histories)
    assert list(found.columns) == list(model_versions.MIN_EVENTS_TYPES)
    labels = segmentation.assign(three_segments(), TRANSFORMS, histories)["segment"]
    for target in min_events.EVENT_TARGETS:
        odd, even = (
            labels[(histories["part"] == name) & (histories["event_target"] == target)].to_numpy()
            for name in ("odd", "even")
        )
        of_target = found[found["event_target"] == target].set_index("segment")
        (of_all,) = of_target.loc[of_target.index.isna(), "odd_even_kappa"]
        assert of_all == pytest.approx(cohen_kappa_score(odd, even))
        for segment in np.unique(labels):
            assert of_target.loc[segment, "odd_even_kappa"] == pytest.approx(
                cohen_kappa_score(odd == segment, even == segment)
            )
    of_all = found[found["segment"].isna()]
    assert (of_all["odd_even_kappa_low"] <= of_all["odd_even_kappa"]).all()
    assert (of_all["odd_even_kappa_high"] >= of_all["odd_even_kappa"]).all()


def test_the_threshold_is_the_first_whose_lower_end_reaches_the_target(
    histories: pd.DataFrame,
) -> None:
    found = measure(histories)
    of_all = found[found["segment"].isna()].set_index("event_target")
    (threshold,) = of_all.index[of_all["is_threshold"]]
    reached = of_all["odd_even_kappa_low"] >= 0.6
    assert 1 < threshold < 50 and reached[threshold] and not reached.loc[: threshold - 1].any()
    assert not found.loc[found["segment"].notna(), "is_threshold"].any()


def test_parts_of_other_customers_agree_by_chance_alone(histories: pd.DataFrame) -> None:
    strangers = histories.copy()
    even = strangers["part"] == "even"
    shuffled = np.random.default_rng(0).permutation(strangers.loc[even, "price"])
    strangers.loc[even, "price"] = shuffled
    found = measure(strangers)
    of_all = found[found["segment"].isna()]
    assert of_all["odd_even_kappa"].abs().max() < 0.1
    # habits that do not show ask for more evidence, not for less
    assert of_all.loc[of_all["is_threshold"], "event_target"].tolist() == [50]


@pytest.mark.parametrize(
    ("low", "expected"),
    [
        ([0.1, 0.7, 0.8], 2),
        ([0.1, 0.7, 0.5], 2),
        ([0.1, 0.2, 0.3], 3),
        ([0.1, 0.2, np.nan], 2),
        ([np.nan] * 3, None),
    ],
)
def test_the_rule_for_the_threshold(low: list[float], expected: int | None) -> None:
    measured = pd.DataFrame({"event_target": [1, 2, 3], "odd_even_kappa_low": low})
    assert min_events.choose_min_events(measured, 0.6) == expected


def test_too_few_customers_tell_nothing(histories: pd.DataFrame) -> None:
    found = measure(histories[histories["user_key"] < min_events.MIN_USERS - 1])
    assert found["odd_even_kappa"].isna().all() and not found["is_threshold"].any()
    assert (found["odd_even_user_count"] == min_events.MIN_USERS - 1).all()


def test_early_and_late_sessions_are_never_the_same(histories: pd.DataFrame) -> None:
    early = (histories["part"] == "early") & (histories["user_key"] < 500)
    found = measure(histories.assign(session_count=histories["session_count"].where(~early, 2)))
    assert (found["early_late_user_count"] == 500).all()
    assert (found["odd_even_user_count"] == 1000).all()


def test_what_a_threshold_leaves_out(histories: pd.DataFrame) -> None:
    found = measure(histories)
    of_all = found[found["segment"].isna()].set_index("event_target")
    whole = histories[histories["part"] == "whole"]
    for target, row in of_all.iterrows():
        assert row["left_out_user_share"] == (whole["event_count"] < target).mean()
        assert row["left_out_revenue_share"] == row["left_out_user_share"]


def test_the_view_cuts_histories_at_the_same_numbers_of_events() -> None:
    view = (PROJECT / "models" / "intermediate" / "int_partial_histories.sql").read_text()
    (targets,) = re.findall(r"event_targets = (\[.*\])", view)
    assert targets == str(list(min_events.EVENT_TARGETS))


def test_parts_are_whole_sessions_counted_like_users(sample: Warehouse) -> None:
    users, keys = sample.rows_of(
        [
            # all sessions are the user as user_features has them
            "select * from (select columns(parts.*) from intermediate.int_partial_histories parts "
            "where part = 'whole') parts inner join marts.user_features users using (user_key) "
            "where parts.recency_days != users.recency_days "
            "or parts.price_level != users.price_level "
            "or parts.average_order_amount != users.average_order_amount "
            "or parts.category_entropy != users.category_entropy "
            "or parts.event_count != users.event_count or parts.as_of != users.as_of",
            "select count(*), count(distinct (user_key, part, event_target)), "
            "count(case when recency_days < 0 then 1 end), "
            "count(case when event_target > 0 and event_count not between event_target "
            "and 1.5 * event_target then 1 end) from intermediate.int_partial_histories",
        ]
    )
    assert users == []
    ((rows, distinct, from_the_future, of_wrong_size),) = keys
    assert rows == distinct > 100_000 and from_the_future == of_wrong_size == 0
    # odd and even sessions together are no more than the user has
    ((more,),) = sample.rows(
        "select count(*) from intermediate.int_partial_histories as odd "
        "inner join intermediate.int_partial_histories as even using (user_key, event_target) "
        "inner join marts.user_features as users using (user_key) "
        "where odd.part = 'odd' and even.part = 'even' "
        "and odd.session_count + even.session_count > users.session_count"
    )
    assert more == 0


def test_the_threshold_of_planted_habits(sample: Warehouse) -> None:
    curve = sample.rows(
        "select event_target, odd_even_kappa, odd_even_kappa_low, early_late_kappa, final_kappa, "
        "left_out_user_share, left_out_revenue_share, is_threshold "
        "from segmentation.segmentation_min_events where segment is null order by event_target"
    )
    for target, *figures, is_threshold in curve:
        print(target, *(f"{figure:.3f}" for figure in figures), "<-" if is_threshold else "")
    ((used, source),) = sample.rows(
        "select min_events, source from segmentation.segmentation_threshold"
    )
    (found,) = (row[0] for row in curve if row[-1])
    assert (used, source) == (found, "measured")
    # the more events, the better the halves agree
    kappas = [row[1] for row in curve]
    assert kappas[0] < kappas[4] < kappas[-1]
    ((below, segmented),) = sample.rows(
        "select count(case when users.event_count < threshold.min_events then 1 end), count(*) "
        "from marts.user_segments inner join marts.user_features as users using (user_key) "
        "cross join segmentation.segmentation_threshold as threshold "
        "where user_segments.segment is not null"
    )
    assert below == 0 < segmented


def test_the_threshold_against_what_was_planted(
    sample: Warehouse, sample_parameters: pd.DataFrame, archetypes: pd.Series
) -> None:
    ((features,),) = sample.rows("select features from segmentation.segmentation_models")
    transforms = model_versions.transforms_of(features)
    columns = ["user_key", "part", "event_target", "event_count", "session_count", *transforms]
    parts = pd.DataFrame(
        sample.rows(
            f"select {', '.join(columns)} from intermediate.int_partial_histories "
            "where part in ('whole', 'odd')"
        ),
        columns=columns,
    )
    parts["segment"] = segmentation.assign(sample_parameters, transforms, parts)["segment"]
    parts["archetype"] = archetypes.loc[parts["user_key"]].to_numpy()
    ((threshold,),) = sample.rows("select min_events from segmentation.segmentation_threshold")
    whole = parts[(parts["part"] == "whole") & (parts["event_count"] >= threshold)]
    # what most customers of a segment were planted as
    stands_for = whole.groupby("segment")["archetype"].agg(lambda planted: planted.mode()[0])
    kappas = {}
    for target, rows in parts[parts["part"] == "odd"].groupby("event_target"):
        told = stands_for[rows["segment"]]
        kappas[target] = cohen_kappa_score(told, rows["archetype"])
        print(f"{target} events: kappa {kappas[target]:.3f} ({len(rows)} customers)")
    assert kappas[1] < kappas[8] < kappas[50]
    # two halves err both, so what they agree on is never less than what is true
    assert kappas[threshold] >= 0.6
