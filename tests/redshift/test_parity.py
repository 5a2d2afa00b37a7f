"""The same events make the same tables on DuckDB and on Redshift."""

import random
from functools import partial

import pytest
from both import Both
from warehouses import HEADER, KEY, Warehouse

RUN = ("run", "--vars", "{min_events: 5}")


def changed(line: str, **values: str) -> str:
    fields = dict(zip(HEADER.split(","), line.split(","), strict=True))
    return ",".join((fields | values).values())


def user(line: str) -> str:
    return line.split(",")[7]


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
    empty = {table for table, count in counts.items() if count == 0}
    assert empty == {"staging.stg_withdrawn_events", "reference.persona_overrides"}

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
    both.execute(
        "insert into reference.persona_overrides select identity, 'to_be_reviewed', 'Marketing', "
        "date '2020-01-01', 'they are none' from segmentation.segmentation_identities "
        "where segment = 1"
    )
    both.dbt("run", "--full-refresh", "--vars", "{retrain: always, min_events: 5}")
    counts = both.compare()
    assert counts["segmentation.segmentation_models"] == 2
    assert counts["staging.stg_withdrawn_events"] == 0


def test_a_build_that_is_killed_leaves_complete_files_and_the_next_goes_on(
    both: Both, lines: list[str]
) -> None:
    half = len(lines) // 2
    standin = both.redshift.standin
    both.dbt("seed")
    load = ("run", "--select", "+user_features")
    draw = random.Random(1)
    killed_count = 0
    for name, content in (("a.csv.gz", lines[:half:2]), ("late.csv.gz", lines[1::2])):
        both.write_events(name, content)
        both.duckdb.dbt(*load)
        for _ in range(3):
            left = iter(range(draw.randrange(20, 160)))
            standin.hangs_up = lambda _, left=left: next(left, None) is None
            result, _ = both.redshift.try_dbt(*load)
            standin.hangs_up = None
            killed_count += not result.success
        both.redshift.dbt(*load)
        both.compare()
    assert killed_count >= 4


def test_a_late_event_takes_a_user_past_as_of_on_both(both: Both, lines: list[str]) -> None:
    users = ("run", "--select", "+int_users", "--vars", "{as_of: '2019-10-15 12:00:00'}")
    both.dbt("seed")
    other = next(line for line in lines if user(line) != user(lines[0]))
    both.write_events("a.csv.gz", [lines[0], other])
    both.dbt(*users)
    assert both.compare()["intermediate.int_users"] == 2
    both.write_events("late.csv.gz", [changed(lines[0], event_time="2019-11-20 10:00:00 UTC")])
    both.dbt(*users)
    assert both.compare()["intermediate.int_users"] == 1


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


def test_the_secret_is_kept_and_never_said(
    both: Both, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # with logs and artifacts, which are looked through
    monkeypatch.setattr(both.redshift, "invoke", partial(Warehouse.invoke, both.redshift))
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
