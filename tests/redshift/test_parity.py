"""The same events make the same tables on DuckDB and on Redshift."""

import gzip
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import boto3
import pytest
from dbt.cli.main import dbtRunner, dbtRunnerResult
from standin import RedshiftStandin
from warehouses import HEADER, KEY, Warehouse

from amazing_segments.sample_events import write_sample_events

SCHEMAS = ("landing", "secrets", "reference", "staging", "intermediate", "segmentation", "marts")
# what a load or a run leaves about itself, and what only one of the two has
OF_THE_RUN = {
    *("loaded_at", "changed_at", "withdrawn_at", "recorded_at", "tested_at", "modified_at"),
    *("reload_requested_at", "trained_at", "invocation_id", "content_sha256", "size_bytes"),
    "refusal_reason",
}
RUN = ("run", "--vars", "{min_events: 5}")


class RedshiftWarehouse(Warehouse):
    """A warehouse in the stand-in, which reads what lies in a folder of S3."""

    def __init__(self, folder: Path, standin: RedshiftStandin) -> None:
        super().__init__(folder)
        self.standin = standin

    def try_dbt(
        self, *arguments: str, key: str | None = KEY, events: str | None = None
    ) -> tuple[dbtRunnerResult, str]:
        client = boto3.client("s3")
        for file in self.events.iterdir():
            client.upload_file(str(file), "lake", f"events/{file.name}")
        return super().try_dbt(
            *arguments, "--target", "redshift", key=key, events=events or "s3://lake/events/"
        )

    def invoke(self, arguments: list[str], callback: Callable) -> dbtRunnerResult:
        return dbtRunner(callbacks=[callback]).invoke(arguments)

    def rows_of(self, queries: Iterable[str]) -> list[list[tuple]]:
        found = []
        with closing(self.standin.connect()) as connection, connection.cursor() as cursor:
            for query in queries:
                cursor.execute(query)
                found.append(cursor.fetchall())
        return found

    def drop(self) -> None:
        with closing(self.standin.connect()) as connection, connection.cursor() as cursor:
            for schema in SCHEMAS:
                cursor.execute(f"drop schema if exists {schema} cascade")
        client = boto3.client("s3")
        for found in client.list_objects_v2(Bucket="lake").get("Contents", ()):
            client.delete_object(Bucket="lake", Key=found["Key"])


class Both:
    """A warehouse on DuckDB and one on Redshift, which get the same."""

    def __init__(self, folder: Path, standin: RedshiftStandin) -> None:
        for name in ("duckdb", "redshift"):
            (folder / name).mkdir()
        self.duckdb = Warehouse(folder / "duckdb")
        self.redshift = RedshiftWarehouse(folder / "redshift", standin)

    def write_events(self, name: str, lines: list[str], end: str = "\n") -> None:
        for warehouse in (self.duckdb, self.redshift):
            warehouse.write_events(name, lines, end)

    def dbt(self, *arguments: str) -> None:
        for warehouse in (self.duckdb, self.redshift):
            warehouse.dbt(*arguments)

    def fails(self, *arguments: str) -> list[str]:
        results = [w.try_dbt(*arguments) for w in (self.duckdb, self.redshift)]
        assert not any(result.success for result, _ in results)
        return [said for _, said in results]

    def compare(self) -> dict[str, int]:
        """Compare all tables and views; return how many rows each has."""
        tables = self.duckdb.rows(
            "select table_schema, table_name, list(column_name order by ordinal_position) "
            "from information_schema.columns where table_name != 'tables_made_of' "
            "group by all order by all"
        )
        queries = [
            f"select {', '.join(c for c in columns if c not in OF_THE_RUN)} from {schema}.{table}"
            for schema, table, columns in tables
        ]
        counts = {}
        found = zip(self.duckdb.rows_of(queries), self.redshift.rows_of(queries), strict=True)
        for (schema, table, _), (ours, theirs) in zip(tables, found, strict=True):
            assert len(ours) == len(theirs), table
            for one, other in zip(sorted(ours, key=rank), sorted(theirs, key=rank), strict=True):
                for value, found_value in zip(one, other, strict=True):
                    assert is_equal(value, found_value), (table, one, other)
            counts[f"{schema}.{table}"] = len(ours)
        return counts


