"""Who changes segment from month to month, and why: told again from what each build had seen."""

import gzip
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import duckdb
import pandas as pd
import pytest
from warehouses import QuickWarehouse

from amazing_segments import model_versions, segmentation
from amazing_segments.sample_events import write_sample_events

OCTOBER = "as_of: '2019-10-31 23:59:59'"
NOVEMBER = "as_of: '2019-11-30 23:59:59'"
FIVE_EVENTS = "min_events: 5"
SELECT = ("run", "--select", "+segment_migrations")
HISTORY = "select * from marts.user_segment_history order by all"
MIGRATIONS = "select * from marts.segment_migrations order by all"
SEEN = """
    select
        features.*,
        segments.identity,
        segments.segment,
        segments.model_version,
        threshold.min_events
    from marts.user_features as features
    inner join marts.user_segments as segments using (user_key)
    cross join segmentation.segmentation_threshold as threshold
"""
# a session counts once it is over
COUNTED_BEFORE = """
    with sessions as (
        select user_key, count(*) as event_count
        from staging.stg_events
        group by user_key, session_key
        having max(event_at) <= timestamp '{}'
    )
    select user_key, sum(event_count)::bigint from sessions group by user_key
"""
LATE = "select distinct user_key from staging.stg_events where source_file = 'late.csv'"
PARAMETERS = "select * from segmentation.segmentation_parameters where model_version = {}"


@dataclass(frozen=True)
class Month:
    """What the last build of a month had in sight.

    Attributes:
        users: All users with their features and segments, by key.
        counted_before: Events by user up to the former month's as_of, as known now.
        corrected: Users of whom late events of the time before came since.
        history: The rows of user_segment_history, of all months so far.
    """

    users: pd.DataFrame
    counted_before: dict[int, int]
    corrected: set[int]
    history: list[tuple]


class HistoryWarehouse(QuickWarehouse):
    """A warehouse that is built month by month."""

    def build(self, *variables: str) -> None:
        self.dbt(*SELECT, "--vars", "{" + ", ".join(variables) + "}")

    def frame(self, query: str) -> pd.DataFrame:
        self.close()
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return connection.execute(query).df()

    def month(self, previous_as_of: object, late: str = LATE + " and false") -> Month:
        return Month(
            users=self.frame(SEEN).set_index("user_key"),
            counted_before=dict(self.rows(COUNTED_BEFORE.format(previous_as_of))),
            corrected={key for (key,) in self.rows(late)},
            history=self.rows(HISTORY),
        )


@pytest.fixture(scope="module")
def months(built: HistoryWarehouse) -> dict[str, Month]:
    """What the builds saw, by the first day of the month.

    They look back to three months, have January and a late file of December next, and train with
    February.
    """
    seen = {}
    for month_on, look_back, before in (
        ("2019-10-01", OCTOBER, "2019-09-30 23:59:59"),
        ("2019-11-01", NOVEMBER, "2019-10-31 23:59:59"),
        ("2019-12-01", "as_of: '2019-12-31 23:59:59'", "2019-11-30 23:59:59"),
    ):
        built.build(look_back, FIVE_EVENTS)
        seen[month_on] = built.month(before)

    december = gzip.decompress((built.events / "2019-Dec.csv.gz").read_bytes()).decode()
    late_users = sorted({line.split(",")[7] for line in december.splitlines()[1:]})[:200]
    built.write_events(
        "late.csv",
        [
            f"2019-12-11 22:00:0{second} UTC,purchase,1,2053013555631882655,,,900.00,{user},"
            f"{number:08d}-1c2a-4e7f-9a86-3d1e5c7b9f24"
            for number, user in enumerate(late_users)
            for second in range(6)
        ],
    )
    deliver(built, "2020-Jan.csv.gz")
    built.build(FIVE_EVENTS)
    seen["2020-01-01"] = built.month("2019-12-31 23:59:59", LATE)

    deliver(built, "2020-Feb.csv.gz")
    built.build("min_events: 7", "retrain: always")
    seen["2020-02-01"] = built.month(seen["2020-01-01"].users["as_of"].iloc[0])
    return seen


def deliver(warehouse: HistoryWarehouse, name: str) -> None:
    shutil.copy(warehouse.folder / "later" / name, warehouse.events / name)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HistoryWarehouse]:
    warehouse = HistoryWarehouse(tmp_path_factory.mktemp("history"))
    write_sample_events(1000, date(2019, 10, 1), 5, 1, warehouse.events)
    later = warehouse.folder / "later"
    later.mkdir()
    for name in ("2020-Jan.csv.gz", "2020-Feb.csv.gz"):
        shutil.move(warehouse.events / name, later / name)
    warehouse.dbt("seed")
    yield warehouse
    warehouse.close()


