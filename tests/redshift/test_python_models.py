"""dbt Python models on Redshift: the adapter alone, without this product's project."""

import re

import pytest
from projects import Project
from standin import RedshiftStandin

# every type that both sides have, with its extremes, with nulls, and with nothing but nulls
TYPED = """
    select
        cast(-32768 as smallint) as a_smallint,
        cast(-2147483648 as integer) as an_integer,
        cast(9223372036854775807 as bigint) as a_bigint,
        cast(0.1 as real) as a_real,
        cast(0.1 as double precision) as a_double,
        cast(999999999.99 as numeric(11, 2)) as money,
        cast('12345678901234567890123456789012345.678' as numeric(38, 3)) as a_wide_numeric,
        true as a_boolean,
        cast('1969-12-31' as date) as a_date,
        cast('2020-02-29 23:59:59.123456' as timestamp) as a_timestamp,
        cast('2020-02-29 23:59:59.123456+02' as timestamptz) as a_moment,
        cast('' as varchar(10)) as a_text,
        cast('Ünïcode, "quoted"' as varchar(200)) as a_name,
        cast(null as bigint) as only_nulls,
        cast(1 as integer) as place
    union all
    select
        cast(null as smallint), cast(null as integer), cast(null as bigint), cast(null as real),
        cast(null as double precision), cast(null as numeric(11, 2)), cast(null as numeric(38, 3)),
        cast(null as boolean), cast(null as date), cast(null as timestamp),
        cast(null as timestamptz), cast(null as varchar(10)), cast(null as varchar(200)),
        cast(null as bigint), cast(2 as integer)
    union all
    select
        cast(32767 as smallint), cast(2147483647 as integer),
        cast(-9223372036854775807 as bigint), cast(-1.5e-30 as real),
        cast(1.7976931348623157e308 as double precision), cast(-0.01 as numeric(11, 2)),
        cast(0 as numeric(38, 3)), false, cast('9999-12-31' as date),
        cast('2000-01-01' as timestamp), cast('1970-01-01 00:00:00+00' as timestamptz),
        cast('null' as varchar(10)), cast('line' || chr(10) || 'and \\\\ back' as varchar(200)),
        cast(null as bigint), cast(3 as integer)
"""
COPIED = """
    def model(dbt, session):
        dbt.config(materialized="table")
        return dbt.ref("typed")
"""
COLUMNS = """
    select column_name, data_type, numeric_precision, numeric_scale
    from information_schema.columns where table_name = '{}' and table_schema = '{}'
    order by ordinal_position
"""


@pytest.fixture
def typed(project: Project) -> Project:
    project.write("models/typed.sql", "{{ config(materialized='table') }}" + TYPED)
    return project


both_ways = pytest.mark.usefixtures("way")


@pytest.fixture(autouse=True)
def nothing_is_left_in_s3(standin: RedshiftStandin):
    yield
    assert standin.bucket.client.list_objects_v2(Bucket="lake")["KeyCount"] == 0


def test_values_and_types_come_and_go_unchanged(typed: Project, way: str) -> None:
    typed.write("models/copied.py", COPIED)
    typed.run()
    query = "select * from {} order by place"
    assert typed.rows(query.format("copied")) == typed.rows(query.format("typed"))
    assert typed.rows(COLUMNS.format("copied", typed.schema)) == typed.rows(
        COLUMNS.format("typed", typed.schema)
    )
    said = " ".join(sent for sent, _ in typed.standin.statements[-60:]).lower()
    assert ("unload (" in said) == (way == "bucket")


@pytest.mark.parametrize(
    "returned", ["relation", "relation.df()", "relation.to_arrow_table()", "session.sql('from t')"]
)
@both_ways
def test_a_model_returns_what_duckdb_reads(project: Project, returned: str) -> None:
    project.write(
        "models/made.py",
        f"""
        def model(dbt, session):
            dbt.config(materialized="table")
            session.execute("create table t as select 7 as seven, 'é' as letter")
            relation = session.table("t")
            return {returned}
        """,
    )
    project.run()
    assert project.rows("select seven, letter from made") == [(7, "é")]


