"""What comes in from event files, what is left out, and what stops the build."""

import gzip
import os
import shutil
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from warehouses import KEY, QuickWarehouse, Warehouse

SESSION = "0f5b9d3e-1c2a-4e7f-9a86-3d1e5c7b9f24"
EVENT = f"2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,nan,35.79,598765432,{SESSION}"
LOAD = (
    *("build", "--select", "+stg_events", "--indirect-selection", "cautious"),
    *("--exclude-resource-type", "unit_test"),
    # a warning, which would be an error here
    *("--exclude", "no_line_is_rejected"),
)
ALLOW_ALL = ("--vars", "{max_rejected_share: 1}")


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[QuickWarehouse]:
    quick = QuickWarehouse(tmp_path)
    yield quick
    quick.close()


def ledger(warehouse: Warehouse) -> list[tuple]:
    return warehouse.rows(
        "select source_file, row_count, kept_count, duplicate_count, rejected_count "
        "from staging.stg_event_files where state = 'loaded' order by source_file"
    )


def states(warehouse: Warehouse) -> list[tuple]:
    return warehouse.rows(
        "select source_file, state from staging.stg_event_files order by source_file, recorded_at"
    )


def rejected(warehouse: Warehouse) -> list[tuple]:
    return warehouse.rows(
        "select line_number, split_part(reason, ':', 1), line "
        "from staging.stg_rejected_event_lines order by line_number"
    )


def test_real_extracts_build_to_personas_and_lose_only_the_broken_line(
    warehouse: Warehouse, extracts: Path
) -> None:
    said = warehouse.dbt(
        *("build", "--exclude-resource-type", "unit_test", "--exclude", "no_line_is_rejected"),
        *("--vars", "{min_events: 5}"),
        events=str(extracts / "*.csv.gz"),
    )
    assert ledger(warehouse) == [
        ("2019-Nov-08_session_sample.csv.gz", 9504, 9482, 22, 0),
        ("2019-Oct_head_crlf_truncated.csv.gz", 17435, 17429, 5, 1),
    ]
    assert rejected(warehouse) == [
        (
            17436,
            "line",
            "2019-10-01 02:50:00 UTC,view,10900305,2053013555069845885,"
            "appliances.kitchen.mixer,elenberg,25.71,52040330",
        )
    ], said
    eligible = warehouse.rows("select count(*) from marts.user_features where event_count >= 5")
    segmented = warehouse.rows("select sum(user_count) from marts.segments where segment > 0")
    # 1,141 and 596 users have five rows or more; one has them only with its duplicates
    assert eligible == segmented == [(1736,)]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("bad_html_page.csv", "it is a web page"),
        ("bad_no_header.csv", "the header is missing"),
    ],
)
def test_a_real_bad_file_is_refused_and_the_good_one_loaded(
    warehouse: Warehouse, extracts: Path, name: str, wrong: str
) -> None:
    warehouse.write_events("good.csv", [EVENT])
    shutil.copy(extracts / name, warehouse.events)
    result, said = warehouse.try_dbt(*LOAD)
    assert not result.success
    assert name in said and wrong in said and "expected line 1 to be 'event_time," in said
    assert ledger(warehouse) == [("good.csv", 1, 1, 0, 0)]
    assert states(warehouse) == [(name, "refused"), ("good.csv", "loaded")]


@pytest.mark.parametrize("damage", ["truncated", "altered", "not gzip"])
def test_a_damaged_gzip_stops_the_build_and_the_last_state_stays(
    warehouse: Warehouse, damage: str
) -> None:
    warehouse.write_events("a.csv.gz", [EVENT])
    warehouse.dbt(*LOAD)
    path = warehouse.write_events(
        "b.csv.gz", [EVENT.replace("35.79", f"{price}.5") for price in range(5000)]
    )
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "altered":
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
    else:
        path.write_bytes(gzip.decompress(content))
    result, said = warehouse.try_dbt(*LOAD)
    assert not result.success
    assert "b.csv.gz: damaged gzip stream" in said and "expected a complete" in said
    assert ledger(warehouse) == [("a.csv.gz", 1, 1, 0, 0)]
    assert states(warehouse) == [("a.csv.gz", "loaded"), ("b.csv.gz", "refused")]
    assert warehouse.rows("select count(*) from staging.stg_events") == [(1,)]