def expected_causes(warehouse: HistoryWarehouse, former: Month, now: Month) -> dict[int, tuple]:
    """Return both identities and the cause of each user who has a segment in one of two months."""
    before = former.users[former.users["identity"].notna()]
    after = now.users[now.users["identity"].notna()]
    version, old_version = (int(users["model_version"].iloc[0]) for users in (after, before))
    # what the former model says today
    ((features,),) = warehouse.rows(
        f"select features from segmentation.segmentation_models where model_version = {old_version}"
    )
    assigned = segmentation.assign(
        warehouse.frame(PARAMETERS.format(old_version)),
        model_versions.transforms_of(features),
        now.users,
    )
    min_events, as_of = before["min_events"].iloc[0], before["as_of"].iloc[0]
    causes = {}
    for key in before.index.union(after.index):
        old = before.loc[key] if key in before.index else None
        new = after.loc[key] if key in after.index else None
        user = now.users.loc[key]
        if old is not None and new is not None:
            if old["identity"] == new["identity"]:
                causes[key] = (old["identity"], new["identity"], None)
                continue
            is_by_model = version != old_version and assigned.loc[key, "segment"] == old["segment"]
        elif old is None:
            is_by_model = user["event_count"] < min_events
        else:
            is_by_model = user["event_count"] >= min_events and not user["is_robot"]
        if old is None:
            is_by_correction = now.counted_before.get(key, 0) >= min_events
        else:
            is_by_correction = key in now.corrected
        causes[key] = (
            None if old is None else old["identity"],
            None if new is None else new["identity"],
            "model"
            if is_by_model
            else "correction"
            if is_by_correction
            else "behaviour"
            if user["last_event_at"] > as_of
            else "clock",
        )
    return causes


def test_each_change_has_the_cause_that_brute_force_finds(
    built: HistoryWarehouse, months: dict[str, Month]
) -> None:
    found_causes = {}
    for before, month_on in pairwise(months):
        found = {
            key: tuple(rest)
            for key, *rest in built.rows(
                "select user_key, previous_identity, identity, cause "
                f"from marts.user_segment_history where month_on = '{month_on}'"
            )
        }
        assert found == expected_causes(built, months[before], months[month_on])
        found_causes[month_on] = {cause for _, _, cause in found.values()}
    assert found_causes == {
        "2019-11-01": {None, "behaviour", "clock"},
        "2019-12-01": {None, "behaviour", "clock"},
        "2020-01-01": {None, "behaviour", "clock", "correction"},
        "2020-02-01": {None, "behaviour", "clock", "model"},
    }


def test_migrations_are_all_users_with_a_segment(
    built: HistoryWarehouse, months: dict[str, Month]
) -> None:
    arrived, departed = built.rows_of(
        [
            "select month_on, sum(user_count), sum(revenue_amount) from marts.segment_migrations "
            "where persona != 'unsegmented' group by 1 order by 1",
            "select previous_month_on, sum(user_count) from marts.segment_migrations "
            "where previous_persona not in ('unsegmented', 'unknown') group by 1 order by 1",
        ]
    )
    segmented = [month.users[month.users["identity"].notna()] for month in months.values()]
    assert [(count, float(revenue)) for _, count, revenue in arrived] == [
        (len(users), pytest.approx(users["revenue_amount"].sum())) for users in segmented
    ]
    assert [count for _, count in departed] == [len(users) for users in segmented[:-1]]


def test_past_months_stay_and_nothing_new_changes_nothing(
    built: HistoryWarehouse, months: dict[str, Month]
) -> None:
    *past, last = (month.history for month in months.values())
    for rows in past:
        assert set(rows) <= set(last)
    before = built.rows_of([HISTORY, MIGRATIONS])
    assert before[0] == last
    built.build("min_events: 7")
    assert built.rows_of([HISTORY, MIGRATIONS]) == before
    # nor does a build that makes the rows again
    built.execute("delete from staging.tables_made_of where relation_name like 'marts.%'")
    built.build("min_events: 7")
    assert built.rows_of([HISTORY, MIGRATIONS]) == before
    # nor one that looks back, or refreshes
    built.build(NOVEMBER, FIVE_EVENTS)
    assert built.rows_of([HISTORY, MIGRATIONS]) == before
    looking_back = ("--vars", f"{{{NOVEMBER}, {FIVE_EVENTS}}}")
    built.dbt("run", "--full-refresh", "--select", "user_segment_history+", *looking_back)
    assert built.rows_of([HISTORY, MIGRATIONS]) == before
