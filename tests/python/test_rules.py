"""Laws of the rules, on customers with three planted habits."""

import re

import numpy as np
import pandas as pd
import pytest

from amazing_segments import model_versions, segmentation
from amazing_segments.rules import HELD_OUT, fit_rules

TRANSFORMS = {"amount": "log1p", "level": "log", "night": "shrunk", "variety": "identity"}
CATALOGUE = pd.DataFrame(
    [
        ("amount", "currency", 0.0, "amount", "montant"),
        ("level", "ratio", 0.0, "price level", "niveau de prix"),
        ("night", "share of events", 0.0, "night activity", "activité de nuit"),
        ("variety", "nats", 0.0, "variety", "variété"),
    ],
    columns=["feature", "unit", "minimum", "label_en", "label_fr"],
)
LABELS = dict(zip(CATALOGUE["label_en"], CATALOGUE["feature"], strict=True))


def users(count: int = 3000, seed: int = 0) -> pd.DataFrame:
    """Overlapping groups, many of whose values are round numbers: the bounds of rules too."""
    chance = np.random.default_rng(seed)
    group = np.arange(count) % 3
    sessions = chance.integers(5, 50, count)
    nights = chance.binomial(sessions, np.where(chance.random(count) < 0.3, 0.5, 0.0))
    return pd.DataFrame(
        {
            "amount": np.round(np.array([0, 50, 1000])[group] * chance.lognormal(0, 1, count)),
            "level": chance.lognormal(0, 1, count).round(2),
            "night": nights / sessions,
            "variety": chance.normal(1, 0.3, count),
            "session_count": sessions,
        }
    )


def fit(frame: pd.DataFrame, n_clusters: int = 8) -> pd.DataFrame:
    parameters = segmentation.fit_parameters(frame, TRANSFORMS, n_clusters, 7)
    return fit_rules(frame, CATALOGUE, parameters, TRANSFORMS)


def segments_of(frame: pd.DataFrame, n_clusters: int = 8) -> np.ndarray:
    parameters = segmentation.fit_parameters(frame, TRANSFORMS, n_clusters, 7)
    return segmentation.assign(parameters, TRANSFORMS, frame)["segment"].to_numpy()


def met(conditions: str, frame: pd.DataFrame) -> np.ndarray:
    """Tell who meets conditions as they are written in English."""
    meets = np.ones(len(frame), dtype=bool)
    for condition in conditions.split("; ") if conditions != "all customers" else ():
        label, interval = condition.split(": ")
        values = frame[LABELS[label]].to_numpy()
        for part in interval.split(", "):
            word, number, percent = re.fullmatch(r"(over |up to |)([\d.]+)( %)?", part).groups()
            bound = float(number) / (100 if percent else 1)
            meets &= values > bound + 1e-9 if word == "over " else values <= bound + 1e-9
    return meets


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    return fit(users())


def test_the_rules_that_are_read_are_those_that_were_measured(found: pd.DataFrame) -> None:
    frame, own = users(), segments_of(users())
    held_out = np.arange(len(frame)) % HELD_OUT == HELD_OUT - 1
    frame, own = frame[held_out], own[held_out]
    rules = found.dropna(subset="conditions_en")
    takes = np.array([met(conditions, frame) for conditions in rules["conditions_en"]])
    assert (takes.sum(axis=0) == 1).all(), "each user is taken by one rule"
    of_segment = rules["segment"].to_numpy()[:, None] == own
    right = (takes & of_segment).sum(axis=1)
    assert (rules["user_share"] == takes.mean(axis=1)).all()
    np.testing.assert_array_equal(rules["precision"], right / takes.sum(axis=1))
    np.testing.assert_array_equal(rules["coverage"], right / of_segment.sum(axis=1))
    assert (found["fidelity"] == right.sum() / len(frame)).all()
    assert (found["held_out_user_count"] == len(frame)).all()
    # segments count alike, also those that no rule gives
    harmonic = [
        2 * right[given].sum() / (takes[given].sum() + (own == segment).sum())
        for segment in np.unique(own)
        for given in [rules["segment"].to_numpy() == segment]
    ]
    np.testing.assert_allclose(found["macro_f1"], np.mean(harmonic))


def test_the_rules_are_few_and_in_order_and_the_same_each_time(found: pd.DataFrame) -> None:
    assert 0.75 < found["fidelity"].iloc[0] < 1
    assert len(found) <= 16 and found["rule"].tolist() == list(range(1, len(found) + 1))
    assert found["segment"].is_monotonic_increasing
    assert (found.groupby("segment")["user_share"].diff().fillna(0) <= 0).all()
    assert found.dtypes.astype(str).to_dict() == model_versions.RULE_TYPES
    pd.testing.assert_frame_equal(fit(users()), found, check_exact=True)


