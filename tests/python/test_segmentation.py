"""Laws of the segmentation: pure functions first, then the labels in the warehouse."""

import shutil
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import shap
from sklearn.metrics import adjusted_rand_score
from warehouses import PROJECT, Warehouse

from amazing_segments import k_selection, model_versions, segmentation

TRANSFORMS = {"amount": "log1p", "level": "log", "night": "shrunk", "variety": "identity"}


def users(count: int = 600, seed: int = 0) -> pd.DataFrame:
    """Three planted groups of users that differ in all features but the last."""
    chance = np.random.default_rng(seed)
    group = np.arange(count) % 3
    return pd.DataFrame(
        {
            "amount": np.array([1.0, 50.0, 900.0])[group] * chance.lognormal(0, 0.1, count),
            "level": np.array([0.2, 1.0, 5.0])[group] * chance.lognormal(0, 0.1, count),
            "night": np.clip(
                np.array([0.1, 0.8, 0.3])[group] + chance.normal(0, 0.05, count), 0, 1
            ),
            "variety": chance.normal(1, 0.3, count),
            "session_count": chance.integers(5, 50, count),
            "as_of": pd.Timestamp("2020-04-30"),
            "group": group,
        }
    )


def test_affine_scores_give_the_labels_of_scikit_learn() -> None:
    frame = users()
    parameters = segmentation.fit_parameters(frame, TRANSFORMS, 3, 1)
    preparation = segmentation.fit_preparation(frame, TRANSFORMS)
    coordinates = preparation.transform(frame)
    clusters = segmentation.fit_clusters(coordinates, 3)
    order = np.argsort(-np.bincount(clusters.labels_), kind="stable")
    others = users(seed=7)
    expected = np.argsort(order)[clusters.predict(preparation.transform(others))]
    found = segmentation.assign(parameters, TRANSFORMS, others)
    assert (found["segment"] == expected + 1).all()
    assert adjusted_rand_score(others["group"], expected) == 1
    # a difference of scores is half the difference of the squared distances
    distances = (
        (preparation.transform(others)[:, None] - clusters.cluster_centers_[order]) ** 2
    ).sum(axis=2)
    nearest, second, _ = np.sort(distances, axis=1).T
    np.testing.assert_allclose(found["margin"], (second - nearest) / 2, rtol=1e-9, atol=1e-9)
    assert (np.argsort(distances, axis=1)[:, 1] + 1 == found["runner_up_segment"]).all()


def test_the_same_users_give_the_same_bytes() -> None:
    one, other = (
        segmentation.fit_parameters(users(), TRANSFORMS, 3, 1)["value"].to_numpy().tobytes()
        for _ in range(2)
    )
    assert one == other


def test_an_outlier_is_clipped_and_moves_nobody_else() -> None:
    frame = users()
    preparation = segmentation.fit_preparation(frame, TRANSFORMS)
    rich = frame.head(1).assign(amount=1e12)
    edge = frame.head(1).assign(amount=np.expm1(preparation.high[0]))
    np.testing.assert_allclose(preparation.transform(rich), preparation.transform(edge))


def test_few_sessions_draw_a_share_to_the_mean() -> None:
    frame = users()
    preparation = segmentation.fit_preparation(frame, {"night": "shrunk"})
    few, many = (
        preparation.transform(frame.head(1).assign(night=0.9, session_count=count)).item()
        for count in (1, 1000)
    )
    assert abs(few) < abs(many)


@pytest.mark.parametrize(
    ("value", "transforms", "message"),
    [
        (np.nan, TRANSFORMS, "missing or infinite values: \\['amount'\\]"),
        (np.inf, TRANSFORMS, "missing or infinite values: \\['amount'\\]"),
        (1.0, {"amount": "cube"}, "unknown transforms \\['cube'\\]: expected identity, log"),
    ],
)
def test_wrong_input_is_named(value: float, transforms: dict, message: str) -> None:
    frame = users()
    frame.loc[3, "amount"] = value
    with pytest.raises(ValueError, match=message):
        segmentation.fit_preparation(frame, transforms)


def test_too_few_users_train_nothing() -> None:
    assert k_selection.select_k(users(99), TRANSFORMS, 1).empty
    assert len(k_selection.select_k(users(100), TRANSFORMS, 1)) == len(k_selection.CANDIDATE_K)


def test_when_a_model_is_trained() -> None:
    trained = k_selection.select_k(users(), TRANSFORMS, 4)
    none = model_versions.empty(model_versions.K_SELECTION_TYPES)
    assert model_versions.version_to_train(none, TRANSFORMS, retrain="never") == 1
    assert model_versions.version_to_train(trained, TRANSFORMS, retrain="auto") is None
    assert model_versions.version_to_train(trained, TRANSFORMS, retrain="always") == 5
    assert model_versions.version_to_train(trained, {"amount": "log"}, retrain="never") == 5
    asked = trained.assign(retrain_requested_at=trained["trained_at"].where(trained["is_chosen"]))
    assert model_versions.version_to_train(asked, TRANSFORMS, retrain="auto") == 5
    assert model_versions.version_to_train(asked, TRANSFORMS, retrain="never") is None
    with pytest.raises(ValueError, match="retrain is True: expected auto, always or never"):
        model_versions.version_to_train(trained, TRANSFORMS, retrain=True)
    assert model_versions.transforms_of(trained["features"].iloc[0]) == TRANSFORMS