def is_equal(value: object, other: object) -> bool:
    if isinstance(value, float) and isinstance(other, float):
        return math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-12)
    return value == other


def rank(row: tuple) -> list[str]:
    """Return what a row is sorted by: sums of floats may differ in their last digits."""
    return [f"{value:.6g}" if isinstance(value, float) else str(value) for value in row]


@pytest.fixture
def both(tmp_path: Path, standin: RedshiftStandin) -> Iterator[Both]:
    made = Both(tmp_path, standin)
    yield made
    made.redshift.drop()


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Events of 300 customers in two months."""
    folder = tmp_path_factory.mktemp("events")
    write_sample_events(300, date(2019, 10, 1), 2, 1, folder)
    return [
        line
        for file in ("2019-Oct.csv.gz", "2019-Nov.csv.gz")
        for line in gzip.decompress((folder / file).read_bytes()).decode().splitlines()[1:]
    ]


def changed(line: str, **values: str) -> str:
    fields = dict(zip(HEADER.split(","), line.split(","), strict=True))
    return ",".join((fields | values).values())


def test_every_table_is_the_same_after_each_step(both: Both, lines: list[str]) -> None:
    odd = [
        changed(lines[0], price="free"),
        changed(lines[1], event_time="2019-02-30 10:00:00 UTC"),
        changed(lines[2], category_id="2.05E+18"),
        changed(lines[3], brand='"quoted"'),
        changed(lines[4], user_session="short"),
        lines[5] + ",a column too many",
        lines[6].rsplit(",", 1)[0],
        # kept: nothing comes after the last comma, and there is no session
        changed(lines[7], brand="trailing") + ",",
        changed(lines[8], user_session="", brand=""),
    ]
    half = len(lines) // 2
    # what a second delivery repeats is left out
    both.write_events("a.csv.gz", lines[:half:2] + lines[:20])
    both.write_events("b.csv", [*lines[half:], *odd, "", *lines[30:40:2]], end="\r\n")
    both.dbt("seed")
    both.dbt(*RUN)
    counts = both.compare()
    assert counts["staging.stg_rejected_event_lines"] == 7
    assert min(count for table, count in counts.items() if "withdrawn" not in table) > 0

    # nothing new, then rows that come late, in sessions that are there
    both.dbt(*RUN)
    assert both.compare() == counts
    both.write_events("late.csv.gz", lines[1:half:2])
    both.dbt(*RUN)
    assert both.compare()["staging.stg_events"] > counts["staging.stg_events"]

    # other content under a known name, refused and then asked for
    both.write_events("a.csv.gz", lines[: half - 100 : 2])
    for said in both.fails(*RUN):
        assert "a.csv.gz: a file of this name was loaded with other content" in said
    both.compare()
    both.dbt("run-operation", "reload_file", "--args", "{source_file: a.csv.gz}")
    both.dbt(*RUN)
    assert both.compare()["staging.stg_withdrawn_events"] > 0

    both.dbt("run", "--empty", "--select", "staging")
    both.compare()
    both.dbt("run", "--full-refresh", "--vars", "{retrain: true, min_events: 5}")
    counts = both.compare()
    assert counts["segmentation.segmentation_models"] == 2
    assert counts["staging.stg_withdrawn_events"] == 0


def test_every_test_of_the_data_passes_on_redshift(both: Both, lines: list[str]) -> None:
    both.redshift.write_events("a.csv.gz", lines)
    both.redshift.dbt("build", "--exclude-resource-type", "unit_test")
    ((untested,),) = both.redshift.rows(
        "select count(*) from staging.stg_event_files where tested_at is null"
    )
    assert untested == 0


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty"),
        (b"<html><body>403</body></html>", "it is a web page, not a table"),
        (HEADER.replace("brand", "label").encode() + b"\n", "line 1 is 'event_time,"),
        (b"2019-10-01 00:00:00 UTC,view,1,2,,,3.00,4,\n", "the header is missing"),
        (HEADER.encode() + b"\n\n1,2\r\n1,2\n1,2\r\n", "mixed line ends"),
        (HEADER.encode() + b"\n" + b"1,2\n" * 5, "lines cannot be typed"),
    ],
)
def test_a_file_that_is_none_is_refused_and_the_others_come(
    both: Both, lines: list[str], content: bytes, expected: str
) -> None:
    both.redshift.write_events("good.csv.gz", lines[:50])
    (both.redshift.events / "bad.csv").write_bytes(content)
    both.redshift.dbt("seed", "--select", "category_corrections")
    result, said = both.redshift.try_dbt("run", "--select", "staging")
    assert not result.success
    assert "bad.csv: " in said and expected in said
    assert both.redshift.rows(
        "select source_file, state, kept_count from staging.stg_event_files order by 1"
    ) == [("bad.csv", "refused", None), ("good.csv.gz", "loaded", 50)]
    # raw identifiers stay nowhere
    assert both.redshift.rows("select count(*) from landing.event_file_lines") == [(0,)]


def test_files_that_copy_could_not_tell_apart_are_refused(both: Both, lines: list[str]) -> None:
    both.redshift.write_events("a.csv", lines[:50])
    both.redshift.write_events("a.csv.gz", lines[50:60])
    both.redshift.dbt("seed", "--select", "category_corrections")
    result, said = both.redshift.try_dbt("run", "--select", "staging")
    assert not result.success
    assert "COPY of s3://lake/events/a.csv would take events/a.csv.gz with it" in said


def test_a_short_secret_is_not_kept(both: Both, lines: list[str]) -> None:
    both.redshift.write_events("a.csv.gz", lines[:50])
    both.redshift.dbt("seed", "--select", "category_corrections")
    result, said = both.redshift.try_dbt("run", "--select", "staging", key="short")
    assert not result.success
    assert "AMAZING_PSEUDONYM_KEY is missing or shorter than 32 characters" in said
    both.redshift.dbt("run", "--select", "staging")


def test_a_line_that_redshift_cannot_load_is_kept_with_its_number(
    both: Both, lines: list[str]
) -> None:
    text = [HEADER, *lines[:200], changed(lines[200], brand="broken"), *lines[201:250]]
    path = both.redshift.events / "a.csv"
    path.write_bytes("\n".join(text).encode().replace(b"broken", b"\xff\xfe"))
    both.redshift.dbt("seed", "--select", "category_corrections")
    both.redshift.dbt("run", "--select", "staging")
    ((line_number, reason),) = both.redshift.rows(
        "select line_number, reason from staging.stg_rejected_event_lines"
    )
    assert line_number == 202
    assert reason == "line: string contains invalid or unsupported utf8 codepoints"


def test_the_secret_is_kept_and_never_said(both: Both, lines: list[str]) -> None:
    secret = KEY + ", and another one"
    both.redshift.write_events("a.csv.gz", lines[:50])
    both.redshift.dbt("seed", "--select", "category_corrections", key=secret)
    before = len(both.redshift.standin.statements)
    both.redshift.dbt("run", "--select", "staging", key=secret)
    assert not any(secret in sent for sent, _ in both.redshift.standin.statements[before:])
    for file in both.redshift.folder.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file

    result, said = both.redshift.try_dbt("run", "--select", "staging", key=secret + "!")
    assert not result.success
    assert "AMAZING_PSEUDONYM_KEY is not the key this warehouse was loaded with" in said
    # the warehouse has it
    both.redshift.dbt("run", "--select", "staging", key=None)