def test_french_says_the_same(found: pd.DataFrame) -> None:
    words = {" : ": ": ", " ; ": "; ", "plus de": "over", "jusqu'à": "up to"}
    words |= dict(zip(CATALOGUE["label_fr"], CATALOGUE["label_en"], strict=True))
    for french, english in zip(found["conditions_fr"], found["conditions_en"], strict=True):
        assert "." not in french
        for word, translated in words.items():
            french = french.replace(word, translated)
        assert re.sub(r"(\d),(\d)", r"\1.\2", french) == english
    assert "plus de" in " ".join(found["conditions_fr"])


def test_conditions_read_well(found: pd.DataFrame) -> None:
    said = "; ".join(found["conditions_en"])
    assert "amount: 0;" in said, "the least is no interval"
    assert re.search(r"night activity: (over|up to) \d+ %", said)


def test_conditions_on_one_feature_are_one_interval() -> None:
    frame, level = users(), {"level": "log"}
    parameters = segmentation.fit_parameters(frame, level, 3, 7)
    rules = fit_rules(frame, CATALOGUE, parameters, level).sort_values("conditions_en")
    bound = r"[\d.]+"
    between, over, up_to = (
        re.fullmatch(f"price level: {interval}", found)
        for found, interval in zip(
            rules["conditions_en"],
            (f"over ({bound}), up to ({bound})", f"over ({bound})", f"up to ({bound})"),
            strict=True,
        )
    )
    assert between.groups() == (up_to[1], over[1])


def test_a_value_on_a_bound_is_within() -> None:
    # 0.07 / 0.01 is a little more than 7
    frame = users().assign(night=lambda found: np.where(found["variety"] > 1, 0.08, 0.07))
    night = {"night": "identity"}
    parameters = segmentation.fit_parameters(frame, night, 2, 7)
    rules = fit_rules(frame, CATALOGUE, parameters, night)
    assert set(rules["conditions_en"]) == {"night activity: up to 7 %", "night activity: over 7 %"}
    assert (rules["fidelity"] == 1).all()


def test_no_two_rules_are_one(found: pd.DataFrame) -> None:
    # neighbours of the same segment differ in one bound that the one has above, the other below
    for _, rules in found.groupby("segment")["conditions_en"]:
        without_words = {re.sub("over|up to", "at", rule) for rule in rules}
        assert len(without_words) == len(rules)


def test_users_held_out_teach_nothing(found: pd.DataFrame) -> None:
    frame = users()
    parameters = segmentation.fit_parameters(frame, TRANSFORMS, 8, 7)
    held_out = np.flatnonzero(np.arange(len(frame)) % HELD_OUT == HELD_OUT - 1)
    frame.iloc[held_out] = frame.iloc[held_out[::-1]].to_numpy()
    frame.loc[held_out, "night"] = 1 - frame.loc[held_out, "night"]
    other = fit_rules(frame, CATALOGUE, parameters, TRANSFORMS)
    assert set(other["conditions_en"]) == set(found["conditions_en"])
    assert other["fidelity"].iloc[0] != found["fidelity"].iloc[0]


def test_a_segment_that_no_rule_gives_has_a_row_without_conditions() -> None:
    frame = users()
    # fewer than a leaf may hold
    frame.loc[frame.index[:20], ["amount", "level"]] = [1e6, 1e3]
    parameters = segmentation.fit_parameters(frame, TRANSFORMS, 4, 7)
    far = (parameters["parameter"] == "intercept") & (parameters["segment"] == 4)
    parameters.loc[far, "value"] = -1e9
    found = fit_rules(frame, CATALOGUE, parameters, TRANSFORMS)
    (nobody,) = found[found["segment"] == 4].itertuples()
    assert pd.isna(nobody.conditions_en) and pd.isna(nobody.conditions_fr)
    assert (nobody.user_share, nobody.coverage) == (0, 0)
    assert pd.isna(nobody.precision)
    assert found["user_share"].sum() == pytest.approx(1)


def test_where_nothing_parts_the_users_one_rule_takes_all() -> None:
    same = users().assign(amount=1.0, level=1.0, night=0.0, variety=1.0)
    parameters = segmentation.fit_parameters(users(), TRANSFORMS, 3, 7)
    found = fit_rules(same, CATALOGUE, parameters, TRANSFORMS)
    assert found["conditions_en"].dropna().tolist() == ["all customers"]
    assert found["conditions_fr"].dropna().tolist() == ["tous les clients"]
    assert (found["fidelity"] == 1).all()


def test_too_few_users_make_no_rules() -> None:
    assert not fit(users(100)).empty
    assert fit(users(99)).empty