def test_each_model_is_analysed_once() -> None:
    fitted = pd.DataFrame({"model_version": [1, 1, 2]})
    assert model_versions.version_to_analyse(fitted, fitted.head(2)) == 2
    assert model_versions.version_to_analyse(fitted, fitted.head(0)) == 2
    assert model_versions.version_to_analyse(fitted, fitted) is None
    assert model_versions.version_to_analyse(fitted.head(0), fitted) is None


def test_scoring_sql_has_a_place_for_every_candidate_k() -> None:
    macro = (PROJECT / "macros" / "segmentation.sql").read_text()
    assert f"return({k_selection.MAX_SEGMENTS})" in macro


class Trained(NamedTuple):
    """Segmented users, and what scikit-learn makes of all that the model was trained from."""

    users: pd.DataFrame
    preparation: segmentation.Preparation
    # the segment of coordinates
    predict: Callable[[np.ndarray], np.ndarray]
    # of the segments, in their order
    centres: np.ndarray


@pytest.fixture(scope="module")
def trained(sample: Warehouse) -> Trained:
    catalogue = pd.DataFrame(
        sample.rows(
            "select position, feature, transform, is_in_model from marts.feature_catalogue"
        ),
        columns=["position", "feature", "transform", "is_in_model"],
    )
    transforms = model_versions.model_transforms(catalogue)
    columns = [*transforms, "user_key", "session_count", "segment"]
    frame = pd.DataFrame(
        sample.rows(
            f"select {', '.join(columns)} from segmentation.segmentation_sample "
            "inner join marts.user_segments using (user_key) order by user_key"
        ),
        columns=columns,
    )
    preparation = segmentation.fit_preparation(frame, transforms)
    k = int(frame["segment"].max())
    clusters = segmentation.fit_clusters(preparation.transform(frame), k)
    order = np.argsort(-np.bincount(clusters.labels_), kind="stable")
    # the model is trained from users who have too few events for a segment, too
    segmented = frame.dropna(subset="segment").reset_index(drop=True).astype({"segment": int})
    return Trained(
        segmented,
        preparation,
        lambda found: np.argsort(order)[clusters.predict(found)] + 1,
        clusters.cluster_centers_[order],
    )


def test_warehouse_labels_are_those_of_scikit_learn(trained: Trained) -> None:
    frame, preparation, predict, _ = trained
    assert len(frame) > 3_000
    assert (predict(preparation.transform(frame)) != frame["segment"]).sum() == 0


def test_python_assigns_as_the_warehouse_does(
    sample: Warehouse, trained: Trained, sample_parameters: pd.DataFrame
) -> None:
    frame, preparation, *_ = trained
    found = segmentation.assign(sample_parameters, preparation.transforms, frame)
    names = ["segment", "runner_up_segment", "margin", "confidence"]
    rows = sample.rows(
        f"select {', '.join(names)} from marts.user_segments "
        "where status = 'segmented' order by user_key"
    )
    expected = pd.DataFrame(rows, columns=names)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9, atol=1e-12)


def test_one_in_a_hundred_of_the_training_is_atypical(
    sample: Warehouse, trained: Trained, sample_parameters: pd.DataFrame
) -> None:
    frame, preparation, *_ = trained
    centroids, typical = (
        sample_parameters[sample_parameters["parameter"] == name]
        for name in ("centroid", "typical_distance")
    )
    centres = centroids.pivot_table(index="segment", columns="feature", values="value")
    own = centres[preparation.features].loc[frame["segment"]].to_numpy()
    scaled = preparation.scaler.transform(preparation.clip(frame))
    expected = (
        np.linalg.norm(scaled - own, axis=1)
        > typical.set_index("segment")["value"].loc[frame["segment"]].to_numpy()
    )
    found = sample.rows(
        "select is_atypical from marts.user_segments where status = 'segmented' order by user_key"
    )
    assert (np.ravel(found) == expected).all()
    assert 0.001 < expected.mean() < 0.03


