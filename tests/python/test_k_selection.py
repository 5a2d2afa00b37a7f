"""Laws of the choice of k and of its measures."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from amazing_segments import cluster_stability, k_selection, segmentation

FEATURES = ["one", "two", "three"]
TRANSFORMS = dict.fromkeys(FEATURES, "identity")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


def blobs(count: int, groups: int, spread: float = 0.1, seed: int = 0) -> np.ndarray:
    """Users of so many groups around the corners of a cube."""
    chance = np.random.default_rng(seed)
    corners = np.array([[i // 4, i // 2 % 2, i % 2] for i in range(groups)], dtype=float)
    return corners[np.arange(count) % groups] + chance.normal(0, spread, (count, 3))


def users(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values, columns=FEATURES).assign(
        session_count=1, as_of=pd.Timestamp("2020-04-30")
    )


def kmeans(k: int) -> KMeans:
    return KMeans(k, n_init=10, random_state=0)


def test_planted_groups_are_found_again_and_half_groups_are_not() -> None:
    coordinates = blobs(600, 4)
    stability, strength = cluster_stability.agreement_of_halves(coordinates, kmeans(4), 3, 0)
    assert stability == 1 and strength == 1
    jaccard = cluster_stability.bootstrap_jaccard(coordinates, kmeans(4).fit(coordinates), 3, 0)
    assert (jaccard == 1).all()
    # a fifth segment halves a group, each time another way
    stability, strength = cluster_stability.agreement_of_halves(coordinates, kmeans(5), 3, 0)
    assert 0.7 < stability < 1 and strength < 0.8
    jaccard = cluster_stability.bootstrap_jaccard(coordinates, kmeans(5).fit(coordinates), 9, 0)
    assert jaccard.min() < cluster_stability.VALID_JACCARD < jaccard.max() < 1


def test_a_segment_that_has_no_user_in_the_samples_has_no_figure() -> None:
    coordinates = blobs(400, 4)
    clusters = kmeans(4).fit(coordinates)
    jaccard = cluster_stability.bootstrap_jaccard(
        coordinates[clusters.labels_ != 0], clusters, 2, 0
    )
    assert np.isnan(jaccard).tolist() == [True, False, False, False]


def test_prediction_strength_counts_pairs() -> None:
    # of segment 0 (3 users) one pair of three stays together, of segment 1 (2 users) the only one
    labels, others = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
    assert cluster_stability._lowest_strength(labels, others) == pytest.approx(1 / 3)
    assert cluster_stability._lowest_strength(np.array([0, 1]), np.array([0, 0])) == 1


def test_the_gap_is_largest_where_groups_are() -> None:
    coordinates = blobs(600, 4)
    gaps = [cluster_stability.gap_statistic(coordinates, kmeans(k), 5, 0) for k in (3, 4, 5)]
    values = [gap for gap, _ in gaps]
    assert values[1] - gaps[1][1] > max(values[0], values[2])
    # a box whose sides are its principal components
    noise = np.random.default_rng(1).uniform(size=(600, 3)) * [1, 2, 3]
    gap, error = cluster_stability.gap_statistic(noise, kmeans(4), 5, 0)
    assert abs(gap) < 0.1 and 0 < error < 0.1


def test_k_is_that_of_the_planted_groups_and_beats_shuffled_users() -> None:
    found = k_selection.select_k(users(blobs(600, 6)), TRANSFORMS, 3)
    assert found["k"].tolist() == list(k_selection.CANDIDATE_K)
    (chosen,) = found[found["is_chosen"]].itertuples()
    assert chosen.k == 6 and chosen.model_version == 3
    assert chosen.is_stable and chosen.is_distinct and chosen.is_addressable
    assert chosen.valid_segment_count == 6 and chosen.seed_agreement == 1
    segments = found.filter(like="segment_count").sum(axis=1)
    assert (segments == found["k"]).all(), "each segment is valid, doubtful or dissolved"
    assert chosen.silhouette > chosen.null_silhouette
    assert chosen.prediction_strength > chosen.null_prediction_strength
    assert chosen.lowest_jaccard > chosen.null_lowest_jaccard


def test_users_without_habits_are_not_distinct() -> None:
    noise = np.random.default_rng(0).normal(size=(600, 3))
    found = k_selection.select_k(users(noise), TRANSFORMS, 1).set_index("k")
    difference = found["silhouette"] - found["null_silhouette"]
    assert difference.abs().max() < 0.05
    assert found["is_chosen"].sum() == 1


def test_the_same_users_give_the_same_choice() -> None:
    frame = users(blobs(300, 5, spread=0.4))
    one, other = (
        k_selection.select_k(frame, TRANSFORMS, 1).drop(columns="trained_at") for _ in range(2)
    )
    pd.testing.assert_frame_equal(one, other, check_exact=True)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_odd_users_give_null_figures_and_no_failure() -> None:
    frame = users(np.zeros((150, 3))).assign(one=np.arange(150) % 2)
    found = k_selection.select_k(frame, TRANSFORMS, 1)
    assert found["is_chosen"].sum() == 1
    assert found["gap"].isna().all()
    parameters = segmentation.fit_parameters(frame, TRANSFORMS, 4, 1)
    jaccard = parameters.loc[parameters["parameter"] == "jaccard", "value"]
    assert jaccard.notna().sum() == 2, "two of four segments have users"


def test_the_model_tells_of_each_segment_how_well_it_is_found_again() -> None:
    # 400 users whom three segments part by chance, and 100 apart
    coordinates = np.vstack([blobs(400, 1, 0.5), blobs(100, 1) + 9])
    parameters = segmentation.fit_parameters(users(coordinates), TRANSFORMS, 4, 1)
    jaccard = parameters[parameters["parameter"] == "jaccard"].set_index("segment")["value"]
    found = segmentation.assign(parameters, TRANSFORMS, users(coordinates))["segment"]
    (apart,) = found.tail(100).unique()
    assert jaccard.index.tolist() == [1, 2, 3, 4]
    assert jaccard[apart] == 1 and jaccard.drop(apart).max() < 1


def evaluated(**columns: list) -> pd.DataFrame:
    figures = {
        "k": [3, 4, 5, 6, 11],
        "silhouette": [0.9, 0.2, 0.4, 0.3, 0.8],
        "null_silhouette": [0.1] * 5,
        "stability": [0.9] * 5,
        "lowest_jaccard": [0.9] * 5,
        "smallest_share": [0.1] * 5,
    }
    return k_selection.judge_k(pd.DataFrame(figures | columns))


@pytest.mark.parametrize(
    ("figures", "expected", "reason"),
    [
        ({}, 5, "three are of no use and eleven too many, then the best silhouette wins"),
        ({"smallest_share": [0.1, 0.1, 0.01, 0.1, 0.1]}, 6, "a segment was too small"),
        ({"stability": [0.9, 0.9, 0.5, 0.9, 0.9]}, 6, "the halves did not agree"),
        ({"lowest_jaccard": [0.9, 0.9, 0.7, 0.9, 0.9]}, 6, "a segment was not found again"),
        ({"null_silhouette": [0.1, 0.1, 0.5, 0.1, 0.1]}, 6, "no more distinct than chance"),
        ({"smallest_share": [0.01] * 5}, 5, "small segments everywhere are accepted"),
        (
            {"smallest_share": [0.01] * 5, "stability": [0.9, 0.9, 0.5, 0.9, 0.9]},
            6,
            "stability counts also where segments are small",
        ),
        ({"null_silhouette": [1.0] * 5}, 5, "the stable ones, where none is distinct"),
        ({"stability": [0.9, 0.1, 0.2, 0.3, 0.4]}, 6, "the most stable where none passes"),
    ],
)
def test_the_rule_for_k(figures: dict, expected: int, reason: str) -> None:
    assert k_selection.choose_k(evaluated(**figures)) == expected, reason
