"""Run a dbt Python model, written for dbt-duckdb, on tables of Redshift.

As there, `dbt.ref()` gives a DuckDB relation and `session` is a DuckDB connection. It knows what
the model has asked for with `dbt.ref()` and `dbt.source()`, and `dbt.this` in an incremental run,
by the names they have on Redshift.
"""

import re
import threading
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
from dbt_common.exceptions import DbtRuntimeError
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from dbt.adapters.redshiftpy.exchange import Exchange, quoted
from dbt.adapters.redshiftpy.types import (
    ResultColumn,
    UnsupportedColumnError,
    duckdb_type,
    result_column,
)

# relation -> its columns: names and types, as Redshift writes them
Describe = Callable[[str], list[tuple[str, str]]]

NAMES = re.compile(r'"((?:[^"]|"")+)"')
RESULT = "memory.main.dbt_python_result"
# dbt's threads run models side by side, but what a model limits is the process: one that asks for a
# single thread of BLAS would lose it where another one ends. And each holds its tables.
ONE_AT_A_TIME = threading.Lock()


class ModelError(Exception):
    """The model's own code failed: the message says how."""


def run_python_model(
    parsed_model: dict[str, Any],
    compiled_code: str,
    exchange: Exchange,
    describe: Describe,
    local: Path,
) -> str:
    """Run a model and return the name of a temporary table with its result, quoted.

    One model at a time, whatever the number of dbt's threads.

    Args:
        parsed_model: dbt's node.
        compiled_code: Its code and what dbt adds to it.
        exchange: Brings tables from and to Redshift.
        describe: Tells a relation's columns.
        local: A folder for what DuckDB spills.

    Raises:
        ModelError: The model's code failed, or returned no table.
        UnsupportedColumnError: A column that the other side cannot hold.
        DbtRuntimeError: Redshift refused a statement.
    """
    with ONE_AT_A_TIME, duckdb.connect(":memory:") as session:
        session.execute(f"set temp_directory = '{local / 'spill'}'")
        session.execute("set TimeZone = 'UTC'")
        known: dict[str, DuckDBPyRelation] = {}

        def load(relation: str) -> DuckDBPyRelation:
            if relation not in known:
                known[relation] = read(relation, exchange, describe, session)
            return known[relation]

        returned = run_code(parsed_model, compiled_code, load, session)
        keep(returned, session)
        return stage(RESULT, f"{parsed_model['alias'][:100]}__dbt_py", exchange, session)


def stage(table: str, name: str, exchange: Exchange, session: DuckDBPyConnection) -> str:
    """Bring a table of the session to Redshift and return the temporary table there, quoted.

    Args:
        table: The table or view, quoted.
        name: What the temporary table is to be called.
        exchange: Brings tables from and to Redshift.
        session: Has the table.

    Raises:
        UnsupportedColumnError: Redshift cannot hold a column.
        DbtRuntimeError: It refused a statement.
    """
    columns = columns_of(table, session)
    staging = quoted(name)
    definitions = ", ".join(f"{quoted(c.name)} {c.redshift_type}" for c in columns)
    exchange.execute(f"drop table if exists {staging}")
    exchange.execute(f"create temporary table {staging} ({definitions})")
    exchange.write(table, columns, session, staging)
    return staging


def read(
    relation: str, exchange: Exchange, describe: Describe, session: DuckDBPyConnection
) -> DuckDBPyRelation:
    """Bring a relation into the session, where it has the same three names."""
    database, schema, _ = NAMES.findall(relation)
    session.execute(f"attach if not exists ':memory:' as \"{database}\"")
    session.execute(f'create schema if not exists "{database}"."{schema}"')
    columns = {name: duckdb_type(relation, name, kind) for name, kind in describe(relation)}
    exchange.read(relation, columns, session)
    return session.table(relation)


def run_code(
    parsed_model: dict[str, Any],
    compiled_code: str,
    load: Callable[[str], DuckDBPyRelation],
    session: DuckDBPyConnection,
) -> Any:
    """Call `model(dbt, session)` and return what it returns."""
    path = parsed_model["original_file_path"]
    module = types.ModuleType(parsed_model["name"])
    try:
        exec(compile(compiled_code, path, "exec"), module.__dict__)
        dbt = module.dbtObj(load)
        # read before the model asks: it does so by name, in SQL
        if dbt.is_incremental and re.search(r"\bdbt\.this\b", parsed_model["raw_code"]):
            load(str(dbt.this))
        return module.model(dbt, session)
    except (UnsupportedColumnError, DbtRuntimeError):
        raise
    except Exception as error:
        raise ModelError(own_traceback(error, path)) from error


def own_traceback(error: Exception, path: str) -> str:
    """Return a traceback from the model's first line on, or all of it if it has none there."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))


def keep(returned: Any, session: DuckDBPyConnection) -> None:
    """Make what the model returned a table of the session.

    Raises:
        ModelError: It is neither a DuckDB relation nor anything that DuckDB reads as one.
    """
    if isinstance(returned, DuckDBPyRelation):
        returned.create(RESULT)
        return
    try:
        session.register("dbt_python_returned", returned)
    except duckdb.InvalidInputException as error:
        raise ModelError(
            f"the model returned a {type(returned).__name__}; expected a DuckDB relation, a "
            "DataFrame or an Arrow table"
        ) from error
    session.execute(f"create table {RESULT} as select * from dbt_python_returned")


def columns_of(table: str, session: DuckDBPyConnection) -> list[ResultColumn]:
    """Return the columns of a table as Redshift is to have them."""
    described = session.execute(f"describe {table}").fetchall()
    lengths = ", ".join(
        f"max(octet_length(encode(cast({quoted(name)} as varchar))))" for name, *_ in described
    )
    most_bytes = session.execute(f"select {lengths} from {table}").fetchall()[0]
    return [
        result_column(name, kind, longest or 0)
        for (name, kind, *_), longest in zip(described, most_bytes, strict=True)
    ]