WRONG_LINES = {
    "event_time": [
        EVENT.replace("2019-10-01 00:00:00 UTC", "2019-10-01T00:00:00Z"),
        EVENT.replace(" UTC", ""),
        EVENT.replace("01 00:00", "01T00:00"),
        EVENT.replace("2019", "1970"),
        EVENT.replace("2019", "2999"),
    ],
    "event_type": [EVENT.replace("view", "click"), EVENT.replace("view", "")],
    "product_id": [EVENT.replace("44600062", "0"), EVENT.replace("44600062", "4.4E+07")],
    "category_id": [EVENT.replace("2103807459595387724", "2.1E+18")],
    "price": [EVENT.replace("35.79", price) for price in ("NaN", "-3", "1000000000", "1.234", "")],
    "user_id": [EVENT.replace("598765432", user) for user in ("5.6", " 56", "-1", "")],
    "user_session": [EVENT[:-4]],
    "line": [EVENT + ",more", EVENT[:40]],
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_wrong_line_is_kept_with_its_number_and_reason(warehouse: Warehouse, end: str) -> None:
    lines, expected = [], []
    for reason, wrong_lines in WRONG_LINES.items():
        for line in wrong_lines:
            lines += [EVENT.replace("35.79", f"{len(lines)}.25"), line]
            expected.append((len(lines) + 1, reason, line))
    warehouse.write_events("mixed.csv.gz", lines, end)
    warehouse.dbt(*LOAD, *ALLOW_ALL)
    assert rejected(warehouse) == expected
    assert ledger(warehouse) == [
        ("mixed.csv.gz", len(lines), len(expected), 0, len(lines) - len(expected))
    ]


def test_an_unclosed_quote_takes_no_other_line_with_it(warehouse: Warehouse) -> None:
    lines = [EVENT.replace("35.79", f"{price}.5") for price in range(5000)]
    quotes = [EVENT.replace("nan", brand) for brand in ('"open', '"a, b"', '"whole"')]
    warehouse.write_events("a.csv.gz", [lines[0], *quotes, *lines[1:]])
    warehouse.dbt(*LOAD)
    assert ledger(warehouse) == [("a.csv.gz", 5003, 5000, 0, 3)]
    assert rejected(warehouse) == [
        (3, "brand", quotes[0]),
        (4, "line", quotes[1]),
        (5, "brand", quotes[2]),
    ]


@pytest.mark.parametrize("odd", [EVENT + "\r", EVENT.replace("nan", "a\rb")])
def test_mixed_line_ends_are_refused(warehouse: Warehouse, odd: str) -> None:
    warehouse.write_events("a.csv", [EVENT, odd, EVENT])
    result, said = warehouse.try_dbt(*LOAD)
    assert not result.success
    assert "a.csv: mixed line ends" in said and "expected LF or CRLF throughout" in said
    assert ledger(warehouse) == []


def test_duplicates_are_counted_within_and_across_files(warehouse: Warehouse) -> None:
    purchase = EVENT.replace("view", "purchase")
    other_brand = EVENT.replace("nan", "")
    warehouse.write_events("a.csv", [EVENT, purchase, purchase, other_brand])
    warehouse.write_events("b.csv", [purchase, EVENT, EVENT.replace("35.79", "35.80")])
    warehouse.dbt(*LOAD)
    assert ledger(warehouse) == [("a.csv", 4, 3, 1, 0), ("b.csv", 3, 1, 2, 0)]
    assert warehouse.rows(
        "select sum(duplicate_purchase_count), sum(duplicate_purchase_amount) "
        "from staging.stg_event_files"
    ) == [(2, Decimal("71.58"))]


@pytest.mark.parametrize("key", [None, "", "too short"])
def test_without_the_key_no_row_is_read(warehouse: Warehouse, key: str | None) -> None:
    warehouse.write_events("a.csv", [EVENT])
    result, said = warehouse.try_dbt(*LOAD, key=key)
    assert not result.success
    assert "AMAZING_PSEUDONYM_KEY is missing or shorter than 32 characters" in said
    assert warehouse.rows("select count(*) from staging.stg_event_files") == [(0,)]


def test_another_key_than_the_warehouse_was_loaded_with_is_refused(warehouse: Warehouse) -> None:
    warehouse.write_events("a.csv", [EVENT])
    warehouse.dbt(*LOAD)
    warehouse.write_events("b.csv", [EVENT.replace("35.79", "9.99")])
    result, said = warehouse.try_dbt(*LOAD, key="another key of more than 32 characters")
    assert not result.success and "is not the key this warehouse was loaded with" in said
    assert len(ledger(warehouse)) == 1


@pytest.mark.parametrize(
    "name", ["it's.csv", "[1].csv", "a*.csv", "a?.csv", "{x,y}.csv", "é 1.csv"]
)
def test_a_name_is_a_name_whatever_its_characters(warehouse: Warehouse, name: str) -> None:
    warehouse.write_events(name, [EVENT, EVENT + ",more"])
    warehouse.dbt(*LOAD, *ALLOW_ALL)
    assert ledger(warehouse) == [(name, 2, 1, 0, 1)]


def test_no_file_and_no_history_is_an_error_that_names_the_place(warehouse: Warehouse) -> None:
    result, said = warehouse.try_dbt(*LOAD)
    assert not result.success
    assert str(warehouse.events) in said and "AMAZING_EVENTS" in said


def test_key_and_raw_identifiers_stay_out_of_warehouse_logs_and_artifacts(
    tmp_path: Path,
) -> None:
    warehouse = Warehouse(tmp_path)
    warehouse.write_events("a.csv", [EVENT])
    warehouse.dbt("--log-level", "debug", *LOAD)
    written = [path for path in warehouse.folder.rglob("*") if path.is_file()]
    assert len(written) > 10
    for path in written:
        if path.parent == warehouse.events:
            continue
        content = path.read_bytes()
        for secret in (KEY, "598765432", SESSION):
            assert secret.encode() not in content, f"{secret} stands in {path}"


def test_times_are_utc_whatever_the_zone_of_the_machine(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        warehouse.write_events("a.csv", [EVENT])
        warehouse.dbt(*LOAD)
        assert warehouse.rows(
            "select cast(event_at as varchar), "
            "abs(date_diff('second', loaded_at, timezone('UTC', now()))) < 600 "
            "from staging.stg_events"
        ) == [("2019-10-01 00:00:00", True)]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_sessions_are_one_users_and_rows_without_session_one_day(warehouse: Warehouse) -> None:
    unnamed = EVENT.replace(SESSION, "")
    warehouse.write_events(
        "a.csv",
        [
            EVENT,
            EVENT.replace("00:00:00", "00:00:05"),
            EVENT.replace("598765432", "598765433"),
            unnamed,
            unnamed.replace("00:00:00", "23:00:00"),
            unnamed.replace("2019-10-01", "2019-10-02"),
        ],
    )
    warehouse.dbt(*LOAD)
    assert warehouse.rows(
        "select count(*) from staging.stg_events group by session_key order by 1"
    ) == [(1,), (1,), (2,), (2,)]
    assert warehouse.rows("select count(distinct user_key) from staging.stg_events") == [(2,)]
    assert os.environ.get("AMAZING_PSEUDONYM_KEY") != KEY
