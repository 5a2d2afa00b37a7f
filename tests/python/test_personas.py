"""Laws of identities and names: pure functions first, then what becomes of names in a warehouse."""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from warehouses import QuickWarehouse, Warehouse

from amazing_segments import model_versions, personas, segmentation
from amazing_segments.sample_events import write_sample_events

TRANSFORMS = {"night": "identity", "price": "log1p", "visits": "log"}
CENTRES = {
    "owl": (0.9, 10.0, 2.0),
    "saver": (0.1, 1.0, 2.0),
    "regular": (0.3, 10.0, 40.0),
    "spender": (0.1, 900.0, 2.0),
}
SIGNATURES = pd.DataFrame(
    [
        ("owl", "night", 1.5),
        ("saver", "price", -1.0),
        ("regular", "visits", 1.0),
        ("spender", "price", 1.0),
        ("spender", "visits", -0.5),
        ("dreamer", "price", 1.0),
        ("dreamer", "visits", 0.3),
    ],
    columns=["persona", "feature", "weight"],
)
NO_OVERRIDES = pd.DataFrame({"identity": [], "persona": [], "decided_on": []}, dtype=object)
UNNAMED = model_versions.empty(model_versions.IDENTITY_TYPES)


def users(count: int = 800, groups: tuple[str, ...] = tuple(CENTRES)) -> pd.DataFrame:
    """Planted groups of users, each smaller than the one before."""
    chance = np.random.default_rng(0)
    shares = np.arange(len(groups) + 3, 3, -1) / np.arange(len(groups) + 3, 3, -1).sum()
    group = chance.choice(groups, count, p=shares)
    values = np.array([CENTRES[name] for name in group]) * chance.lognormal(0, 0.1, (count, 3))
    return pd.DataFrame(values, columns=list(TRANSFORMS)).assign(
        user_key=np.arange(count),
        session_count=chance.integers(5, 50, count),
        as_of=pd.Timestamp("2020-04-30"),
        group=group,
    )