def test_a_counterfactual_is_the_smallest_change_that_gives_another_segment(
    sample: Warehouse, trained: Trained
) -> None:
    frame, preparation, predict, _ = trained
    columns = ["user_key", "feature", "value", "other", "distance"]
    found = pd.DataFrame(
        sample.rows(
            "select user_key, counterfactual_feature, counterfactual_value, "
            "counterfactual_segment, counterfactual_distance from marts.user_segment_reasons "
            "order by user_key limit 2000"
        ),
        columns=columns,
    )
    users = frame.merge(found, on="user_key").astype({"feature": object})
    assert len(users) == 2000 and 0 < users["feature"].isna().sum() < 200

    def segments(values: np.ndarray) -> np.ndarray:
        return predict(preparation.project(values))

    # the very change gives the other segment, a little less does not
    values = preparation.clip(users)
    for feature, rows in users.groupby("feature"):
        from_here = values[rows.index]
        way = preparation.clip(rows.assign(**{feature: rows["value"]})) - from_here
        position = preparation.features.index(feature)
        distances = np.abs(way[:, position]) / preparation.scaler.scale_[position]
        np.testing.assert_allclose(distances, rows["distance"], rtol=1e-6, atol=1e-9)
        assert (segments(from_here + (1 - 1e-6) * way) == rows["segment"]).all(), feature
        assert (segments(from_here + (1 + 1e-6) * way) == rows["other"]).all(), feature

    # no other change of one feature, as far as that or to its bounds, gives another one
    sessions = users["session_count"].to_numpy()
    furthest = users["distance"].fillna(np.inf).to_numpy() * 0.999
    for position, (feature, kind) in enumerate(preparation.transforms.items()):
        low, high = preparation.low[position], preparation.high[position]
        if kind == "shrunk":
            prior = 2 * preparation.prior[position]
            low = np.maximum(low, prior / (sessions + 2))
            high = np.minimum(high, (sessions + prior) / (sessions + 2))
        step = furthest * preparation.scaler.scale_[position]
        for bound in (
            np.maximum(low, values[:, position] - step),
            np.minimum(high, values[:, position] + step),
        ):
            changed = values.copy()
            changed[:, position] = bound
            assert (segments(changed) == users["segment"]).all(), feature


def test_reasons_are_shap_values_but_for_where_they_are_measured_from(
    sample: Warehouse, trained: Trained
) -> None:
    # of one pair of segments, so that the two differ by a constant a feature
    pair = "segment = 1 and runner_up_segment = 2"
    features = trained.preparation.features
    columns = ["user_key", *(f"contribution_{feature}" for feature in features)]
    found = pd.DataFrame(
        sample.rows(
            f"select {', '.join(columns)} from marts.user_segment_reasons where {pair} "
            "order by user_key limit 20"
        ),
        columns=columns,
    )
    users = found[["user_key"]].merge(trained.users, on="user_key")
    own, other = trained.centres[:2]

    def margin(values: np.ndarray) -> np.ndarray:
        places = trained.preparation.project(values)
        return (((places - other) ** 2).sum(axis=1) - ((places - own) ** 2).sum(axis=1)) / 2

    everyone = trained.preparation.clip(trained.users.head(50))
    explain = shap.explainers.Exact(margin, shap.maskers.Independent(everyone))
    values = explain(trained.preparation.clip(users)).values  # noqa: PD011
    contributions = found[columns[1:]].to_numpy()
    assert len(users) == 20 and np.ptp(contributions, axis=0).max() > 1
    np.testing.assert_allclose(
        contributions - contributions.mean(axis=0), values - values.mean(axis=0), atol=1e-9
    )


def test_a_retrain_adds_a_version_and_the_same_users_give_the_same_numbers(
    sample: Warehouse, warehouse: Warehouse
) -> None:
    shutil.copy(sample.path, warehouse.path)
    selected = ("--select", "segmentation_k_selection+1")
    events = str(sample.events)
    warehouse.dbt("run", *selected, events=events)
    assert warehouse.rows(
        "select distinct model_version from segmentation.segmentation_parameters"
    ) == [(1,)]
    warehouse.dbt("run", *selected, "--vars", "{retrain: always}", events=events)
    one, two = (
        warehouse.rows(
            "select * exclude (model_version) from segmentation.segmentation_parameters "
            f"where model_version = {version} order by all"
        )
        for version in (1, 2)
    )
    assert len(one) > 100 and one == two


def test_planted_archetypes_are_found_again(
    sample: Warehouse, trained: Trained, sample_parameters: pd.DataFrame, archetypes: pd.Series
) -> None:
    transforms = trained.preparation.transforms
    columns = ["user_key", *transforms, "session_count", "event_count"]
    rows = sample.rows(f"select {', '.join(columns)} from marts.user_features where not is_robot")
    users = pd.DataFrame(rows, columns=columns)
    users["archetype"] = archetypes.loc[users["user_key"]].to_numpy()
    users["segment"] = segmentation.assign(sample_parameters, transforms, users)["segment"]
    ((threshold,),) = sample.rows("select min_events from segmentation.segmentation_threshold")
    for least in (5, 10, 20, threshold):
        found = users[users["event_count"] >= least]
        index = adjusted_rand_score(found["archetype"], found["segment"])
        print(f"adjusted Rand index, {least} events or more ({len(found)} users): {index:.3f}")
    assert index >= 0.6
    # of each archetype, the share that its best segment holds, from the threshold on
    shares = pd.crosstab(found["archetype"], found["segment"], normalize="index").max(axis=1)
    print(shares.round(2).to_string())


def test_every_planted_archetype_of_size_has_its_persona(sample: Warehouse) -> None:
    personas = {row[0] for row in sample.rows("select persona from marts.segments")}
    assert {
        "loyal_high_spender",
        "bargain_hunter",
        "window_shopper",
        "cart_abandoner",
        "smartphone_enthusiast",
        "campaign_buyer",
        "night_browser",
        "weekend_shopper",
        "one_off_buyer",
    } <= personas
