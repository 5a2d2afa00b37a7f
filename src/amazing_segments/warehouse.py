"""The dbt-duckdb plugin: gives every DuckDB session the secret and the event files."""

import atexit
import os
from pathlib import Path

from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection

from amazing_segments.event_files import DEFAULT_EVENTS, check_event_file, list_event_files


class Plugin(BasePlugin):
    """Loaded by the profile (`plugins: - module: amazing_segments.warehouse`)."""

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Register the SQL functions that the materialization of stg_events calls.

        `list_event_files()` gives the paths, `event_file_size(path)` the bytes,
        `check_event_file(path)` the data lines of a sound file.
        """
        # sqlfluff never closes its connection, and DuckDB then complains at length on the way out
        atexit.register(conn.close)
        conn.create_function("list_event_files", _event_files, [], "varchar[]", side_effects=True)
        conn.create_function("event_file_size", _file_size, side_effects=True)
        conn.create_function("check_event_file", check_event_file, side_effects=True)

    def configure_cursor(self, cursor: DuckDBPyConnection) -> None:
        """Set the session variable that `keyed_hash` reads.

        The secret is bound here, outside dbt, so that it is never part of compiled SQL or logs.
        """
        cursor.execute(
            "set variable amazing_pseudonym_key = ?", [os.environ.get("AMAZING_PSEUDONYM_KEY")]
        )


def _event_files() -> list[str]:
    return list_event_files(os.environ.get("AMAZING_EVENTS", DEFAULT_EVENTS))


def _file_size(path: str) -> int:
    return Path(path).stat().st_size
