"""Every odd input of docs/event-files.md gets what its table says."""

import gzip
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from warehouses import HEADER, PROJECT, QuickWarehouse, Warehouse

DOCS = (PROJECT / "docs" / "event-files.md").read_text()
# {input: what becomes of it}
TABLE = dict(re.findall(r"^\| (.+?) \| (.+?) \|", DOCS.split("|---|---|---|\n")[-1], re.MULTILINE))


@dataclass(frozen=True)
class Event:
    """The columns of an event, as text."""

    event_time: str = "2019-10-01 00:00:00 UTC"
    event_type: str = "view"
    product_id: str = "1004856"
    category_id: str = "2053013555631882655"
    category_code: str = "electronics.smartphone"
    brand: str = "nan"
    price: str = "35.79"
    user_id: str = "512345678"
    user_session: str = "0f5b9d3e-1c2a-4e7f-9a86-3d1e5c7b9f24"


def line(**columns: str) -> bytes:
    return ",".join(vars(Event(**columns)).values()).encode(errors="surrogateescape")


def around(*odd: bytes, end: bytes = b"\n") -> bytes:
    """A file that has lines between two sound ones."""
    sound = [line(user_id="512345679", price=price) for price in ("1.00", "2.00")]
    return b"".join(text + end for text in (HEADER.encode(), sound[0], *odd, sound[1]))


def time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


NOW = datetime.now(UTC)
BOM = b"\xef\xbb\xbf"
COMPRESSED = gzip.compress(around(*(line(price=f"{price}.50") for price in range(3000))))
LINES: dict[str, list[bytes]] = {
    "`remove_from_cart`": [line(event_type="remove_from_cart")],
    "another event type": [line(event_type=name) for name in ("click", "View", "")],
    "a price of 0": [line(price="0.00")],
    "a price above 10,000": [line(price="10000.01")],
    "a price of a billion": [line(price="1000000000")],
    "a negative price": [line(price="-35.79")],
    "a price that is no number": [line(price=price) for price in ("NaN", "inf", "1e3", "")],
    "a price with three decimals": [line(price="35.791")],
    "a price with a decimal comma": [line(price="35,79")],
    "a product of 0 or below": [line(product_id=number) for number in ("0", "-1")],
    "a category of 0 or below": [line(category_id=number) for number in ("0", "-1")],
    "a customer of 0 or below": [line(user_id=number) for number in ("0", "-1")],
    "a category id of `2.05E+18`": [line(category_id="2.05E+18")],
    "an id with decimals, blanks or a leading 0": [
        line(user_id=number) for number in ("5.6", " 56", "056")
    ],
    "no category code": [line(category_code="", product_id="2")],
    "no brand": [line(brand="")],
    "the brand `nan`": [line(brand="nan")],
    "no session id": [line(user_session="")],
    "a session id of another length": [line(user_session="0f5b9d3e-1c2a")],
    "a time with `T` and `Z`": [line(event_time="2019-10-01T00:00:00Z")],
    "a time without zone": [line(event_time="2019-10-01 00:00:00")],
    "a time in another zone": [
        line(event_time=f"2019-10-01 00:00:00 {zone}") for zone in ("MSK", "+03", "GMT")
    ],
    "a time with parts of a second": [line(event_time="2019-10-01 00:00:00.500 UTC")],
    "a day that does not exist": [line(event_time="2019-02-29 00:00:00 UTC")],
    "a day with slashes": [line(event_time="2019/10/01 00:00:00 UTC")],
    "the hour 24": [line(event_time="2019-10-01 24:00:00 UTC")],
    "a time in 1970": [line(event_time="1970-01-01 00:00:00 UTC")],
    "a time within the next day": [line(event_time=time(NOW + timedelta(hours=20)))],
    "a time further in the future": [line(event_time=time(NOW + timedelta(hours=28)))],
    "a row that came before": [line(user_id="512345679", price="1.00")],
    "a quotation mark": [line(brand=brand) for brand in ('"open', '"whole"')],
    "a quoted field with a comma": [line(brand='"a, b"')],
    "a quoted field with a line break": [line(brand='"a\nb"')],
    "a NUL byte in a text": [line(brand="a\0b")],
    "a text of more than 128 characters": [line(brand="b" * 129)],
    "a NUL byte in a number": [line(product_id=number) for number in ("3\0", "\x003", "3\x003")],
    "a NUL byte in a time": [line(event_time="2019-10-01 00:00:00\0UTC")],
    "a NUL byte in a session id": [line(user_session="0f5b9d3e-1c2a-4e7f-9a86-3d1e5c7b9f2\0")],
    "invalid UTF-8": [line(brand="caf\udce9"), b"\xff\xfe"],
    "a column too many in a line": [line() + b",more", b"1," + line()],
    "a comma after the last column": [line() + b","],
    "a column missing in a line": [line().partition(b",")[2], line().rpartition(b",")[0]],
    "blank lines": [b"", b"", b""],
    "a line of blanks": [b"   "],
}
FILES: dict[str, bytes] = {
    "a line of more than 2 MB": around(line(brand="x" * 2_000_000)),
    "a byte-order mark": BOM + around(line()),
    "CRLF line ends": around(line(), end=b"\r\n"),
    "mixed line ends": around(line() + b"\r"),
    "a carriage return in a line": around(line(brand="a\rb")),
    "a last line without line end": around(line()).rstrip(),
    "a last line that is cut": around(line()) + line()[:40],
    "a column more in the whole file": around(line()).replace(b"\n", b",1\n"),
    "a column less in the whole file": re.sub(rb",[^,\n]*\n", b"\n", around(line())),
    "columns in another order": re.sub(rb"([^,\n]*),([^,\n]*)\n", rb"\2,\1\n", around(line())),
    "no header": around(line()).partition(b"\n")[2],
    "a header alone": HEADER.encode(),
    "an empty file": b"",
    "a web page": b"<!DOCTYPE html>\n<html>" + around(),
    "UTF-16": around(line()).decode().encode("utf-16"),
    "wrong lines alone": b"\n".join([HEADER.encode(), *[line(price="NaN")] * 3]),
    "a truncated gzip": COMPRESSED[:-100],
    "a gzip with a wrong checksum": COMPRESSED[:-8] + bytes(4) + COMPRESSED[-4:],
    "plain text named `.gz`": around(line()),
    "a gzip of two members": gzip.compress(around()) + gzip.compress(line() + b"\n"),
    "an empty gzip": gzip.compress(b""),
}