@both_ways
def test_rows_of_many_fetches_and_inserts(project: Project) -> None:
    project.write(
        "models/many.py",
        """
        def model(dbt, session):
            dbt.config(materialized="table")
            return session.sql(
                "select range as number, case when range % 3 > 0 then 'n' || range end as name "
                "from range(5432)"
            )
        """,
    )
    project.write(
        "models/sums.py",
        """
        def model(dbt, session):
            dbt.config(materialized="table")
            many = dbt.ref("many")
            totals = many.aggregate("count(*) as rows, sum(number) as total, count(name) as names")
            # another relation, with another number of columns
            return totals.cross(dbt.ref("one"))
        """,
    )
    project.write("models/one.sql", "select cast(1 as bigint) as one")
    before = len(project.standin.statements)
    project.run()
    assert project.rows("select * from sums") == [(5432, 5432 * 5431 // 2, 3621, 1)]
    inserts = [sent for sent, _ in project.standin.statements[before:] if "insert into" in sent]
    # one for all full batches and one for the last: no more plans than that are kept
    assert len(set(inserts)) <= 3


@both_ways
def test_many_columns(project: Project) -> None:
    project.write(
        "models/wide.py",
        """
        def model(dbt, session):
            dbt.config(materialized="table")
            columns = ", ".join(f"range + {n} as n{n}" for n in range(60))
            return session.sql(f"select {columns} from range(1200)")
        """,
    )
    project.run()
    assert project.rows("select count(*), sum(n0), sum(n59) from wide") == [
        (1200, 1200 * 1199 // 2, 1200 * 1199 // 2 + 1200 * 59)
    ]


@both_ways
def test_no_rows(project: Project) -> None:
    project.write(
        "models/none.sql",
        "{{ config(materialized='table') }} select cast(1 as bigint) as a, "
        "cast('x' as varchar(5)) as b where false",
    )
    project.write(
        "models/still_none.py",
        """
        def model(dbt, session):
            dbt.config(materialized="table")
            return dbt.ref("none")
        """,
    )
    project.run()
    assert project.rows("select * from still_none") == []


@both_ways
def test_an_incremental_model_reads_itself(project: Project) -> None:
    project.write(
        "models/versions.py",
        """
        def model(dbt, session):
            dbt.config(materialized="incremental", incremental_strategy="append")
            if not dbt.is_incremental:
                return session.sql("select 1 as version")
            return session.sql(f"select max(version) + 1 as version from {dbt.this}")
        """,
    )
    project.run()
    project.run()
    project.run()
    assert project.rows("select version from versions order by version") == [(1,), (2,), (3,)]
    project.run("--full-refresh")
    assert project.rows("select version from versions") == [(1,)]


@both_ways
def test_delete_insert_replaces_by_key(project: Project) -> None:
    project.write(
        "models/latest.py",
        """
        def model(dbt, session):
            dbt.config(
                materialized="incremental", incremental_strategy="delete+insert", unique_key="id"
            )
            value = "new, and longer than before: " + "x" * 100 if dbt.is_incremental else "old"
            return session.sql(f"select 1 as id, '{value}' as value union all select 2, 'same'")
        """,
    )
    project.run()
    project.run()
    ((first,), (second,)) = project.rows("select value from latest order by id")
    assert first.startswith("new") and len(first) > 100 and second == "same"


def test_what_dbt_redshift_does_with_tables_it_does_with_these(project: Project) -> None:
    project.write(
        "models/made.py",
        """
        def model(dbt, session):
            dbt.config(materialized="table", dist="id", sort=["id", "name"])
            return session.sql("select 1 as id, 'a' as name")
        """,
    )
    project.write(
        "models/made.yml",
        """
        models:
          - name: made
            description: A table of one row.
            config:
              persist_docs: {relation: true}
              post_hook: create table {{ this.schema }}.hooked as select 1 as c from {{ this }}
        """,
    )
    before = len(project.standin.statements)
    project.run()
    created = [s for s, _ in project.standin.statements[before:] if "distkey (id)" in s.lower()]
    assert len(created) == 1
    assert re.search(r"compound sortkey\(\s*id,\s*name\s*\)", created[0])
    assert project.rows("select c from hooked") == [(1,)]
    assert project.rows(f"select obj_description('{project.schema}.made'::regclass)") == [
        ("A table of one row.",)
    ]


@both_ways
def test_a_failure_shows_the_models_own_traceback(typed: Project) -> None:
    typed.write(
        "models/wrong.py",
        """
        def share(rows):
            return 1 / len(rows)


        def model(dbt, session):
            dbt.config(materialized="table")
            return share(dbt.ref("typed").filter("place > 3").fetchall())
        """,
    )
    said = typed.fails()
    assert "ZeroDivisionError: division by zero" in said
    assert 'models/wrong.py", line 7, in model' in said
    assert 'models/wrong.py", line 2, in share' in said
    assert "exchange.py" not in said and "python_model.py" not in said
    # and the next run is none the worse for it
    typed.run("--select", "typed")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("[1, 2] as several", r"column several has type INTEGER\[\], which Redshift has not"),
        ("repeat('é', 40000) as long", "column long has a text of 80,000 bytes"),
        ("timestamp_ns '2020-01-01' as fine", "column fine has type TIMESTAMP_NS.*microseconds"),
    ],
)
@both_ways
def test_what_redshift_cannot_hold_is_named(
    project: Project, expression: str, expected: str
) -> None:
    project.write(
        "models/made.py",
        f"""
        def model(dbt, session):
            dbt.config(materialized="table")
            return session.sql("select {expression}")
        """,
    )
    assert re.search(expected, project.fails())


@both_ways
def test_what_duckdb_cannot_hold_is_named(typed: Project) -> None:
    typed.write("models/typed.sql", "select cast('1 02:00:00' as interval day to second) as lasted")
    typed.write("models/copied.py", COPIED)
    said = typed.fails()
    assert re.search(r'models/copied.py: column lasted of "dev".*"typed" has type interval', said)
    assert "Traceback" not in said


def test_a_model_that_returns_no_table(project: Project) -> None:
    project.write(
        "models/made.py",
        """
        def model(dbt, session):
            dbt.config(materialized="table")
            return 7
        """,
    )
    assert "the model returned a int; expected a DuckDB relation" in project.fails()


@pytest.mark.parametrize("staging", ["https://lake/staging", "lake/staging", "s3://"])
def test_a_profile_with_no_address_in_s3(
    project: Project, monkeypatch: pytest.MonkeyPatch, staging: str
) -> None:
    monkeypatch.setenv("REDSHIFT_STAGING", staging)
    project.write("models/one.sql", "select 1 as one")
    assert f"s3_staging_dir is '{staging}'; expected s3://bucket/prefix" in project.fails()


def test_one_model_runs_at_a_time(project: Project) -> None:
    for name in ("one", "other"):
        project.write(
            f"models/{name}.py",
            """
            import time

            def model(dbt, session):
                dbt.config(materialized="table")
                began = time.monotonic()
                time.sleep(0.5)
                return session.sql(f"select {began} as began, {time.monotonic()} as ended")
            """,
        )
    project.run("--threads", "2")
    (_, first_ended), (second_began, _) = project.rows(
        "select began, ended from one union all select began, ended from other order by began"
    )
    assert first_ended <= second_began
