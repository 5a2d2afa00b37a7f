"""The dbt-duckdb plugin: gives every DuckDB session the secret and the event files."""

import atexit
import json
import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.duckdb.utils import TargetConfig
from dbt_common.exceptions import DbtRuntimeError
from duckdb import DuckDBPyConnection

from amazing_segments.event_files import (
    DEFAULT_EVENTS,
    EventFileError,
    Part,
    content_sha256,
    list_event_files,
    split_event_file,
)

EVENT_FILES = "struct(path varchar, size_bytes bigint, modified_at timestamp)[]"


class Plugin(BasePlugin):
    """Loaded by the profile (`plugins: - module: amazing_segments.warehouse`)."""

    # each of dbt's threads has a session of its own
    session = threading.local()

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Stop where another process has the warehouse open; called before dbt opens it.

        Raises:
            RuntimeError: The one of DuckDB that names the process, which dbt would otherwise show
                as a page of traceback.
        """
        try:
            duckdb.connect(creds.path, config=config).close()
        except duckdb.IOException as error:
            raise RuntimeError(
                f"the warehouse {creds.path} cannot be opened; if another dbt has it open, wait "
                f"for that one to end. Nothing was changed.\n{error}"
            ) from error

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Register the SQL functions that the materialization of stg_events calls.

        `list_event_files()` gives the files, `content_sha256(path)` the hash of one;
        `open_event_file(path)` begins to read one, `next_event_part()` gives its lines part by
        part, as JSON: nothing in it after the last one, and an error where it cannot be read.
        """
        # sqlfluff never closes its connection, and DuckDB then complains at length on the way out
        atexit.register(conn.close)
        reader = EventFileReader(Path(f"{self.creds.path}.parts"))
        atexit.register(reader.close)
        for name, function, parameters, returned in (
            ("list_event_files", _event_files, [], EVENT_FILES),
            ("content_sha256", content_sha256, ["varchar"], "varchar"),
            ("open_event_file", reader.open, ["varchar"], "boolean"),
            ("next_event_part", reader.next, [], "varchar"),
        ):
            conn.create_function(name, function, parameters, returned, side_effects=True)

    def configure_cursor(self, cursor: DuckDBPyConnection) -> None:
        """Set the session variable that `keyed_hash` reads.

        The secret is bound here, outside dbt, so that it is never part of compiled SQL or logs.
        """
        cursor.execute(
            "set variable amazing_pseudonym_key = ?", [os.environ.get("AMAZING_PSEUDONYM_KEY")]
        )
        self.session.cursor = cursor
        self.session.kept = {}

    def store(self, target_config: TargetConfig) -> None:
        """Keep the rows of a query beside DuckDB, as a view; `adapter.store_relation` calls this.

        Args:
            target_config: Its `relation` names the view, its config has the query. The view has
                the columns of the query and `row_number`, from 0.

        Raises:
            DbtRuntimeError: The query failed.
        """
        name = target_config.relation.identifier
        # before the query, so that the rows of two are not in memory together
        self.session.kept.pop(name, KeptRows()).table = None
        try:
            rows = self.session.cursor.sql(target_config.config["query"]).to_arrow_table()
        except duckdb.Error as error:
            raise DbtRuntimeError(str(error)) from error
        numbers = pa.array(np.arange(rows.num_rows))
        kept = KeptRows(rows.append_column("row_number", numbers))
        self.session.kept[name] = kept
        self.session.cursor.register(name, kept)


@dataclass
class KeptRows:
    """Rows that DuckDB reads as Arrow. A transaction keeps the object to its end, not the rows."""

    table: pa.Table | None = None

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """See https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html."""
        return self.table.__arrow_c_stream__(requested_schema)


class EventFileReader:
    """Reads one event file after another, in a thread, a part ahead of whoever loads them."""

    def __init__(self, folder: Path) -> None:
        """Take a folder for the parts while they are loaded.

        It is emptied before each file and after the last, so that a killed build leaves no raw
        events behind for long.
        """
        self.folder = folder
        self.thread = ThreadPoolExecutor(1)
        self.parts: Iterator[Part] = iter(())
        self.ahead: Future[Part | None] | None = None

    def open(self, path: str) -> bool:
        """Begin to read a file; what is left of the last one is dropped."""
        self.close()
        self.folder.mkdir(mode=0o700)
        self.parts = split_event_file(path, self.folder)
        self.ahead = self.thread.submit(next, self.parts, None)
        return True

    def next(self) -> str:
        """Return the next part as JSON: empty after the last, an error if there is one."""
        # not kept: an error in it would hold the connection that it stopped
        ahead, self.ahead = self.ahead, None
        try:
            part = ahead.result()
        except EventFileError as error:
            self.close()
            return json.dumps({"error": str(error)})
        if part is None:
            self.close()
            return json.dumps({})
        self.ahead = self.thread.submit(next, self.parts, None)
        return json.dumps(asdict(part))

    def close(self) -> None:
        """Stop reading and remove the parts."""
        if self.ahead is not None:
            self.ahead.exception()
            self.ahead = None
        shutil.rmtree(self.folder, ignore_errors=True)


def _event_files() -> list[dict[str, Any]]:
    return [
        asdict(file) for file in list_event_files(os.environ.get("AMAZING_EVENTS", DEFAULT_EVENTS))
    ]
