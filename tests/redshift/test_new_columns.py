"""A table that is history gets the columns of a later release, on DuckDB and on Redshift."""

from contextlib import closing

import duckdb
from both import Both

MEASURES = ("gap", "valid_segment_count", "is_stable")


def execute(both: Both, statement: str) -> None:
    both.duckdb.close()
    with duckdb.connect(str(both.duckdb.path)) as connection:
        connection.execute(statement)
    with closing(both.redshift.standin.connect()) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)


def test_models_from_before_a_measure_keep_null_where_later_ones_have_it(
    both: Both, lines: list[str]
) -> None:
    both.write_events("a.csv.gz", lines)
    both.dbt("seed")
    select = ("--select", "+segmentation_k_selection", "--vars")
    both.dbt("run", *select, "{min_events: 5}")
    for column in MEASURES:
        execute(both, f"alter table segmentation.segmentation_k_selection drop column {column}")
    # a build that trains nothing extends the table already, for the views that read it
    both.dbt("run", *select, "{min_events: 5}")
    both.dbt("run", *select, "{min_events: 5, retrain: always}")
    both.compare()
    counts = ", ".join(f"count({column})" for column in ("k", *MEASURES))
    query = (
        f"select model_version, {counts} from segmentation.segmentation_k_selection "
        "group by model_version order by model_version"
    )
    for warehouse in (both.duckdb, both.redshift):
        assert warehouse.rows(query) == [(1, 11, 0, 0, 0), (2, 11, 11, 11, 11)]
