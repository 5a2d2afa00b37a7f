"""A session that straddles files, and users touched only by a late row, are rebuilt; nothing else
is rewritten."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from test_replay import PHONE, SELECT, event
from warehouses import QuickWarehouse

# Before a build every row gets a value that no build writes, and every table a comment: a row that
# is rewritten loses the one, a table that is replaced loses the other, whatever it is filled with.
MARKS = {"session": "night_event_count", "user": "active_day_count"}
KEPT_TABLES = {"staging.stg_events", "intermediate.int_sessions", "intermediate.int_users"}


def line(name: str, event_at: str, **more) -> str:
    """Return the line of an event of a session, named by its user's digit and a letter."""
    return event(event_at, int(name[0]), name[1], brand=name, **more)


OCTOBER = [
    line("1a", "2019-10-01 10:00:00", kind="cart"),
    line("1b", "2019-10-02 10:00:00"),
    # a product that has no code yet, in sessions of two users, one of whom has another session
    line("2c", "2019-10-03 10:00:00", product=2),
    line("3d", "2019-10-04 10:00:00", product=2),
    line("3e", "2019-10-05 10:00:00"),
    line("4f", "2019-10-31 23:59:00"),
    line("4g", "2019-10-31 23:00:00"),
]
NOVEMBER = [
    line("3e", "2019-11-02 10:00:00"),
    line("5h", "2019-11-03 10:00:00"),
    line("6i", "2019-11-04 10:00:00"),
    line("4g", "2019-11-01 00:01:00"),
    line("6j", "2019-11-05 10:00:00"),
    line("7k", "2019-11-30 10:00:00"),
]


@dataclass(frozen=True)
class Changes:
    """What a build did, by name: "1" is a user, "1a" a session of that user.

    Attributes:
        rewritten: Sessions and users that were there before and are still.
        new: Those that were not there before.
        gone: Those that are no more.
        withdrawn: Files that lost a row of stg_events, the moment of their load included.
    """

    rewritten: frozenset[str]
    new: frozenset[str]
    gone: frozenset[str]
    withdrawn: frozenset[str]


def changes(rewritten: str = "", new: str = "", gone: str = "", withdrawn: str = "") -> Changes:
    return Changes(*(frozenset(names.split()) for names in (rewritten, new, gone, withdrawn)))


NOTHING = changes()


class MarkedWarehouse(QuickWarehouse):
    """A warehouse that tells what a build wrote."""

    def reload(self, name: str, lines: list[str]) -> Changes:
        self.write_events(name, lines)
        self.dbt("run-operation", "reload_file", "--args", f"{{source_file: {name}}}")
        return self.build()

    def build(self, *options: str, is_refused: bool = False) -> Changes:
        """Build, and return what lost its mark, what was not there before and what is no more."""
        self.mark()
        names, before, events = self.state()
        result, said = self.try_dbt(*SELECT, *options)
        assert result.success != is_refused, said
        names_after, after, events_after = self.state()
        names |= names_after
        assert not KEPT_TABLES & self.replaced_tables()
        return Changes(
            rewritten=frozenset(names[key] for key in after.keys() & before if not after[key]),
            new=frozenset(names[key] for key in after.keys() - before),
            gone=frozenset(names[key] for key in before.keys() - after),
            withdrawn=frozenset(row[0] for row in events - events_after),
        )

    def mark(self) -> None:
        self.close()
        with duckdb.connect(str(self.path)) as connection:
            for entity, column in MARKS.items():
                connection.execute(f"update intermediate.int_{entity}s set {column} = -1")
            for table in tables(connection):
                connection.execute(f"comment on table {table} is 'marked'")

    def state(self) -> tuple[dict[int, str], dict[int, bool], set[tuple]]:
        """Return the names of all keys, whether the row of each is marked, and all events."""
        named, events, *marked = self.rows_of(
            [
                "select distinct session_key, user_key, brand from staging.stg_events",
                "select source_file, * from staging.stg_events",
                *(
                    f"select {entity}_key, {column} = -1 from intermediate.int_{entity}s"
                    for entity, column in MARKS.items()
                ),
            ]
        )
        sessions = {session_key: name for session_key, _, name in named}
        users = {user_key: name[0] for _, user_key, name in named}
        return sessions | users, dict([*marked[0], *marked[1]]), set(events)

    def replaced_tables(self) -> set[str]:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return set(tables(connection, "comment is null"))

    def all_rows(self) -> dict[str, list[tuple]]:
        self.close()
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return {
                table: connection.execute(f"select * from {table} order by all").fetchall()
                for table in tables(connection)
            }


def tables(connection: duckdb.DuckDBPyConnection, condition: str = "true") -> list[str]:
    return [
        table
        for (table,) in connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            f"where not temporary and {condition}"
        ).fetchall()
    ]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> MarkedWarehouse:
    warehouse = MarkedWarehouse(tmp_path_factory.mktemp("built"))
    warehouse.dbt("seed")
    warehouse.write_events("october.csv", OCTOBER)
    warehouse.write_events("november.csv", NOVEMBER)
    warehouse.dbt(*SELECT)
    warehouse.close()
    return warehouse


@pytest.fixture
def warehouse(built: MarkedWarehouse, tmp_path: Path) -> Iterator[MarkedWarehouse]:
    copy = MarkedWarehouse(tmp_path)
    shutil.copy(built.path, copy.path)
    shutil.copytree(built.events, copy.events, dirs_exist_ok=True)
    yield copy
    copy.close()


