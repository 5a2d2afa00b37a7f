"""What an operator runs: the smoke test of a cluster, and the publication of results."""

import os
import re
import subprocess
from contextlib import closing
from pathlib import Path

import boto3
import duckdb
import pytest
from both import Both
from standin import RedshiftStandin
from warehouses import PROJECT

from amazing_segments.parity import compare


def smoke(
    folder: Path, profile: str, staging: str = "s3://lake/staging/"
) -> subprocess.CompletedProcess:
    (folder / "profiles.yml").write_text(profile)
    environment = {"DBT_PROFILES_DIR": str(folder), "REDSHIFT_STAGING": staging}
    return subprocess.run(
        [PROJECT / ".venv" / "bin" / "amazing-segments", "redshift-smoke"],
        env=os.environ | environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )


def left_behind(standin: RedshiftStandin) -> list[tuple]:
    with closing(standin.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("select nspname from pg_namespace where nspname like 'amazing_smoke%'")
        found = cursor.fetchall()
    return found + boto3.client("s3").list_objects_v2(Bucket="lake").get("Contents", [])


def test_smoke_builds_compares_publishes_and_leaves_nothing(
    tmp_path: Path, standin: RedshiftStandin
) -> None:
    before, refused_before = len(standin.statements), len(standin.refused)
    result = smoke(tmp_path, (PROJECT / "profiles.yml.example").read_text())
    assert result.returncode == 0, result.stdout + result.stderr
    everything, marts = re.findall(r"Equal to DuckDB: (\d+) tables", result.stdout)
    assert int(everything) > 30 and int(marts) == 9
    assert not left_behind(standin)
    sent = standin.statements[before:]
    rewritten = sum(one != other for one, other in sent)
    refused = standin.refused[refused_before:]
    print(f"{len(sent)} statements sent, {rewritten} rewritten, {len(refused)} refused")
    assert not refused


def test_smoke_builds_nothing_in_schemas_that_are_not_its_own(
    tmp_path: Path, standin: RedshiftStandin
) -> None:
    profile = (PROJECT / "profiles.yml.example").read_text()
    own = """"{{ env_var('REDSHIFT_SCHEMA', 'main') }}\""""
    assert own in profile
    before = len(standin.statements)
    result = smoke(tmp_path, profile.replace(own, "main"))
    assert result.returncode == 2
    assert "target redshift does not take its schema from REDSHIFT_SCHEMA" in result.stderr
    assert not any("create schema" in sent for sent, _ in standin.statements[before:])
    assert not left_behind(standin)


@pytest.mark.parametrize(
    ("staging", "reason"),
    [
        ("", "REDSHIFT_STAGING is ''; expected s3://bucket/prefix"),
        ("s3://another-lake/staging", "The specified bucket does not exist"),
    ],
)
def test_smoke_says_what_it_needs(
    tmp_path: Path, standin: RedshiftStandin, staging: str, reason: str
) -> None:
    result = smoke(tmp_path, (PROJECT / "profiles.yml.example").read_text(), staging)
    assert result.returncode == 2
    assert reason in result.stderr and "Traceback" not in result.stderr
    assert not left_behind(standin)


def all_marts(both: Both) -> list[list[tuple]]:
    """Return the rows of all marts on Redshift."""
    tables = both.redshift.rows(
        "select table_name from information_schema.tables where table_schema = 'marts' "
        "and table_name not like '%__published' order by 1"
    )
    assert len(tables) == 9
    return [
        sorted(rows, key=str)
        for rows in both.redshift.rows_of(f"select * from marts.{t}" for (t,) in tables)
    ]


def test_readers_see_the_marts_of_one_moment(both: Both, lines: list[str]) -> None:
    both.duckdb.write_events("a.csv.gz", lines)
    both.duckdb.dbt("seed")
    both.duckdb.dbt("run", "--vars", "{min_events: 5}")
    both.duckdb.close()
    publish = ("run-operation", "publish_marts", "--args", f"{{warehouse: {both.duckdb.path}}}")
    both.redshift.dbt(*publish)
    compare(both.duckdb.rows_of, both.redshift.rows_of, schema="marts")
    before = all_marts(both)

    with duckdb.connect(str(both.duckdb.path)) as connection:
        connection.execute("update marts.segments set user_count = user_count + 1")
        connection.execute("delete from marts.segment_profiles where segment = 1")
    for moment in ('"segments__staged" values', "to user_segments", "commit"):
        both.redshift.standin.hangs_up = lambda sql, moment=moment: moment in sql
        result, _ = both.redshift.try_dbt(*publish)
        both.redshift.standin.hangs_up = None
        assert not result.success, moment
        assert all_marts(both) == before, moment
    both.redshift.dbt(*publish)
    compare(both.duckdb.rows_of, both.redshift.rows_of, schema="marts")
    assert all_marts(both) != before


def test_marts_are_published_to_redshift_from_a_warehouse_that_is_there(both: Both) -> None:
    result, said = both.duckdb.try_dbt("run-operation", "publish_marts")
    assert not result.success
    assert "expected --target redshift, found duckdb" in said
    missing = both.redshift.folder / "nothing.duckdb"
    result, said = both.redshift.try_dbt(
        "run-operation", "publish_marts", "--args", f"{{warehouse: {missing}}}"
    )
    assert not result.success
    assert str(missing) in said
