"""Whether a warehouse on DuckDB and one on Redshift hold the same."""

import math
from collections.abc import Callable, Iterable

# queries -> the rows of each
RowsOf = Callable[[Iterable[str]], list[list[tuple]]]

# what a load or a run leaves about itself, and what only one of the two has
OF_THE_RUN = {
    *("loaded_at", "changed_at", "withdrawn_at", "recorded_at", "tested_at", "modified_at"),
    *("reload_requested_at", "trained_at", "promoted_at", "born_at", "retired_at"),
    *(
        "invocation_id",
        "content_sha256",
        "size_bytes",
        "refusal_reason",
        "seconds",
        "peak_memory_mb",
    ),
}
TABLES = """
    select table_schema, table_name, list(column_name order by ordinal_position)
    from information_schema.columns
    where table_name != 'tables_made_of' and table_schema like '{schema}'
    group by all
    order by all
"""


class ParityError(Exception):
    """A table is not the same: the message names it and shows the first rows that differ."""


def compare(
    duckdb: RowsOf, redshift: RowsOf, prefix: str = "", schema: str = "%"
) -> dict[str, int]:
    """Compare all tables and views that DuckDB has: floats to 1e-9, everything else exactly.

    Args:
        duckdb: Queries the one warehouse.
        redshift: Queries the other.
        prefix: What the names of the schemas there begin with.
        schema: The schema whose tables are compared; all without it.

    Returns:
        How many rows each has, by schema and name.

    Raises:
        ParityError: A table is not the same.
    """
    (tables,) = duckdb([TABLES.format(schema=schema)])
    selects = [
        (", ".join(column for column in columns if column not in OF_THE_RUN), f"{schema}.{table}")
        for schema, table, columns in tables
    ]
    found = zip(
        selects,
        duckdb(f"select {columns} from {table}" for columns, table in selects),
        redshift(f"select {columns} from {prefix}{table}" for columns, table in selects),
        strict=True,
    )
    counts = {}
    for (columns, table), ours, theirs in found:
        if len(ours) != len(theirs):
            raise ParityError(f"{table} has {len(ours)} rows on DuckDB, {len(theirs)} on Redshift")
        for one, other in zip(sorted(ours, key=_rank), sorted(theirs, key=_rank), strict=True):
            if not all(map(_is_equal, one, other)):
                raise ParityError(
                    f"{table} differs in ({columns}):\nDuckDB   {one}\nRedshift {other}"
                )
        counts[table] = len(ours)
    return counts


def _is_equal(value: object, other: object) -> bool:
    if isinstance(value, float) and isinstance(other, float):
        return math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-12)
    return value == other


def _rank(row: tuple) -> list[str]:
    """Return what a row is sorted by: sums of floats may differ in their last digits."""
    return [f"{value:.6g}" if isinstance(value, float) else str(value) for value in row]
