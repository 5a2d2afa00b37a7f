"""A warehouse on DuckDB and one on the stand-in, which get the same."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import boto3
from dbt.cli.main import dbtRunnerResult
from standin import RedshiftStandin
from warehouses import KEY, QuickWarehouse

from amazing_segments.parity import compare

SCHEMAS = ("landing", "secrets", "reference", "staging", "intermediate", "segmentation", "marts")


class RedshiftWarehouse(QuickWarehouse):
    """A warehouse in the stand-in, which reads what lies in a folder of S3."""

    def __init__(self, folder: Path, standin: RedshiftStandin) -> None:
        super().__init__(folder)
        self.standin = standin

    def try_dbt(
        self, *arguments: str, key: str | None = KEY, events: str | None = None
    ) -> tuple[dbtRunnerResult, str]:
        client = boto3.client("s3")
        for file in self.events.iterdir():
            client.upload_file(str(file), "lake", f"events/{file.name}")
        return super().try_dbt(
            *arguments, "--target", "redshift", key=key, events=events or "s3://lake/events/"
        )

    def rows_of(self, queries: Iterable[str]) -> list[list[tuple]]:
        found = []
        with closing(self.standin.connect()) as connection, connection.cursor() as cursor:
            for query in queries:
                cursor.execute(query)
                found.append(cursor.fetchall())
        return found

    def execute(self, statement: str) -> None:
        with closing(self.standin.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def drop(self) -> None:
        with closing(self.standin.connect()) as connection, connection.cursor() as cursor:
            for schema in SCHEMAS:
                cursor.execute(f"drop schema if exists {schema} cascade")
        client = boto3.client("s3")
        for found in client.list_objects_v2(Bucket="lake").get("Contents", ()):
            client.delete_object(Bucket="lake", Key=found["Key"])


class Both:
    """A warehouse on DuckDB and one on Redshift, which get the same."""

    def __init__(self, folder: Path, standin: RedshiftStandin) -> None:
        for name in ("duckdb", "redshift"):
            (folder / name).mkdir()
        self.duckdb = QuickWarehouse(folder / "duckdb")
        self.redshift = RedshiftWarehouse(folder / "redshift", standin)

    def write_events(self, name: str, lines: list[str], end: str = "\n") -> None:
        for warehouse in (self.duckdb, self.redshift):
            warehouse.write_events(name, lines, end)

    def dbt(self, *arguments: str) -> None:
        for warehouse in (self.duckdb, self.redshift):
            warehouse.dbt(*arguments)

    def execute(self, statement: str) -> None:
        """Change both by hand."""
        for warehouse in (self.duckdb, self.redshift):
            warehouse.execute(statement)

    def fails(self, *arguments: str) -> list[str]:
        results = [w.try_dbt(*arguments) for w in (self.duckdb, self.redshift)]
        assert not any(result.success for result, _ in results)
        return [said for _, said in results]

    def compare(self) -> dict[str, int]:
        """Compare all tables and views; return how many rows each has."""
        return compare(self.duckdb.rows_of, self.redshift.rows_of)
