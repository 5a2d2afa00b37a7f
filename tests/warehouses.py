"""Warehouses of their own for tests: each has its events, key, profile and dbt artifacts."""

import gc
import gzip
import shutil
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import duckdb
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

PROJECT = Path(__file__).parents[1]
KEY = "a key for tests, of more than 32 characters"
HEADER = (
    "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
)


class Warehouse:
    """A DuckDB warehouse in a folder, built by dbt in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events = folder / "events"
        self.events.mkdir()
        self.path = folder / "warehouse.duckdb"
        shutil.copy(PROJECT / "profiles.yml.example", folder / "profiles.yml")

    def dbt(self, *arguments: str, key: str | None = KEY, events: str | None = None) -> str:
        """Run a dbt command that succeeds or raises; return what it said."""
        result, said = self.try_dbt(*arguments, key=key, events=events)
        assert result.success, said
        return said

    def try_dbt(
        self, *arguments: str, key: str | None = KEY, events: str | None = None
    ) -> tuple[dbtRunnerResult, str]:
        """Run a dbt command; return its result and what it said."""
        said: list[str] = []
        environment = {
            "AMAZING_EVENTS": events or str(self.events),
            "AMAZING_WAREHOUSE": str(self.path),
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.delenv("AMAZING_PSEUDONYM_KEY", raising=False)
            if key is not None:
                patch.setenv("AMAZING_PSEUDONYM_KEY", key)
            result = self.invoke(
                [
                    *("--quiet", "--warn-error", *arguments),
                    *("--project-dir", str(PROJECT), "--profiles-dir", str(self.folder)),
                ],
                lambda event: event.info.level != "debug" and said.append(event.info.msg),
            )
        if result.exception:
            said.append(str(result.exception))
        if not result.success:
            # the frames of the failure hold its connection, and that the file
            gc.collect()
        return result, "\n".join(said)

    def invoke(self, arguments: list[str], callback: Callable) -> dbtRunnerResult:
        result = dbtRunner(callbacks=[callback]).invoke(arguments)
        # the adapter keeps the file open for the next command of this process
        DuckDBConnectionManager.close_all_connections()
        return result

    def load(self, *more: str) -> str:
        """Build everything up to the users' features."""
        return self.dbt("run", "--select", "+user_features", "feature_catalogue", *more)

    def rows(self, query: str) -> list[tuple]:
        return self.rows_of([query])[0]

    def rows_of(self, queries: Iterable[str]) -> list[list[tuple]]:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return [connection.execute(query).fetchall() for query in queries]

    def write_events(self, name: str, lines: list[str], end: str = "\n") -> Path:
        """Write an event file of these lines under the right header."""
        path = self.events / name
        text = "".join(line + end for line in [HEADER, *lines]).encode()
        path.write_bytes(gzip.compress(text, mtime=0) if name.endswith(".gz") else text)
        return path


class QuickWarehouse(Warehouse):
    """A warehouse for many small builds: what a build costs whatever its data is left out.

    The project is parsed once per process, target and set of variables; artifacts, logs and
    comments are not written, and the file stays open between commands, until `close`.
    """

    manifests: ClassVar[dict[tuple[str, ...], Manifest]] = {}

    def invoke(self, arguments: list[str], callback: Callable) -> dbtRunnerResult:
        options = parsing_options(arguments)
        if options not in self.manifests:
            parsed = dbtRunner(callbacks=[callback]).invoke(
                [*arguments[:2], "parse", *options, *arguments[-4:]]
            )
            if not parsed.success:
                return parsed
            for node in parsed.result.nodes.values():
                node.config.persist_docs = {}
            self.manifests[options] = parsed.result
        return dbtRunner(self.manifests[options], [callback]).invoke(
            ["--no-write-json", "--log-level-file", "none", *arguments]
        )

    def close(self) -> None:
        DuckDBConnectionManager.close_all_connections()

    def execute(self, statement: str) -> None:
        self.close()
        with duckdb.connect(str(self.path)) as connection:
            connection.execute(statement)

    def rows_of(self, queries: Iterable[str]) -> list[list[tuple]]:
        self.close()
        return super().rows_of(queries)


def parsing_options(arguments: list[str]) -> tuple[str, ...]:
    """Return the options of a dbt command that change how the project is parsed."""
    pairs = [pair for pair in pairwise(arguments) if pair[0] in ("--target", "--vars")]
    return tuple(word for pair in pairs for word in pair)