def fit(
    frame: pd.DataFrame, n_clusters: int, version: int = 1, transforms: dict = TRANSFORMS
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a model's row of segmentation_models, and its parameters."""
    features = model_versions.features_text(transforms)
    return (
        pd.DataFrame({"model_version": [version], "features": [features], "refusal": [None]}),
        segmentation.fit_parameters(frame, transforms, n_clusters, version),
    )


Fitted = tuple[pd.DataFrame, pd.DataFrame]


def name(
    fitted: list[Fitted],
    frame: pd.DataFrame,
    named: pd.DataFrame = UNNAMED,
    signatures: pd.DataFrame = SIGNATURES,
    overrides: pd.DataFrame = NO_OVERRIDES,
) -> pd.DataFrame:
    models, parameters = (pd.concat(parts) for parts in zip(*fitted, strict=True))
    return personas.name_segments(models, parameters, frame, signatures, overrides, named)


def names(named: pd.DataFrame) -> dict[str, str]:
    return dict(zip(named["identity"].str.split("-").str[0], named["given_persona"], strict=True))


def test_each_segment_gets_the_best_persona_once_or_none() -> None:
    centroids = pd.DataFrame(
        {"night": [2.0, 1.0, -0.1], "price": [0.1, -1.2, 2.0]}, index=[1, 2, 3]
    )
    signatures = SIGNATURES[SIGNATURES["persona"].isin(["owl", "saver"])]
    fits = personas.signature_fits(centroids, signatures)
    assert fits.loc[1, "owl"] == pytest.approx(2 / np.hypot(2, 0.1))
    assert personas.best_personas(fits).to_dict() == {1: "owl", 2: "saver", 3: personas.UNFIT}
    assert personas.best_personas(fits[["owl"]]).tolist() == ["owl", personas.UNFIT, personas.UNFIT]
    nobody = personas.signature_fits(centroids, signatures.head(0))
    assert personas.best_personas(nobody).tolist() == [personas.UNFIT] * 3


def test_first_segments_are_born_and_named_by_their_signatures() -> None:
    frame = users()
    named = name([fit(frame, 4)], frame)
    assert names(named) == {"1.1": "owl", "1.2": "saver", "1.3": "regular", "1.4": "spender"}
    assert named["identity"].str.fullmatch(r"1\.\d-[0-9a-f]{4}").all()
    assert (named["state"] == "born").all() and named["previous_segment"].isna().all()
    assert named.dtypes.astype(str).to_dict() == model_versions.IDENTITY_TYPES
    other = name([fit(frame, 4)], frame.assign(user_key=frame["user_key"] + 1))
    assert not set(other["identity"]) & set(named["identity"]), "of another warehouse"


def test_versions_older_than_identities_are_named_each_on_its_own() -> None:
    frame = users()
    one, other = fit(frame, 4), fit(frame, 4, 2)
    named = name([one, other], frame)
    assert (named["state"] == "born").all()
    assert list(names(named)) == ["1.1", "1.2", "1.3", "1.4", "2.1", "2.2", "2.3", "2.4"]
    assert list(names(named).values()) == 2 * ["owl", "saver", "regular", "spender"]


def test_names_pass_by_a_version_that_was_refused() -> None:
    frame = users()
    one, (model, parameters), third = fit(frame, 4), fit(frame, 2, 2), fit(frame, 4, 3)
    refused = (model.assign(refusal="less stable"), parameters)
    named = name([one], frame)
    both = pd.concat([named, name([one, refused], frame, named)])
    assert names(name([one, refused, third], frame, both)) == names(named)
    # a person has taken it into use: what it joined is born anew
    assert names(name([one, (model, parameters), third], frame, both)) != names(named)


def test_a_kept_segment_keeps_its_name_whatever_its_number_and_the_signatures() -> None:
    frame = users()
    one = fit(frame, 4)
    named = name([one], frame)
    assert name([one], frame, named).empty
    # savers are fewer now, so that segments have other numbers
    later = pd.concat([frame[frame["group"] != "saver"], frame[frame["group"] == "saver"].head(30)])
    two = fit(later, 4, 2)
    swapped = SIGNATURES.assign(
        persona=SIGNATURES["persona"].replace({"owl": "spender", "spender": "owl"})
    )
    found = name([one, two], later, named, swapped)
    assert (found["state"] == "kept").all() and (found["model_version"] == 2).all()
    assert names(found) == names(named) and list(names(found)) != list(names(named))
    assert (found["jaccard"] == 1).all() and (found["fit"] < 0.5).any()
    merged = found.merge(named, left_on="previous_segment", right_on="segment")
    assert (merged["identity_x"] == merged["identity_y"]).all()


def test_one_segment_ends_and_another_is_born() -> None:
    before = users(groups=("owl", "saver", "regular"))
    after = users(groups=("owl", "saver", "spender"))
    one, two = fit(before, 3), fit(after, 3, 2)
    signatures = SIGNATURES[SIGNATURES["persona"] != "dreamer"]
    named = name([one], before)
    found = name([one, two], after, named, signatures)
    states = dict(zip(found["identity"].str[:3], found["state"], strict=True))
    assert states == {"1.1": "kept", "1.2": "kept", "2.3": "born"}
    assert names(found) == {"1.1": "owl", "1.2": "saver", "2.3": "spender"}
    again = name([one, two, fit(after, 3, 3)], after, pd.concat([named, found]))
    assert names(again) == names(found) and (again["state"] == "kept").all()
    # who comes back is born again: the last version alone is looked at
    three = fit(before, 3, 3)
    back = name([one, two, three], before, pd.concat([named, found]))
    assert names(back)["3.3"] == "regular"


def test_no_name_that_a_kept_segment_bears_is_given_again() -> None:
    before, after = users(groups=("owl", "saver", "regular")), users()
    one, two = fit(before, 3), fit(after, 4, 2)
    named = name([one], before)
    born = {"identity": named["identity"].iloc[2]}

    def persona_of_the_new(**columns: str) -> str:
        overrides = NO_OVERRIDES
        if columns:
            # the latest decision counts
            overrides = pd.DataFrame(
                [
                    columns | {"decided_on": pd.Timestamp("2020-02-01")},
                    columns | {"decided_on": pd.Timestamp("2020-01-01"), "persona": "owl"},
                ]
            )
        found = name([one, two], after, named, overrides=overrides)
        assert (found["state"] == "kept").sum() == 3
        return found.loc[found["state"] == "born", "given_persona"].item()

    assert persona_of_the_new() == "spender"
    assert persona_of_the_new(**born, persona="spender") == "dreamer", "a decision took it"
    assert persona_of_the_new(identity="1.3-elsewhere", persona="spender") == "spender"
    # the regulars gave up the name that the new segment would not have got
    named.loc[2, "given_persona"] = "spender"
    assert persona_of_the_new() == "dreamer"
    assert persona_of_the_new(**born, persona="regular") == "spender", "a decision freed it"


def test_the_order_of_rows_does_not_matter() -> None:
    frame = users()
    fitted = [fit(frame, 4), fit(frame, 5, 2)]
    named = name(fitted[:1], frame)
    models, parameters = (pd.concat(parts) for parts in zip(*fitted, strict=True))
    expected = personas.name_segments(models, parameters, frame, SIGNATURES, NO_OVERRIDES, named)
    shuffled = [
        part.sample(frac=1, random_state=seed)
        for seed in range(3)
        for part in (models, parameters, frame, SIGNATURES, named)
    ]
    for i in range(0, len(shuffled), 5):
        *parts, signatures, named_before = shuffled[i : i + 5]
        found = personas.name_segments(*parts, signatures, NO_OVERRIDES, named_before)
        pd.testing.assert_frame_equal(found, expected)


def test_a_model_of_other_features_is_matched_over_those_that_are_left() -> None:
    frame = users()
    one = fit(frame, 4)
    named = name([one], frame)
    fewer = {"night": "identity", "price": "log1p"}
    left = frame.drop(columns="visits")
    found = name([one, fit(left, 4, 2, fewer)], left, named)
    assert (found["state"] == "kept").all() and names(found) == names(named)
    # without visits regulars are hardly more than savers who pay a little
    found = name([one, fit(left, 3, 2, fewer)], left, named)
    assert names(found) == {"2.1": "saver", "1.1": "owl", "1.4": "spender"}

    # another transform: the same customers, and a distance over the others alone
    other = fit(frame, 4, 2, TRANSFORMS | {"visits": "log1p"})
    found = name([one, other], frame, named)
    assert names(found) == names(named)
    assert (found["centroid_distance"] < 0.01).all()

    strangers = left.rename(columns={"night": "dark"}).drop(columns="price")
    found = name([one, fit(strangers, 3, 2, {"dark": "identity"})], strangers, named)
    assert (found["state"] == "born").all()
    assert found[["previous_segment", "jaccard", "centroid_distance"]].isna().all(axis=None)


def test_what_is_left_of_a_model_is_the_nearest_centroid() -> None:
    frame = users()
    model = personas.Model(fit(frame, 4)[1], TRANSFORMS)
    assert personas.restrict(model, frame.columns) is model
    left = personas.restrict(model, frame.columns.drop("visits"))
    preparation = segmentation.fit_preparation(frame, TRANSFORMS)
    scaled = preparation.scaler.transform(preparation.clip(frame))[:, :2]
    centroids = model.by_segment("centroid").to_numpy()[:, :2]
    nearest = ((scaled[:, None] - centroids[None]) ** 2).sum(axis=2).argmin(axis=1) + 1
    found = segmentation.assign(*left, frame.drop(columns="visits"))["segment"]
    assert (found == nearest).all()


def test_distances_are_in_standard_deviations_of_the_previous_model() -> None:
    frame = users()
    one, two = fit(frame, 4), fit(frame.assign(night=frame["night"] + 2.5), 4, 2)
    models = [personas.Model(parameters, TRANSFORMS) for _, parameters in (one, two)]
    found = personas.match_segments(models[1], models[0], frame)
    scale = models[0].by_feature("scale")["night"]
    distances = personas.centroid_distances(models[1], models[0])
    np.testing.assert_allclose(np.diag(distances), 2.5 / scale, rtol=1e-9)
    assert len(found) == 4


def test_odd_data_names_all_the_same() -> None:
    frame = users().assign(visits=3.0)
    one, two = fit(frame, 4), fit(frame, 5, 2)
    named = name([one], frame)
    for left in (frame, frame.head(1), frame.head(0)):
        found = name([one, two], left, named)
        assert len(found) == 5 and found["identity"].is_unique
    assert found["jaccard"].isna().all() and (found["state"] == "born").all()


@pytest.fixture(scope="module")
def of_sample(sample: Warehouse) -> dict[str, pd.DataFrame]:
    """What the segments of the sample are named from, and their names."""
    tables = {
        "catalogue": "marts.feature_catalogue",
        "models": "segmentation.segmentation_models",
        "parameters": "segmentation.segmentation_parameters",
        "users": "segmentation.segmentation_sample",
        "signatures": "reference.persona_signatures",
        "named": "segmentation.segmentation_identities",
    }
    with duckdb.connect(str(sample.path), read_only=True) as connection:
        return {key: connection.table(table).df() for key, table in tables.items()}


@pytest.mark.parametrize(
    ("change", "least_share"),
    [
        ("another random state", 0.98),
        ("shuffled rows", 0.98),
        ("5 % more users", 0.98),
        ("one segment more", 0.85),
    ],
)
def test_the_same_customers_keep_their_names(
    of_sample: dict[str, pd.DataFrame],
    change: str,
    least_share: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transforms = model_versions.model_transforms(of_sample["catalogue"])
    frame = of_sample["users"].sort_values("user_key", ignore_index=True)
    one = of_sample["models"], of_sample["parameters"]
    signatures = of_sample["signatures"]
    named = of_sample["named"]
    k, trained_from = len(named), frame
    if change == "another random state":
        monkeypatch.setattr(segmentation, "RANDOM_STATE", 1)
    elif change == "shuffled rows":
        trained_from = frame.sample(frac=1, random_state=0)
    elif change == "one segment more":
        k += 1
    else:
        fewer = frame.sample(frac=1 / 1.05, random_state=0).sort_values("user_key")
        one = fit(fewer, k, 1, transforms)
        named = name([one], fewer, signatures=signatures)
    two = fit(trained_from, k, 2, transforms)
    found = name([one, two], frame, named, signatures)
    before, after = (
        segmentation.assign(parameters, transforms, frame)["segment"].map(
            of_version.set_index("segment")["given_persona"]
        )
        for (_, parameters), of_version in ((one, named), (two, found))
    )
    share = (before == after).mean()
    kept_count = (found["state"] == "kept").sum()
    print(f"same persona with {change}: {share:.2%} of {len(frame)} customers, {kept_count} kept")
    assert share >= least_share
    assert kept_count == len(named)


class NamedWarehouse(QuickWarehouse):
    """A warehouse of some hundred customers in which persons decide on names."""

    def decide(self, identity: str, persona: str) -> None:
        self.execute(
            "insert into reference.persona_overrides values "
            f"('{identity}', '{persona}', 'Marketing', '2020-05-01', 'they said so')"
        )

    def personas(self, version: int) -> dict[str, str]:
        """Return the personas of a model version by identity."""
        return dict(
            self.rows(
                "select identity, persona from segmentation.segmentation_personas "
                f"where model_version = {version} order by segment"
            )
        )

    def names(self) -> list[set[str]]:
        """Return the names that each table tells customers by."""
        return [
            {row[0] for row in rows}
            for rows in self.rows_of(
                [
                    "select persona_name_en from marts.user_segments where segment > 0",
                    "select persona_name_en from marts.segments where segment > 0",
                    "select split_part(reasons_en, ' rather than ', 1) "
                    "from marts.user_segment_reasons",
                ]
            )
        ]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> NamedWarehouse:
    made = NamedWarehouse(tmp_path_factory.mktemp("named"))
    write_sample_events(500, date(2019, 10, 1), 2, 1, made.events)
    made.dbt("seed")
    made.dbt("run")
    made.close()
    return made


@pytest.fixture
def named_warehouse(built: NamedWarehouse, tmp_path: Path) -> Iterator[NamedWarehouse]:
    copy = NamedWarehouse(tmp_path)
    shutil.copy(built.path, copy.path)
    shutil.copytree(built.events, copy.events, dirs_exist_ok=True)
    yield copy
    copy.close()


def test_a_decision_reaches_every_table_and_survives_a_retrain(
    named_warehouse: NamedWarehouse,
) -> None:
    before = named_warehouse.personas(1)
    identity, persona = next(iter(before.items()))
    assert "premium_dreamer" not in before.values()
    named_warehouse.decide(identity, "premium_dreamer")
    named_warehouse.dbt("run")
    decided = before | {identity: "premium_dreamer"}
    assert named_warehouse.personas(1) == decided
    for names_of_table in named_warehouse.names():
        assert "Premium dreamer" in names_of_table

    # signatures that would name everybody otherwise
    named_warehouse.execute("update reference.persona_signatures set weight = -weight")
    named_warehouse.dbt("run")
    assert named_warehouse.personas(1) == decided
    named_warehouse.dbt("run", "--vars", "{retrain: always}")
    assert named_warehouse.personas(2) == named_warehouse.personas(1) == decided
    assert all("Premium dreamer" in names_of_table for names_of_table in named_warehouse.names())
    registry = named_warehouse.rows(
        "select persona, given_persona, decided_by, born_in_version, last_version, is_active "
        f"from segmentation.persona_registry where identity = '{identity}'"
    )
    assert registry == [("premium_dreamer", persona, "Marketing", 1, 2, True)]
    # a full refresh does not rename either
    named_warehouse.dbt("run", "--full-refresh", "--select", "segmentation_identities+")
    assert named_warehouse.personas(2) == decided


def test_a_name_that_another_segment_bears_is_refused_before_customers_get_it(
    named_warehouse: NamedWarehouse,
) -> None:
    names_before = named_warehouse.names()
    (identity, _), (_, persona), *_ = named_warehouse.personas(1).items()
    named_warehouse.decide(identity, persona)
    result, said = named_warehouse.try_dbt(
        "build", "--select", "segmentation_identities+", "--exclude-resource-type", "unit_test"
    )
    assert not result.success
    assert "no_two_segments_of_a_version_bear_the_same_persona_see_persona_overrides" in said
    assert named_warehouse.names() == names_before


def test_an_upgrade_keeps_the_names_that_customers_have(named_warehouse: NamedWarehouse) -> None:
    names_before = named_warehouse.names()
    before = named_warehouse.personas(1)
    named_warehouse.execute(
        "create table old as select model_version, segment, persona, fit "
        "from segmentation.segmentation_personas; "
        "drop view segmentation.segmentation_personas; "
        "drop view segmentation.persona_registry; "
        "drop table segmentation.segmentation_identities; "
        "create table segmentation.segmentation_personas as from old; "
        "drop table old; "
        "drop table reference.persona_overrides"
    )
    named_warehouse.dbt("build", "--exclude-resource-type", "unit_test")
    assert named_warehouse.personas(1) == before
    assert named_warehouse.names() == names_before