def file_name(odd: str) -> str:
    return re.sub(r"\W", "_", odd) + (".csv.gz" if "gz" in odd else ".csv")


@pytest.fixture(scope="module")
def odd_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A warehouse that was given all odd inputs, each file with customers of its own."""
    warehouse = QuickWarehouse(tmp_path_factory.mktemp("odd"))
    files = {odd: around(*lines) for odd, lines in LINES.items()} | FILES
    for number, (odd, content) in enumerate(files.items()):
        customers = b"51234567", b"%d" % (52000000 + number)
        (warehouse.events / file_name(odd)).write_bytes(content.replace(*customers))
    share = ("--vars", "{max_rejected_share: 0.9}")
    warehouse.dbt("seed")
    result, said = warehouse.try_dbt("run", "--select", "+stg_events", *share)
    assert not result.success, said
    for (refused,) in warehouse.rows(
        "select source_file from staging.stg_event_files where state = 'refused'"
    ):
        (warehouse.events / refused).unlink()
    warehouse.dbt("run", "--select", "+data_quality", *share)
    warehouse.close()
    return warehouse


def test_the_table_of_the_docs_has_every_case() -> None:
    assert set(TABLE) == {*LINES, *FILES}


@pytest.mark.parametrize("odd", TABLE)
def test_an_odd_input_gets_what_the_docs_say(odd_warehouse: Warehouse, odd: str) -> None:
    file = f"where source_file = '{file_name(odd)}'"
    ((state, row_count, refusal),) = odd_warehouse.rows(
        f"select state, row_count, refusal_reason from staging.stg_event_files {file}"
    )
    rejected = odd_warehouse.rows(
        "select line_number, split_part(reason, ':', 1) "
        f"from staging.stg_rejected_event_lines {file} order by line_number"
    )
    rules = dict(odd_warehouse.rows(f"select rule, row_count from marts.data_quality {file}"))
    in_tables = odd_warehouse.rows(f"select count(*) from staging.stg_events {file}")[0][0]
    outcome, _, what = TABLE[odd].partition(": ")
    if outcome == "file refused":
        assert state == "refused" and what in refusal
        assert (row_count, rejected, rules, in_tables) == (None, [], {}, 0)
        return
    lines = [text for odd_line in LINES.get(odd, []) for text in odd_line.split(b"\n") if text]
    counted = {rule: count for rule, count in rules.items() if count}
    assert state == "loaded"
    assert counted.pop("row", 0) == row_count == in_tables + len(rejected) + rules["duplicate"]
    assert counted.pop("kept", 0) == in_tables
    if odd in LINES:
        assert row_count == len(lines) + 2
    if outcome == "rejected":
        numbers = range(3, 3 + len(lines)) if odd in LINES else [5]
        assert rejected == [(number, what.strip("`")) for number in numbers]
        assert counted == {"rejected": len(rejected)}
    elif ", counted as " in outcome:
        assert counted == {outcome.split("`")[1]: len(lines)}
    else:
        assert outcome in ("kept", "not counted", "loaded, no row")
        assert counted == {}
        if odd in FILES:
            assert row_count == (0 if outcome == "loaded, no row" else 3)