def test_one_late_row_rewrites_its_session_and_user(warehouse: MarkedWarehouse) -> None:
    warehouse.write_events("late.csv", [line("1a", "2019-10-01 09:59:00", kind="purchase")])
    assert warehouse.build() == changes(rewritten="1 1a")
    counts = "event_count, view_count, cart_count, purchase_count, revenue_amount"
    sessions, users = warehouse.rows_of(
        [
            f"select {counts}, started_at::varchar, duration_seconds "
            "from intermediate.int_sessions where night_event_count >= 0",
            f"select {counts}, first_event_at::varchar, session_count, order_count "
            "from intermediate.int_users where active_day_count >= 0",
        ]
    )
    assert sessions == [(2, 0, 1, 1, 50, "2019-10-01 09:59:00", 60)]
    assert users == [(3, 1, 1, 1, 50, "2019-10-01 09:59:00", 2, 1)]


def test_a_session_that_straddles_files_is_rewritten_whole(warehouse: MarkedWarehouse) -> None:
    warehouse.write_events(
        "later.csv",
        [line("4f", "2019-11-01 00:01:00", kind="cart"), line("4l", "2019-12-01 10:00:00")],
    )
    assert warehouse.build() == changes(rewritten="4 4f", new="4l")
    rebuilt = (
        "select event_count, duration_seconds from intermediate.int_sessions "
        "where night_event_count >= 0 order by started_at"
    )
    assert warehouse.rows(rebuilt) == [(2, 120), (1, 0)]


def test_a_new_user_rewrites_nobody(warehouse: MarkedWarehouse) -> None:
    warehouse.write_events("new.csv", [line("8l", "2019-10-10 10:00:00")])
    assert warehouse.build() == changes(new="8 8l")


def test_nothing_new_rewrites_nothing(warehouse: MarkedWarehouse) -> None:
    assert warehouse.build() == NOTHING
    assert not warehouse.replaced_tables()
    rows = warehouse.all_rows()
    assert warehouse.build() == NOTHING
    assert not warehouse.replaced_tables()
    assert warehouse.all_rows() == rows
    assert warehouse.build("--empty") == NOTHING
    assert warehouse.build() == NOTHING
    assert warehouse.all_rows() == rows


def test_nothing_new_after_a_file_was_emptied_rewrites_nothing(warehouse: MarkedWarehouse) -> None:
    warehouse.reload("november.csv", [])
    assert warehouse.build() == NOTHING


def test_a_code_rewrites_the_sessions_that_lack_it(warehouse: MarkedWarehouse) -> None:
    smartphones = (
        "select count(*) from intermediate.int_sessions where only_category_group = 'smartphones'"
    )
    warehouse.write_events("known.csv", [line("8l", "2019-12-01 10:00:00", product=2, code=PHONE)])
    assert warehouse.build() == changes(rewritten="2 2c 3 3d", new="8 8l")
    assert warehouse.rows(smartphones) == [(3,)]
    warehouse.write_events("again.csv", [line("9l", "2019-12-01 10:00:00", product=2, code=PHONE)])
    assert warehouse.build() == changes(new="9 9l")
    shoes = line("8m", "2019-12-02 10:00:00", product=2, code="apparel.shoes")
    warehouse.write_events("doubtful.csv", [shoes])
    assert warehouse.build() == changes(rewritten="2 2c 3 3d 8", new="8m")
    assert warehouse.rows(smartphones) == [(2,)]
    assert warehouse.reload("doubtful.csv", []) == changes(
        rewritten="2 2c 3 3d 8", gone="8m", withdrawn="doubtful.csv"
    )
    assert warehouse.rows(smartphones) == [(4,)]


def test_a_reload_rewrites_what_had_and_has_events_of_the_file(warehouse: MarkedWarehouse) -> None:
    # without 4g, of which October has an event, and without 6j and 7k, of which it has none
    kept = NOVEMBER[:3]
    added = [line("1b", "2019-11-06 10:00:00"), line("8l", "2019-11-07 10:00:00")]
    assert warehouse.reload("november.csv", [*kept, *added]) == changes(
        rewritten="1 1b 3 3e 4 4g 5 5h 6 6i", new="8 8l", gone="6j 7 7k", withdrawn="november.csv"
    )


def test_a_reload_takes_along_the_files_that_left_its_rows_out(warehouse: MarkedWarehouse) -> None:
    warehouse.write_events("overlap.csv", [NOVEMBER[0], line("2c", "2019-11-02 11:00:00")])
    assert warehouse.build() == changes(rewritten="2 2c")
    assert warehouse.reload("november.csv", NOVEMBER[1:]) == changes(
        rewritten="2 2c 3 3e 4 4g 5 5h 6 6i 6j 7 7k", withdrawn="november.csv overlap.csv"
    )


def test_a_delivery_of_known_rows_rewrites_nothing(warehouse: MarkedWarehouse) -> None:
    warehouse.write_events("same.csv", OCTOBER)
    assert warehouse.build() == NOTHING
    assert not warehouse.replaced_tables()
    warehouse.write_events("overlap.csv", [*OCTOBER[3:], *NOVEMBER[:3]])
    assert warehouse.build() == NOTHING


def test_a_refused_file_rewrites_nothing(warehouse: MarkedWarehouse) -> None:
    refused = warehouse.write_events("refused.csv", ["1a", "1b"])
    warehouse.write_events("good.csv", [line("2c", "2019-10-03 11:00:00")])
    assert warehouse.build(is_refused=True) == NOTHING
    assert not warehouse.replaced_tables()
    refused.unlink()
    assert warehouse.build() == changes(rewritten="2 2c")
