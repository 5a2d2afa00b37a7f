"""The table of segments as text."""

import duckdb

QUERY = """
    select
        persona_name_en as persona,
        format('{:,}', user_count) as users,
        format('{:.1f} %', 100 * user_share) as "of users",
        format('{:.1f} %', 100 * revenue_share) as "of revenue",
        coalesce(sets_apart_en, '') as "what sets it apart"
    from marts.segments
    order by segment = 0, user_count desc, segment
"""


def segments_table(warehouse: str) -> str:
    """Return the segments of a DuckDB warehouse as an aligned table, the largest first.

    Raises:
        duckdb.Error: There is no such warehouse, or it has no segments yet.
    """
    with duckdb.connect(warehouse, read_only=True) as connection:
        cursor = connection.execute(QUERY)
        header = tuple(column[0] for column in cursor.description)
        rows = [header, *cursor.fetchall()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    rows.insert(1, tuple("-" * width for width in widths))
    lines = []
    for row in rows:
        # numbers to the right, words to the left
        cells = [
            cell.rjust(width) if i in (1, 2, 3) else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
