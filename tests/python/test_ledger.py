"""The ledger of event files: each file is loaded once, a refused one stops the build after the
others, and a file can be loaded anew."""

import functools
import gzip
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from test_loading import EVENT, SESSION, ledger, rejected, states
from test_replay import all_rows, requested
from warehouses import QuickWarehouse, Warehouse

from amazing_segments import event_files
from amazing_segments import warehouse as plugin
from amazing_segments.sample_events import write_sample_events

# seeds too, but no tests
LOAD = (
    *("build", "--select", "+stg_events"),
    *("--exclude-resource-type", "unit_test", "--exclude-resource-type", "test"),
)
USER = "598765432"
FILE_COUNTS = "select * exclude (source_file) from intermediate.int_file_counts order by all"


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[QuickWarehouse]:
    quick = QuickWarehouse(tmp_path)
    yield quick
    quick.close()


@pytest.fixture
def full_warehouse(tmp_path: Path) -> Warehouse:
    """A warehouse whose builds write artifacts and logs, and do not stay open."""
    return Warehouse(tmp_path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files of which content is read, to hash or to load it, as they are."""
    names: list[str] = []

    def watch(function: Callable) -> None:
        @functools.wraps(function)
        def watched(path: str, *arguments):
            names.append(Path(path).name)
            return function(path, *arguments)

        monkeypatch.setattr(plugin, function.__name__, watched)

    watch(event_files.content_sha256)
    watch(event_files.split_event_file)
    return names


def priced(*prices: str) -> list[str]:
    """Events that differ in their price."""
    return [EVENT.replace("35.79", price) for price in prices]


def events(warehouse: Warehouse) -> dict[str, str]:
    """The events by their price, each with its file."""
    return dict(
        warehouse.rows("select cast(price as varchar), source_file from staging.stg_events")
    )


def reload_file(warehouse: Warehouse, name: str) -> str:
    """Ask for a file to be loaded anew; return which files will be."""
    said = warehouse.dbt("run-operation", "reload_file", "--args", f"{{source_file: {name}}}")
    return said.partition("The next dbt build loads anew: ")[2].partition("\n")[0]


def refused(warehouse: Warehouse, *arguments: str) -> str:
    """Run a build that must fail; return what it said."""
    result, said = warehouse.try_dbt(*arguments, *LOAD)
    assert not result.success
    return said


def test_an_entry_tells_the_file_its_counts_and_the_run(full_warehouse: Warehouse) -> None:
    files: dict[tuple[str, str], Path] = {}
    runs: dict[tuple[str, str], str] = {}

    def write(name: str, state: str, lines: list[str]) -> None:
        path = full_warehouse.write_events(name, lines)
        os.utime(path, (0, 1_600_000_000.25 + len(files)))
        # as it was, for another content of this name may follow
        files[name, state] = Path(shutil.copy2(path, full_warehouse.folder / f"{name} {state}"))

    def load() -> None:
        full_warehouse.try_dbt(*LOAD, "--vars", "{max_rejected_share: 0.5}")
        run = json.loads((full_warehouse.folder / "target" / "run_results.json").read_text())
        for key in set(files) - set(runs):
            runs[key] = run["metadata"]["invocation_id"]

    began_at = datetime.now(UTC).replace(tzinfo=None)
    purchase = EVENT.replace("view", "purchase")
    late = purchase.replace("00:00:00", "23:59:59")
    write("a.csv.gz", "superseded", [EVENT, purchase, purchase, late, EVENT + ",more"])
    load()
    write("a.csv.gz", "loaded", [EVENT])
    write("b.csv", "loaded", [EVENT, late, late])
    write("copy.csv", "duplicate", [EVENT, late, late])
    write("refused.csv", "refused", [EVENT, EVENT + "\r"])
    reload_file(full_warehouse, "a.csv.gz")
    load()

    rows = full_warehouse.rows(
        "select source_file, state, content_sha256, size_bytes, modified_at, invocation_id, "
        "recorded_at, loaded_at, refusal_reason, same_content_as, row_count, kept_count, "
        "duplicate_count, duplicate_across_count, duplicate_purchase_count, "
        "duplicate_purchase_amount, rejected_count, "
        "strftime(first_event_at, '%T'), strftime(last_event_at, '%T') "
        "from staging.stg_event_files"
    )
    became = {}
    for name, state, sha256, size, modified_at, run, recorded_at, loaded_at, reason, *rest in rows:
        key = name, state
        content = files[key].read_bytes()
        assert sha256 == hashlib.sha256(content).hexdigest(), key
        assert size == len(content), key
        assert modified_at.replace(tzinfo=UTC).timestamp() == files[key].stat().st_mtime, key
        assert run == runs[key], key
        assert began_at < recorded_at < datetime.now(UTC).replace(tzinfo=None), key
        assert (loaded_at is None) == (state in ("duplicate", "refused")), key
        assert loaded_at is None or began_at < loaded_at < recorded_at, key
        assert (reason is None) == (state != "refused"), key
        assert reason is None or "refused.csv: mixed line ends" in reason
        became[key] = tuple(rest)
    amount, first, last = Decimal("35.79"), "00:00:00", "23:59:59"
    assert became == {
        ("a.csv.gz", "superseded"): (None, 5, 3, 1, 0, 1, amount, 1, first, last),
        ("a.csv.gz", "loaded"): (None, 1, 1, 0, 0, 0, 0, 0, first, first),
        ("b.csv", "loaded"): (None, 3, 1, 2, 1, 1, amount, 0, first, last),
        ("copy.csv", "duplicate"): ("b.csv", *(None,) * 9),
        ("refused.csv", "refused"): (None,) * 10,
    }


def test_a_file_of_known_size_and_time_is_not_opened(
    warehouse: Warehouse, opened: list[str]
) -> None:
    path = warehouse.write_events("a.csv", priced("1.00"))
    warehouse.dbt(*LOAD)
    assert opened == ["a.csv", "a.csv"]
    opened.clear()
    facts = path.stat()
    # by design it is not noticed
    path.write_bytes(path.read_bytes().replace(b"1.00", b"2.00"))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    warehouse.dbt(*LOAD)
    assert opened == []
    assert events(warehouse) == {"1.00": "a.csv"}


def test_a_file_of_another_time_is_known_by_its_content(
    warehouse: Warehouse, opened: list[str]
) -> None:
    path = warehouse.write_events("a.csv", priced("1.00"))
    warehouse.dbt(*LOAD)
    opened.clear()
    os.utime(path, (1_600_000_000, 1_600_000_000))
    warehouse.dbt(*LOAD)
    # hashed, not loaded
    assert opened == ["a.csv"]
    assert warehouse.rows("select state, epoch(modified_at) from staging.stg_event_files") == [
        ("loaded", 1_600_000_000)
    ]
    warehouse.dbt(*LOAD)
    assert opened == ["a.csv"]


def test_the_same_content_under_another_name_is_loaded_once(
    warehouse: Warehouse, opened: list[str]
) -> None:
    warehouse.write_events("b.csv", priced("1.00", "2.00"))
    warehouse.dbt(*LOAD)
    for name in ("a.csv", "c.csv"):
        warehouse.write_events(name, priced("1.00", "2.00"))
    opened.clear()
    said = warehouse.dbt(*LOAD)
    assert "Event file 1 of 2, a.csv: same content as b.csv, not loaded again" in said
    # hashed, not loaded
    assert opened == ["a.csv", "c.csv"]
    assert states(warehouse) == [
        ("a.csv", "duplicate"),
        ("b.csv", "loaded"),
        ("c.csv", "duplicate"),
    ]
    assert events(warehouse) == {"1.00": "b.csv", "2.00": "b.csv"}
    opened.clear()
    warehouse.dbt(*LOAD)
    assert opened == []


def test_other_content_under_a_known_name_is_refused_with_both_ways_on(
    warehouse: Warehouse,
) -> None:
    path = warehouse.write_events("a.csv", priced("1.00"))
    old = path.read_bytes()
    warehouse.dbt(*LOAD)
    new = warehouse.write_events("a.csv", priced("2.00", "3.00")).read_bytes()
    warehouse.write_events("b.csv", priced("4.00"))
    # the second build says it again
    for _ in range(2):
        said = refused(warehouse)
        assert "a.csv: a file of this name was loaded with other content" in said
        assert "Give the new delivery a new name" in said
        assert "dbt run-operation reload_file --args '{source_file: a.csv}'" in said
        assert events(warehouse) == {"1.00": "a.csv", "4.00": "b.csv"}
        assert states(warehouse) == [
            ("a.csv", "loaded"),
            *sorted([("a.csv", "refused"), ("b.csv", "loaded")]),
        ]
    # the first way; reload_file is the other
    path.write_bytes(old)
    (warehouse.events / "a2.csv").write_bytes(new)
    warehouse.dbt(*LOAD)
    assert events(warehouse) == {
        "1.00": "a.csv",
        "4.00": "b.csv",
        "2.00": "a2.csv",
        "3.00": "a2.csv",
    }


def test_a_refused_file_stops_what_comes_after_and_is_tried_again(warehouse: Warehouse) -> None:
    warehouse.dbt("seed")
    warehouse.write_events("b.csv", [EVENT.replace("view", "click")])
    for name, price in (("a.csv", "1.00"), ("c.csv", "3.00")):
        warehouse.write_events(name, priced(price))
    result, _ = warehouse.try_dbt("run", "--select", "+int_sessions")
    status = {run.node.name: str(run.status) for run in result.result.results}
    assert status["stg_events"] == "error"
    assert {status[name] for name in status if name.startswith("int_")} == {"skipped"}
    assert states(warehouse) == [("a.csv", "loaded"), ("b.csv", "refused"), ("c.csv", "loaded")]
    assert events(warehouse) == {"1.00": "a.csv", "3.00": "c.csv"}
    warehouse.write_events("b.csv", priced("2.00"))
    warehouse.dbt("run", "--select", "+int_sessions")
    assert states(warehouse)[1:3] == [("b.csv", "refused"), ("b.csv", "loaded")]
    assert warehouse.rows("select sum(event_count) from intermediate.int_sessions") == [(3,)]


@pytest.mark.parametrize(("sound_count", "is_loaded"), [(99, True), (98, False)])
def test_a_share_of_rejected_lines_is_allowed_and_no_more(
    warehouse: Warehouse, sound_count: int, is_loaded: bool
) -> None:
    sound = priced(*(f"{price}.50" for price in range(sound_count)))
    warehouse.write_events("a.csv", [*sound, EVENT.replace("view", "click")])
    result, said = warehouse.try_dbt(*LOAD)
    assert result.success == is_loaded
    if is_loaded:
        assert ledger(warehouse) == [("a.csv", 100, 99, 0, 1)]
        return
    assert "a.csv: 1 of 99 lines cannot be typed" in said
    assert "max_rejected_share allows a share of 0.01. Nothing of it was loaded." in said
    for table in ("stg_events", "stg_rejected_event_lines"):
        assert warehouse.rows(f"select count(*) from staging.{table}") == [(0,)]
    warehouse.dbt(*LOAD, "--vars", "{max_rejected_share: 0.02}")
    assert ledger(warehouse) == [("a.csv", 99, 98, 0, 1)]
    assert states(warehouse) == [("a.csv", "loaded")]


def test_a_refusal_names_the_five_commonest_reasons_with_a_line_each(warehouse: Warehouse) -> None:
    wrong = {
        "price": ("NaN", 7),
        "event_type": ("click", 6),
        "product_id": ("4.4E+07", 5),
        "category_id": ("2.1E+18", 4),
        "event_time": ("2019-10-01T00:00:00Z", 3),
        "brand": ('"a"', 2),
    }
    columns = dict(zip(event_files.COLUMNS, EVENT.split(","), strict=True))
    lines = [
        ",".join((columns | {column: value}).values())
        for column, (value, count) in wrong.items()
        for _ in range(count)
    ]
    warehouse.write_events("a.csv", lines)
    said = refused(warehouse)
    line_number = 2
    for column, (value, count) in wrong.items():
        pattern = (
            rf"{count} lines: {column}: expected .*; line {line_number}: '.*{re.escape(value)}.*,…'"
        )
        assert bool(re.search(pattern, said)) == (column != "brand"), pattern
        line_number += count


def test_no_customer_is_named_in_what_is_said_logged_or_recorded(full_warehouse: Warehouse) -> None:
    after_time, after_brand = EVENT.partition(",")[2], EVENT.partition("nan,")[2]
    lines = [
        EVENT.replace("view", "click"),
        EVENT.replace("nan", '"a, b"'),
        EVENT[:-4],
        EVENT + "\udce9",
        # what is behind a line break in a field
        after_brand,
        # columns that stand too far to the left
        f"{after_time},1",
        f"{after_brand},,,,,,1",
        f"{USER},{SESSION},,,,,,1",
        f"{SESSION},{USER},1",
        f"{USER};{SESSION}",
    ]
    for number, line in enumerate(lines):
        path = full_warehouse.write_events(f"{number}.csv", [])
        path.write_bytes(path.read_bytes() + line.encode(errors="surrogateescape"))
    said = refused(full_warehouse, "--log-level", "debug")
    assert said.count(": 1 of 1 lines cannot be typed") == len(lines)
    texts = {
        "what is said": said,
        "the ledger": str(full_warehouse.rows("from staging.stg_event_files")),
    }
    for folder in ("target", "logs"):
        for path in (full_warehouse.folder / folder).rglob("*"):
            if path.is_file():
                texts[str(path)] = path.read_bytes().decode(errors="replace")
    assert len(texts) > 10
    for place, text in texts.items():
        for secret in (USER, SESSION[:12], SESSION[-12:]):
            assert secret not in text, f"{secret} stands in {place}"


def test_a_load_says_how_far_it_is(warehouse: Warehouse) -> None:
    warehouse.write_events("a.csv", priced("1.00", "2.00"))
    warehouse.write_events("b.csv", priced("3.00"))
    said = warehouse.dbt(*LOAD)
    speed = r"lines, [\d,]+ a second, (\d+) s left for all files"
    assert re.search(rf"Event file 1 of 2, a\.csv: 2 {speed}", said)
    assert re.search(rf"Event file 2 of 2, b\.csv: 1 {speed}", said)[1] == "0"


# --- what is left of a load that stops ------------------------------------------------------------


def test_parts_of_a_killed_load_are_removed_and_new_ones_are_private(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = Path(f"{warehouse.path}.parts")
    parts.mkdir(mode=0o777)
    (parts / "left over").write_text(EVENT)
    seen = []

    def split_event_file(path: str, folder: Path) -> Iterator[event_files.Part]:
        seen.append((folder, list(folder.iterdir()), folder.stat().st_mode & 0o777))
        yield from event_files.split_event_file(path, folder)
        seen.append(len(list(folder.iterdir())))

    monkeypatch.setattr(plugin, "split_event_file", split_event_file)
    warehouse.write_events("a.csv.gz", [EVENT])
    warehouse.dbt(*LOAD)
    assert seen == [(parts, [], 0o700), 1]
    assert not parts.exists()


def test_a_fault_amid_a_file_leaves_nothing_of_it(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.write_events("a.csv", priced("1.00"))
    warehouse.write_events("b.csv", priced("2.00", "3.00"))

    def split_event_file(path: str, folder: Path) -> Iterator[event_files.Part]:
        yield from event_files.split_event_file(path, folder)
        if path.endswith("b.csv"):
            raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(plugin, "split_event_file", split_event_file)
        assert "No space left on device" in refused(warehouse)
    assert events(warehouse) == {"1.00": "a.csv"}
    assert states(warehouse) == [("a.csv", "loaded")]
    warehouse.dbt(*LOAD)
    assert events(warehouse) == {"1.00": "a.csv", "2.00": "b.csv", "3.00": "b.csv"}


def test_a_file_of_which_lines_would_be_lost_is_refused(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.write_events("a.csv", priced("1.00"))
    warehouse.write_events("c.csv", priced("3.00"))

    def split_event_file(path: str, folder: Path) -> Iterator[event_files.Part]:
        for part in event_files.split_event_file(path, folder):
            if path.endswith("a.csv"):
                Path(part.path).write_text("")
            yield part

    monkeypatch.setattr(plugin, "split_event_file", split_event_file)
    said = refused(warehouse)
    assert (
        "a.csv: of 1 lines after line 1, 0 were typed and 0 rejected: lines would be lost" in said
    )
    assert states(warehouse) == [("a.csv", "refused"), ("c.csv", "loaded")]


def test_a_second_build_stops_at_once_and_says_why(full_warehouse: Warehouse) -> None:
    full_warehouse.write_events("a.csv", [EVENT])
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(full_warehouse.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        holder.stdout.readline()
        said = refused(full_warehouse)
    finally:
        holder.communicate(b"\n")
    assert f"the warehouse {full_warehouse.path} cannot be opened" in said
    assert f"PID {holder.pid}" in said
    assert "Traceback" not in said
    full_warehouse.dbt(*LOAD)


# --- loading anew ---------------------------------------------------------------------------------


def keys_by_table(warehouse: Warehouse, key: str) -> dict[str, set[int]]:
    tables = warehouse.rows(
        "select table_schema || '.' || table_name from information_schema.columns "
        f"where column_name = '{key}' and table_name != 'stg_withdrawn_events'"
    )
    return {
        table: {value for (value,) in warehouse.rows(f"select {key} from {table}")}
        for (table,) in tables
    }


def test_loading_anew_equals_a_full_refresh_everywhere(warehouse: Warehouse) -> None:
    """Customers, sessions and products that lost all their events are gone from every table."""
    folder = warehouse.folder / "sample"
    folder.mkdir()
    write_sample_events(60, date(2019, 10, 1), 3, 3, folder)
    lines = [
        line
        for path in sorted(folder.glob("*.csv.gz"))
        for line in gzip.decompress(path.read_bytes()).decode().splitlines()[1:]
    ]
    chance = random.Random(1)
    users = sorted({line.split(",")[7] for line in lines})
    leaving, staying = set(users[:5]), set(users[5:])
    old, new, other = [], [], []
    for line in lines:
        user = line.split(",")[7]
        if user in leaving:
            old.append(line)
        elif user == users[-1]:
            new.append(line)
        else:
            chance.choice([old, new, other]).append(line)
    # rows that came with the old content too; the new one has half of them
    shared = [line for line in old if line.split(",")[7] in staying][::2]
    build = ("run", "--select", "+user_features", "+data_quality", "feature_catalogue")
    warehouse.dbt("seed")
    warehouse.write_events("a.csv.gz", old)
    warehouse.write_events("b.csv.gz", other + shared)
    warehouse.dbt(*build)
    before = {key: keys_by_table(warehouse, key) for key in ("user_key", "session_key")}
    counts = {table: len(rows) for table, rows in all_rows(warehouse).items()}

    warehouse.write_events("a.csv.gz", new + shared[::2])
    assert reload_file(warehouse, "a.csv.gz") == "a.csv.gz, b.csv.gz"
    warehouse.dbt(*build)
    anew = all_rows(warehouse)
    counts_anew = warehouse.rows(FILE_COUNTS)
    after = {key: keys_by_table(warehouse, key) for key in ("user_key", "session_key")}
    assert requested(warehouse) == []
    loaded = {key: after[key]["staging.stg_events"] for key in after}
    gone = {key: before[key]["staging.stg_events"] - loaded[key] for key in after}
    assert len(gone["user_key"]) >= 5 and len(gone["session_key"]) > 20
    for key, tables in after.items():
        for table, keys in tables.items():
            assert not keys & gone[key], table
    assert after["session_key"]["intermediate.int_sessions"] == loaded["session_key"]
    assert after["user_key"]["intermediate.int_users"] == loaded["user_key"]

    warehouse.dbt(*build, "--full-refresh")
    assert warehouse.rows(FILE_COUNTS) == counts_anew
    for table, rows in all_rows(warehouse).items():
        assert rows == anew[table], table
        assert counts[table] > 0, table


def test_rows_left_out_because_of_a_file_come_back_when_it_is_loaded_anew(
    warehouse: Warehouse,
) -> None:
    # days that b shares with a, and of which it keeps nothing; c has only what b has
    october, november = priced("1.00", "2.00"), EVENT.replace("2019-10", "2019-11")
    warehouse.write_events("a.csv", october)
    warehouse.dbt(*LOAD)
    warehouse.write_events("b.csv", [*october, november])
    warehouse.dbt(*LOAD)
    warehouse.write_events("c.csv", [november, november])
    warehouse.write_events("d.csv", priced("4.00"))
    warehouse.dbt(*LOAD)
    assert events(warehouse) == {
        **dict.fromkeys(("1.00", "2.00"), "a.csv"),
        "35.79": "b.csv",
        "4.00": "d.csv",
    }

    warehouse.write_events("a.csv", priced("1.00"))
    # what is loaded anew with it may be other content as well
    warehouse.write_events("b.csv", october)
    assert reload_file(warehouse, "a.csv") == "a.csv, b.csv, c.csv"
    warehouse.dbt(*LOAD)
    assert events(warehouse) == {
        "1.00": "a.csv",
        "2.00": "b.csv",
        "35.79": "c.csv",
        "4.00": "d.csv",
    }
    assert warehouse.rows(
        "select withdrawn_at = loaded_at, count(*) from staging.stg_withdrawn_events "
        "left join staging.stg_event_files on state = 'loaded' and withdrawn_at = loaded_at "
        "group by all"
    ) == [(True, 1)]


def test_refused_content_leaves_the_old_rows_and_the_request(warehouse: Warehouse) -> None:
    warehouse.write_events("a.csv", [*priced("1.00", "2.00"), EVENT + ",more"])
    warehouse.dbt(*LOAD, "--vars", "{max_rejected_share: 0.5}")
    tables = ("stg_events", "stg_rejected_event_lines", "stg_withdrawn_events")
    before = [warehouse.rows(f"from staging.{table}") for table in tables]
    warehouse.write_events("a.csv", [*priced("3.00"), EVENT + "\r"])
    warehouse.write_events("b.csv", priced("2.00"))
    reload_file(warehouse, "a.csv")
    for _ in range(2):
        assert "a.csv: mixed line ends" in refused(warehouse)
        assert [warehouse.rows(f"from staging.{table}") for table in tables] == before
        assert requested(warehouse) == ["a.csv"]
        # b.csv waits: the row that it shares with a.csv would be left out, then withdrawn
        assert states(warehouse) == [("a.csv", "loaded"), ("a.csv", "refused")]
    warehouse.write_events("a.csv", priced("3.00"))
    warehouse.dbt(*LOAD)
    assert events(warehouse) == {"2.00": "b.csv", "3.00": "a.csv"}
    assert rejected(warehouse) == []
    assert requested(warehouse) == []
    assert states(warehouse) == [
        *[("a.csv", state) for state in ("superseded", "refused", "loaded")],
        ("b.csv", "loaded"),
    ]


def test_to_load_an_unknown_file_anew_is_an_error(warehouse: Warehouse) -> None:
    warehouse.write_events("a.csv", [EVENT])
    warehouse.write_events("refused.csv", [EVENT, EVENT + "\r"])
    refused(warehouse)
    for name in ("b.csv", "refused.csv"):
        result, said = warehouse.try_dbt(
            "run-operation", "reload_file", "--args", f"{{source_file: {name}}}"
        )
        assert not result.success
        assert f"no file of the name {name} was loaded" in said
    assert requested(warehouse) == []


def test_a_file_of_the_same_content_comes_into_its_place(warehouse: Warehouse) -> None:
    for name in ("a.csv", "b.csv"):
        warehouse.write_events(name, priced("1.00", "2.00"))
    warehouse.dbt(*LOAD)
    assert states(warehouse) == [("a.csv", "loaded"), ("b.csv", "duplicate")]
    warehouse.write_events("a.csv", priced("3.00"))
    assert reload_file(warehouse, "a.csv") == "a.csv, b.csv"
    warehouse.dbt(*LOAD)
    assert events(warehouse) == {"1.00": "b.csv", "2.00": "b.csv", "3.00": "a.csv"}
    assert ledger(warehouse) == [("a.csv", 1, 1, 0, 0), ("b.csv", 2, 2, 0, 0)]


def test_new_content_that_another_file_has_leaves_no_old_row(warehouse: Warehouse) -> None:
    warehouse.write_events("a.csv", priced("1.00"))
    warehouse.write_events("b.csv", priced("2.00"))
    warehouse.dbt(*LOAD)
    warehouse.write_events("a.csv", priced("2.00"))
    reload_file(warehouse, "a.csv")
    warehouse.dbt(*LOAD)
    assert events(warehouse) == {"2.00": "b.csv"}
    assert ledger(warehouse) == [("a.csv", 1, 0, 1, 0), ("b.csv", 1, 1, 0, 0)]
    assert requested(warehouse) == []


def test_the_same_content_may_be_loaded_anew(warehouse: Warehouse) -> None:
    warehouse.write_events("a.csv", priced("1.00"))
    warehouse.write_events("b.csv", priced("1.00"))
    warehouse.dbt(*LOAD)
    first = warehouse.rows("select max(loaded_at) from staging.stg_events")
    reload_file(warehouse, "a.csv")
    warehouse.dbt(*LOAD)
    assert events(warehouse) == {"1.00": "a.csv"}
    assert warehouse.rows("select max(loaded_at) from staging.stg_events") > first
    assert requested(warehouse) == []


def test_a_header_alone_takes_a_file_out(warehouse: Warehouse) -> None:
    warehouse.dbt("seed")
    warehouse.write_events("a.csv", priced("1.00"))
    warehouse.write_events("b.csv", [line.replace(USER, "1") for line in priced("2.00")])
    warehouse.dbt("run", "--select", "+int_users")
    warehouse.write_events("a.csv", [])
    reload_file(warehouse, "a.csv")
    # and nothing comes back later
    for _ in range(2):
        warehouse.dbt("run", "--select", "+int_users")
        assert events(warehouse) == {"2.00": "b.csv"}
        for table in ("int_sessions", "int_users", "int_file_products"):
            assert warehouse.rows(f"select count(*) from intermediate.{table}") == [(1,)]


@pytest.mark.parametrize("way", ["full refresh", "reload_file"])
def test_a_file_that_must_be_read_and_is_missing_stops_before_any_change(
    warehouse: Warehouse, way: str
) -> None:
    path = warehouse.write_events("a.csv", priced("1.00"))
    warehouse.write_events("b.csv", priced("2.00"))
    warehouse.dbt(*LOAD)
    path.rename(warehouse.folder / "archived")
    # else an archived file is not missed
    warehouse.dbt(*LOAD)
    warehouse.write_events("c.csv", priced("3.00"))
    arguments = []
    if way == "full refresh":
        arguments.append("--full-refresh")
    else:
        reload_file(warehouse, "a.csv")
    tables = ("stg_events", "stg_event_files")
    before = [warehouse.rows(f"from staging.{table}") for table in tables]
    result, said = warehouse.try_dbt(*LOAD, *arguments)
    assert not result.success
    assert "a.csv is to be loaded anew and is not at" in said and str(warehouse.events) in said
    assert [warehouse.rows(f"from staging.{table}") for table in tables] == before
    (warehouse.folder / "archived").rename(path)
    warehouse.dbt(*LOAD, *arguments)
    assert events(warehouse) == {"1.00": "a.csv", "2.00": "b.csv", "3.00": "c.csv"}


def test_a_full_refresh_loads_all_files_though_one_is_refused(warehouse: Warehouse) -> None:
    warehouse.write_events("a.csv", priced("1.00"))
    warehouse.write_events("b.csv", priced("2.00"))
    warehouse.dbt(*LOAD)
    warehouse.write_events("a.csv", [EVENT, EVENT + "\r"])
    reload_file(warehouse, "a.csv")
    result, said = warehouse.try_dbt(*LOAD, "--full-refresh")
    assert not result.success and "a.csv: mixed line ends" in said
    assert states(warehouse) == [("a.csv", "refused"), ("b.csv", "loaded")]
    assert events(warehouse) == {"2.00": "b.csv"}
