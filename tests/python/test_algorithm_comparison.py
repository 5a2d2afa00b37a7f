"""Laws of the comparison of algorithms."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score

from amazing_segments import algorithm_comparison, segmentation
from amazing_segments.model_versions import ALGORITHM_COMPARISON_TYPES

TRANSFORMS = dict.fromkeys(["one", "two", "three"], "identity")


def users(values: np.ndarray) -> pd.DataFrame:
    count = len(values)
    has_order = np.arange(count) % 4 == 0
    return pd.DataFrame(values, columns=list(TRANSFORMS)).assign(
        session_count=4,
        order_session_share=np.where(has_order, 0.25, 0.0),
        order_recency_days=np.where(has_order, np.arange(count) % 90, np.nan),
        revenue_per_session=np.where(has_order, np.arange(count), 0.0),
    )


def blobs(count: int = 400, seed: int = 0) -> np.ndarray:
    """Users of four groups around the corners of a cube."""
    corners = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9]], dtype=float)
    chance = np.random.default_rng(seed)
    return corners[np.arange(count) % 4] + chance.normal(0, 0.5, (count, 3))


def compared(frame: pd.DataFrame, n_clusters: int = 4) -> pd.DataFrame:
    parameters = segmentation.fit_parameters(frame, TRANSFORMS, n_clusters, 1)
    return algorithm_comparison.compare_algorithms(frame, TRANSFORMS, parameters, 3).set_index(
        "algorithm"
    )


def test_all_that_can_find_planted_groups_do() -> None:
    found = compared(users(blobs()))
    finders = found.drop("rfm_rules")
    assert (finders["segment_count"] == 4).all()
    # DBSCAN leaves out who stands apart
    assert (finders["agreement_with_model"].drop("dbscan") > 0.99).all()
    assert 0 < finders.loc["dbscan", "unassigned_share"] < 0.2
    assert (finders["stability"].drop("dbscan") > 0.99).all()
    assert (finders["separation"] > 0.8).all()
    assert found.index[found["is_chosen"]].tolist() == ["kmeans_pca"]
    assert set(found.index[~found["can_assign_new_customers"]]) == {"ward", "hdbscan", "dbscan"}
    assert found.index[found["bic"].notna()].tolist() == ["gaussian_mixture"]
    assert (found["seconds"] > 0).all()
    assert (found["model_version"] == 3).all()


def test_the_same_users_give_the_same_rows() -> None:
    frame = users(np.random.default_rng(0).normal(size=(300, 3)))
    one, other = (compared(frame).drop(columns=["seconds", "peak_memory_mb"]) for _ in range(2))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_memory_is_that_of_the_one_algorithm() -> None:
    few, many = compared(users(blobs())), compared(users(blobs(4_000)))
    # Ward keeps the distance of each pair, 8 bytes each
    assert many.loc["ward", "peak_memory_mb"] > 4_000 * 3_999 / 2 * 8 / 2**20
    for algorithm in ("kmeans_pca", "rfm_rules"):
        assert many.loc[algorithm, "peak_memory_mb"] < 20
    assert (few["peak_memory_mb"] < 20).all()


@pytest.mark.filterwarnings("ignore:Number of distinct clusters", "ignore:invalid value")
def test_users_at_two_places_without_orders_give_null_figures_and_no_failure() -> None:
    values = np.zeros((150, 3))
    values[:, 0] = np.arange(150) % 2
    found = compared(users(values).assign(order_session_share=0.0))
    assert len(found) == 8 and found["reason_fr"].notna().all()
    assert found.loc["rfm_rules", "segment_count"] == 1
    assert np.isnan(found.loc["rfm_rules", "stability"])
    assert np.isnan(found.loc["rfm_rules", "separation"])


def test_a_fit_that_fails_is_a_row_of_nulls() -> None:
    rival = algorithm_comparison.Rival(
        "gaussian_mixture", blobs(2), partial(algorithm_comparison.best_mixture, 4)
    )
    (fit,) = algorithm_comparison.fit_apart([rival])
    row = algorithm_comparison._measure(rival, fit, blobs(2), np.ones(2, dtype=int))
    assert row["segment_count"] == 0
    assert all(np.isnan(row[name]) for name in ("stability", "separation", "bic", "seconds"))


def test_too_few_users_are_not_compared() -> None:
    frame = users(blobs())
    parameters = segmentation.fit_parameters(frame, TRANSFORMS, 4, 1)
    found = algorithm_comparison.compare_algorithms(frame.head(99), TRANSFORMS, parameters, 1)
    assert found.empty and list(found) == list(ALGORITHM_COMPARISON_TYPES)


def test_rfm_rules_know_the_best_and_those_who_left() -> None:
    # days since the last order, orders, revenue
    orders = np.array([[np.nan, 0, 0], *[[day, 101 - day, 101 - day] for day in range(1, 101)]])
    rules = algorithm_comparison.RfmRules().fit(orders)
    groups = [
        rules.GROUPS[group]
        for group in rules.predict(
            np.array(
                [[np.nan, 0, 0], [2, 99, 99], [55, 60, 60], [99, 99, 99], [2, 1, 1], [99, 1, 1]]
            )
        )
    ]
    assert groups == ["no_order", "champions", "loyal", "at_risk", "new", "hibernating"]
    assert rules.predict(np.array([[50, 1, 1]])) == rules.GROUPS.index("need_attention")


def test_dbscan_has_the_radius_at_which_groups_stay_whole() -> None:
    coordinates = np.vstack([blobs(), np.full((1, 3), 40.0)])
    settled = algorithm_comparison.dbscan_at_the_knee(coordinates)
    assert isinstance(settled, DBSCAN) and 0.3 < settled.eps < 3
    labels = settled.fit_predict(coordinates)
    assert labels[-1] == algorithm_comparison.UNASSIGNED
    assert adjusted_rand_score(np.arange(400) % 4, labels[:-1]) > 0.95


def rows(**rival: object) -> pd.DataFrame:
    model = {
        "algorithm": "kmeans_pca",
        "is_chosen": True,
        "can_assign_new_customers": True,
        "segment_count": 9,
        "unassigned_share": 0.0,
        "largest_share": 0.2,
        "stability": 0.9,
        "separation": 0.2,
    }
    return pd.DataFrame([model, model | {"algorithm": "rival", "is_chosen": False} | rival])


@pytest.mark.parametrize(
    ("rival", "english", "french"),
    [
        ({}, "Not chosen: no better than the model", "Non retenu : pas meilleur que le modèle"),
        ({"stability": 0.95}, "Worth a look: better found again (0.95 ag", "(0,95 contre 0,90)"),
        ({"separation": 0.1}, "less well separated (0.10 against 0.20)", "moins bien séparé"),
        ({"can_assign_new_customers": False}, "cannot assign new customers", "affecter"),
        ({"unassigned_share": 0.3}, "it leaves 30 % without a segment", "laisse 30 % sans"),
        ({"segment_count": 1}, "its number of segments is 1,", "son nombre de segments est 1,"),
        ({"largest_share": 0.8}, "80 % are in one segment", "80 % des clients sont dans un seul"),
        (
            {"largest_share": 0.8, "separation": 0.4},
            "; though better separated",
            "; pourtant mieux",
        ),
        ({"segment_count": 0}, "Not chosen: it found no segment.", "aucun segment."),
    ],
)
def test_reasons_follow_from_the_figures(rival: dict, english: str, french: str) -> None:
    model, other = algorithm_comparison.explain(rows(**rival)).itertuples()
    assert english in other.reason_en
    assert french in other.reason_fr
    assert model.reason_en.startswith("Chosen: stability 0.90, separation 0.20, 9 segments")
    is_better = "Worth a look" in other.reason_en
    assert ("Another is better without being worse elsewhere" in model.reason_en) == is_better
    assert ("Un autre est meilleur" in model.reason_fr) == is_better


def test_a_model_without_figures_is_not_praised() -> None:
    frame = rows()
    frame.loc[0, ["stability", "separation"]] = np.nan
    model, _ = algorithm_comparison.explain(frame).itertuples()
    assert "stability not measured" in model.reason_en
    assert "stabilité non mesurée" in model.reason_fr
