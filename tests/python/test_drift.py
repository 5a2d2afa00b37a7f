"""Laws of drift, and of which model is in use."""

import numpy as np
import pandas as pd
import pytest

from amazing_segments import drift, k_selection, model_versions, segmentation

TRANSFORMS = {"price": "log", "night": "identity"}


def users(count: int = 3000, seed: int = 0, shift: float = 0.0) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    group = chance.integers(0, 3, count)
    return pd.DataFrame(
        {
            "price": np.exp(np.array([0.0, 3.0, 0.0])[group] + chance.normal(shift, 0.5, count)),
            "night": np.array([0.0, 0.0, 5.0])[group] + chance.normal(0, 0.5, count),
            "session_count": 3,
            "as_of": pd.Timestamp("2020-04-30"),
        }
    )


@pytest.fixture(scope="module")
def parameters() -> pd.DataFrame:
    return segmentation.fit_parameters(users(), TRANSFORMS, 3, 7)


def measured(parameters: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    found = drift.measure_drift(frame, parameters, TRANSFORMS, 0.1, 7)
    assert list(found.columns) == list(model_versions.DRIFT_TYPES)
    assert (found["model_version"] == 7).all() and (found["as_of"] == frame["as_of"].iloc[0]).all()
    return found.fillna({"feature": ""}).set_index(["measure", "feature"])["value"]


def test_the_users_of_the_training_have_not_moved(parameters: pd.DataFrame) -> None:
    found = measured(parameters, users())
    assert found["psi"].abs().max() < 1e-12 and found["segment_psi", ""] == pytest.approx(0)
    assert found["refit_agreement", ""] == 1
    assert found["atypical_share", ""] == pytest.approx(0.01, abs=0.001)
    labels = segmentation.assign(parameters, TRANSFORMS, users())
    assert found["low_confidence_share", ""] == (labels["confidence"] < 0.1).mean()


def test_other_users_of_the_same_habits_have_hardly_moved(parameters: pd.DataFrame) -> None:
    found = measured(parameters, users(seed=1))
    assert 0 < found["psi"].max() < 0.05 and found["segment_psi", ""] < 0.05
    assert found["refit_agreement", ""] > 0.95


def test_a_feature_that_moved_is_the_one_that_shows(parameters: pd.DataFrame) -> None:
    found = measured(parameters, users(seed=1, shift=0.8))
    assert found["psi", "price"] > 0.25 > 0.05 > found["psi", "night"]
    assert found["atypical_share", ""] > 0.03


def test_segments_whose_shares_moved_show(parameters: pd.DataFrame) -> None:
    frame = users(seed=1)
    fewer = frame[(frame["night"] < 2.5) | (np.arange(len(frame)) % 5 == 0)]
    assert measured(parameters, fewer)["segment_psi", ""] > 0.25


def test_the_index_is_the_sum_over_bins_and_an_empty_bin_counts_as_half_a_user() -> None:
    now, then = np.array([[0.5], [0.5], [0.0]]), np.array([[0.25], [0.5], [0.25]])
    expected = 0.25 * np.log(2) + (0.25 - 0.005) * np.log(0.25 / 0.005)
    assert drift.stability_index(now, then, 100) == pytest.approx([expected])


def test_bins_between_equal_edges_are_empty() -> None:
    values = np.array([[0.0], [0.0], [0.0], [1.0]])
    shares = segmentation.bin_shares(values, np.array([[0.0], [0.0], [0.5]]))
    assert shares.ravel().tolist() == [0, 0, 0.75, 0.25]


def test_a_model_without_a_reference_says_less(parameters: pd.DataFrame) -> None:
    names = ["bin_edge", "bin_share", "segment_share", "typical_distance"]
    found = measured(parameters[~parameters["parameter"].isin(names)], users())
    assert sorted(name for name, _ in found.index) == ["low_confidence_share", "refit_agreement"]


def version(number: int, stability: float, **columns: object) -> pd.DataFrame:
    """The rows of a version, of which the second is chosen."""
    rows = pd.DataFrame(
        {
            "model_version": number,
            "k": [4, 5],
            "stability": [0.1, stability],
            "is_chosen": [False, True],
            "features": "price:log",
            "trained_at": pd.Timestamp("2020-01-01") + pd.Timedelta(days=number),
        }
        | columns
    )
    types = {name: model_versions.K_SELECTION_TYPES[name] for name in ("promoted_at", "refusal")}
    return rows.reindex(columns=[*rows, *(set(types) - set(rows))]).astype(types)


NONE = version(0, 0).head(0)


def test_the_first_model_is_put_to_use() -> None:
    promoted = k_selection.promote(version(1, 0.1), NONE)
    assert promoted["promoted_at"].isna().tolist() == [True, False]
    assert promoted["refusal"].isna().all()


@pytest.mark.parametrize(
    ("stability", "features", "is_promoted"),
    [
        (0.95, "price:log", True),
        (0.86, "price:log", True),
        (0.84, "price:log", False),
        # the SQL knows the new features alone
        (0.1, "night:log", True),
    ],
)
def test_a_challenger_is_put_to_use_unless_it_is_less_stable(
    stability: float, features: str, is_promoted: bool
) -> None:
    champion = k_selection.promote(version(1, 0.9), NONE)
    challenger = k_selection.promote(version(2, stability, features=features), champion)
    chosen = challenger[challenger["is_chosen"]].iloc[0]
    assert pd.notna(chosen["promoted_at"]) == is_promoted == pd.isna(chosen["refusal"])
    current = model_versions.current_model(pd.concat([champion, challenger]))
    assert current["model_version"] == (2 if is_promoted else 1)
    if not is_promoted:
        assert chosen["refusal"] == "stability 0.84, less than the 0.90 of version 1"


def test_versions_from_before_promotions_are_in_use_from_their_training_on() -> None:
    assert model_versions.current_model(NONE) is None
    old = pd.concat([version(1, 0.9), version(2, 0.8)])
    assert model_versions.current_model(old)["model_version"] == 2
    # a person went back
    back = old.assign(
        promoted_at=[pd.NaT, pd.Timestamp("2021-01-01"), pd.NaT, pd.NaT],
    )
    assert model_versions.current_model(back)["model_version"] == 1
