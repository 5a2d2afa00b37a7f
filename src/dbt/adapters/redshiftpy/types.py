"""Which column types of Redshift and DuckDB stand for each other, exactly."""

import re
from dataclasses import dataclass

# As https://docs.aws.amazon.com/redshift/latest/dg/c_Supported_data_types.html names them.
TO_DUCKDB = {
    "smallint": "smallint",
    "integer": "integer",
    "bigint": "bigint",
    "real": "real",
    "double precision": "double",
    "boolean": "boolean",
    "date": "date",
    "time without time zone": "time",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamp with time zone",
    "character": "varchar",
    "character varying": "varchar",
}
# DuckDB's type -> Redshift's, and DuckDB's own that stores it alike
TO_REDSHIFT = {
    "BOOLEAN": ("boolean", "boolean"),
    "TINYINT": ("smallint", "smallint"),
    "SMALLINT": ("smallint", "smallint"),
    "INTEGER": ("integer", "integer"),
    "BIGINT": ("bigint", "bigint"),
    "UTINYINT": ("smallint", "smallint"),
    "USMALLINT": ("integer", "integer"),
    "UINTEGER": ("bigint", "bigint"),
    "UBIGINT": ("numeric(20, 0)", "decimal(20, 0)"),
    # what DuckDB makes of a sum of whole numbers; beyond 38 digits the cast fails
    "HUGEINT": ("numeric(38, 0)", "decimal(38, 0)"),
    "FLOAT": ("real", "real"),
    "DOUBLE": ("double precision", "double"),
    "DATE": ("date", "date"),
    "TIME": ("time", "time"),
    "TIMESTAMP": ("timestamp", "timestamp"),
    "TIMESTAMP_S": ("timestamp", "timestamp"),
    "TIMESTAMP_MS": ("timestamp", "timestamp"),
    "TIMESTAMP WITH TIME ZONE": ("timestamptz", "timestamp with time zone"),
    "UUID": ("varchar(36)", "varchar"),
}
PRECISION = re.compile(r"(?:numeric|decimal)\s*\((\d+),\s*(\d+)\)", re.IGNORECASE)
VARCHAR_BYTES = 65535


class UnsupportedColumnError(ValueError):
    """A column that the other side cannot hold: the message names it."""


@dataclass(frozen=True)
class ResultColumn:
    """A column on its way to Redshift.

    Attributes:
        name: Its name.
        redshift_type: The type it gets there.
        stored_as: The type of DuckDB that has the same values.
        most_bytes: Bytes of its longest value, written as text.
    """

    name: str
    redshift_type: str
    stored_as: str
    most_bytes: int


def duckdb_type(relation: str, name: str, redshift_type: str) -> str:
    """Return the type of DuckDB that has the values of one of Redshift.

    Raises:
        UnsupportedColumnError: There is none.
    """
    bare = re.sub(r"^(character(?: varying)?)\s*\(\d+\)$", r"\1", redshift_type.lower())
    if bare in TO_DUCKDB:
        return TO_DUCKDB[bare]
    if match := PRECISION.fullmatch(bare):
        return f"decimal({match[1]}, {match[2]})"
    raise UnsupportedColumnError(
        f"column {name} of {relation} has type {redshift_type}, which Python models cannot read: "
        "select another type of it in a model between"
    )


def result_column(name: str, duckdb_type: str, most_bytes: int) -> ResultColumn:
    """Return a column of a model's result as Redshift is to have it.

    Args:
        name: Its name.
        duckdb_type: Its type, as DuckDB writes it.
        most_bytes: Bytes of its longest value, written as text.

    Raises:
        UnsupportedColumnError: Redshift has no such type, or a text is too long for it.
    """
    if duckdb_type in TO_REDSHIFT:
        return ResultColumn(name, *TO_REDSHIFT[duckdb_type], most_bytes)
    if match := PRECISION.fullmatch(duckdb_type):
        return ResultColumn(
            name, f"numeric({match[1]}, {match[2]})", duckdb_type.lower(), most_bytes
        )
    if duckdb_type == "VARCHAR" or duckdb_type.startswith("ENUM"):
        if most_bytes > VARCHAR_BYTES:
            raise UnsupportedColumnError(
                f"column {name} has a text of {most_bytes:,} bytes; Redshift takes "
                f"{VARCHAR_BYTES:,}"
            )
        # few different lengths, so that a later run seldom has to widen the column
        length = min(max(64, 1 << (most_bytes - 1).bit_length()), VARCHAR_BYTES)
        return ResultColumn(name, f"varchar({length})", "varchar", most_bytes)
    hint = "round it to microseconds" if duckdb_type == "TIMESTAMP_NS" else "return another type"
    raise UnsupportedColumnError(
        f"column {name} has type {duckdb_type}, which Redshift has not: {hint}"
    )
