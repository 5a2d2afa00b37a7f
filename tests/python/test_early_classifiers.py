"""Laws of how early segments can be told, on customers whose first events mislead the model."""

import re

import numpy as np
import pandas as pd
import pytest
from segments import TRANSFORMS, three_segments
from sklearn.metrics import balanced_accuracy_score, f1_score
from warehouses import PROJECT

from amazing_segments import early_classifiers, model_versions, segmentation

MIN_EVENTS = 10


@pytest.fixture(scope="module")
def parameters() -> pd.DataFrame:
    return three_segments()


def histories(
    users: int = 900, shift: float = 0.0, noise: float = 0.1, targets: tuple[int, ...] = (5,)
) -> pd.DataFrame:
    """Customers who seem to like it dearer by `shift` at first, and whose taste shows in noise."""
    chance = np.random.default_rng(0)
    group = np.array([0, 0, 0, 1, 1, 2])[np.arange(users) % 6]
    price, night = np.array([0.2, 0.8, 0.5])[group], np.array([0.0, 0.0, 1.0])[group]
    start = pd.Timestamp("2020-01-01")
    parts = [
        pd.DataFrame(
            {"part": "whole", "event_target": 0, "price": price, "night": night, "event_count": 40}
        )
    ]
    for target in targets:
        parts.append(
            pd.DataFrame(
                {
                    "part": "early",
                    "event_target": target,
                    "price": price + shift + chance.normal(0, noise, users),
                    "night": night + chance.normal(0, noise, users),
                    "event_count": target,
                }
            )
        )
    return pd.concat(
        [
            part.assign(
                user_key=np.arange(users),
                session_count=3,
                # not in the order of the keys
                as_of=start + pd.to_timedelta(np.arange(users) * 7 % users, unit="h"),
            )
            for part in parts
        ],
        ignore_index=True,
    ).assign(as_of=lambda frame: frame["as_of"].astype("datetime64[us]"))


def compare(frame: pd.DataFrame, parameters: pd.DataFrame) -> pd.DataFrame:
    found = early_classifiers.compare_early_classifiers(
        frame, parameters, TRANSFORMS, MIN_EVENTS, 1
    )
    assert found.dtypes.astype(str).to_dict() == model_versions.EARLY_CLASSIFIER_TYPES
    # a version that was looked at has its rows, so that it is not looked at with each build
    assert len(found) == len(early_classifiers.EVENT_TARGETS) * 6
    return found[found["event_target"] == 5].set_index("classifier")


def test_figures_are_those_of_scikit_learn_on_the_later_third(parameters: pd.DataFrame) -> None:
    frame = histories(noise=0.4)
    found = compare(frame, parameters)
    assert (found["training_user_count"] == 600).all() and (found["test_user_count"] == 300).all()
    segments = segmentation.assign(parameters, TRANSFORMS, frame)["segment"]
    later = (frame["as_of"] >= frame["as_of"].sort_values().iloc[1200]).to_numpy()
    true, early = (
        segments[later & (frame["part"] == part)].to_numpy() for part in ("whole", "early")
    )
    model = found.loc["model"]
    assert model["macro_f1"] == pytest.approx(f1_score(true, early, average="macro"))
    assert model["accuracy"] == pytest.approx((true == early).mean())
    assert model["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(true, early))
    assert (found["macro_f1_low"] < found["macro_f1"]).all()
    assert (found["macro_f1_high"] > found["macro_f1"]).all()
    # half of the customers have the commonest segment, and F1 of those never predicted is 0
    assert found.loc["majority", "accuracy"] == pytest.approx(1 / 2, abs=0.03)
    assert found.loc["majority", "macro_f1"] == pytest.approx(2 / 9, abs=0.02)


def test_what_misleads_the_model_can_be_learned(parameters: pd.DataFrame) -> None:
    found = compare(histories(shift=0.5), parameters)
    learned = found.drop(index=["model", "majority"])
    assert found.loc["model", "macro_f1"] < 0.7 and (learned["macro_f1"] > 0.9).all()
    assert found["gain_over_model"].to_numpy() == pytest.approx(
        found["macro_f1"].to_numpy() - found.loc["model", "macro_f1"]
    )
    assert found["is_best"].sum() == 1
    assert found.loc[found["is_best"], "macro_f1"].item() == found["macro_f1"].max()


def test_first_events_that_say_nothing_tell_nothing(parameters: pd.DataFrame) -> None:
    frame = histories()
    early = frame["part"] == "early"
    columns = ["price", "night"]
    shuffled = np.random.default_rng(0).permutation(frame.loc[early, columns].to_numpy())
    frame.loc[early, columns] = shuffled
    assert compare(frame, parameters)["accuracy"].max() < 0.55


def test_only_customers_with_a_segment_and_twice_the_events_count(
    parameters: pd.DataFrame,
) -> None:
    frame = histories(targets=(1, 5, 8))
    # enough for a segment, but not for twice 8; and not enough for a segment
    few = (frame["part"] == "whole") & (frame["user_key"] < 300)
    fewer = (frame["part"] == "whole") & (frame["user_key"] < 90)
    frame.loc[few, "event_count"] = MIN_EVENTS
    frame.loc[fewer, "event_count"] = MIN_EVENTS - 1
    found = early_classifiers.compare_early_classifiers(
        frame, parameters, TRANSFORMS, MIN_EVENTS, 1
    )
    users = found["training_user_count"] + found["test_user_count"]
    assert users.groupby(found["event_target"]).first()[[1, 5, 8]].tolist() == [810, 810, 600]


@pytest.mark.parametrize(("users", "is_enough"), [(300, True), (297, False), (0, False)])
def test_too_few_customers_tell_nothing(
    parameters: pd.DataFrame, users: int, is_enough: bool
) -> None:
    found = compare(histories(users), parameters)
    assert (found["macro_f1"].notna() == is_enough).all() and found["is_best"].any() == is_enough
    assert (found["training_user_count"] + found["test_user_count"] == users).all()


def test_segments_that_the_training_lacks_cost_nothing_but_figures(
    parameters: pd.DataFrame,
) -> None:
    frame = histories()
    by_time = frame["as_of"].rank(method="dense")
    early_comers = frame["part"].eq("whole") & (by_time <= 600)
    frame.loc[early_comers, ["price", "night"]] = 0.0
    # all who train have the same segment
    assert compare(frame, parameters)["macro_f1"].isna().all()
    frame.loc[early_comers & (by_time <= 200), "price"] = 1.0
    # nobody at night trains
    found = compare(frame, parameters)
    assert found.drop(index="model")["macro_f1"].between(0, 0.8).all()


def test_the_same_input_gives_the_same_figures(parameters: pd.DataFrame) -> None:
    frame = histories(noise=0.4)
    pd.testing.assert_frame_equal(compare(frame, parameters), compare(frame, parameters))


def test_the_view_has_as_many_first_events() -> None:
    view = (PROJECT / "models" / "intermediate" / "int_partial_histories.sql").read_text()
    (targets,) = re.findall(r"event_targets = \[(.*)\]", view)
    assert set(early_classifiers.EVENT_TARGETS) <= set(map(int, targets.split(",")))
