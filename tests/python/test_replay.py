"""Any order of files, late rows, repeats and empty runs give the tables of one full refresh."""

import gzip
import random
from datetime import date
from pathlib import Path

import pytest
from conftest import Warehouse

from amazing_segments.sample_events import write_sample_events

# What a load leaves in a row about the load itself; everything else must be equal.
ABOUT_THE_LOAD = "source_file, loaded_at, changed_at"
TABLES = {
    "staging.stg_events": "source_file, loaded_at",
    "intermediate.int_products": "loaded_at",
    "intermediate.int_events": ABOUT_THE_LOAD,
    "intermediate.int_sessions": "changed_at",
    # an untouched user keeps the moment of the build that wrote it
    "intermediate.int_users": "changed_at, as_of",
    "marts.user_features": "",
}


def all_rows(warehouse: Warehouse) -> dict[str, list[tuple]]:
    return {
        table: sorted(
            warehouse.rows(f"select * {f'exclude ({excluded})' if excluded else ''} from {table}"),
            key=repr,
        )
        for table, excluded in TABLES.items()
    }


def touched_sessions(warehouse: Warehouse) -> dict[int, object]:
    return dict(warehouse.rows("select session_key, changed_at from intermediate.int_sessions"))


@pytest.fixture(scope="module")
def event_lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The events of 60 customers over three months, with the planted traps."""
    folder = tmp_path_factory.mktemp("events")
    write_sample_events(60, date(2019, 10, 1), 3, 3, folder)
    lines: list[str] = []
    for path in sorted(folder.glob("*.csv.gz")):
        lines += gzip.decompress(path.read_bytes()).decode().splitlines()[1:]
    return lines


@pytest.fixture(scope="module")
def at_once(
    event_lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[tuple]]:
    warehouse = Warehouse(tmp_path_factory.mktemp("at_once"))
    warehouse.write_events("all.csv.gz", event_lines)
    warehouse.dbt("seed")
    warehouse.load("--full-refresh")
    return all_rows(warehouse)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_slices_in_any_order_equal_one_full_refresh(
    seed: int, event_lines: list[str], at_once: dict[str, list[tuple]], tmp_path: Path
) -> None:
    chance = random.Random(seed)
    # neither by time nor by session: every slice brings late rows of sessions already built
    slices: list[list[str]] = [[] for _ in range(4)]
    for line in event_lines:
        slices[chance.randrange(4)].append(line)
    repeated = chance.sample(event_lines, len(event_lines) // 10)
    warehouse = Warehouse(tmp_path)
    warehouse.dbt("seed")
    for number, lines in enumerate([*slices, repeated, slices[0]]):
        warehouse.write_events(f"{number}.csv.gz", lines)
        warehouse.load()
        if number == 2:
            warehouse.load()
            warehouse.load("--empty")
            warehouse.load("--vars", "{as_of: '2019-10-15 00:00:00'}")
    for table, rows in all_rows(warehouse).items():
        assert rows == at_once[table], table
    assert len(at_once["intermediate.int_sessions"]) > 100


def test_a_run_with_nothing_new_rewrites_nothing(
    event_lines: list[str], warehouse: Warehouse
) -> None:
    warehouse.write_events("all.csv.gz", event_lines)
    warehouse.dbt("seed")
    warehouse.load()
    before = all_rows(warehouse), touched_sessions(warehouse)
    warehouse.load()
    assert (all_rows(warehouse), touched_sessions(warehouse)) == before


def test_one_late_row_rebuilds_its_session_and_user_alone(
    event_lines: list[str], warehouse: Warehouse
) -> None:
    late = event_lines[len(event_lines) // 2]
    warehouse.write_events("most.csv.gz", [line for line in event_lines if line != late])
    warehouse.dbt("seed")
    warehouse.load()
    before = touched_sessions(warehouse)
    warehouse.write_events("late.csv.gz", [late])
    warehouse.load()
    after = touched_sessions(warehouse)
    changed = {key for key in after if before.get(key) != after[key]}
    assert len(changed) == 1
    assert warehouse.rows(
        "select count(*) from intermediate.int_users as users "
        "where users.changed_at = (select max(loaded_at) from staging.stg_events)"
    ) == [(1,)]
    counts = """
        select sessions.event_count, count(*)
        from intermediate.int_sessions as sessions
        inner join staging.stg_events as events on sessions.session_key = events.session_key
        group by sessions.session_key, sessions.event_count
    """
    assert all(kept == loaded for kept, loaded in warehouse.rows(counts))
