"""What an operator runs first on a cluster: a small warehouse of its own, compared and dropped."""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import boto3
import duckdb
import redshift_connector
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.adapters.factory import get_adapter_by_type
from dbt.adapters.redshift.connections import get_connection_method
from dbt.cli.main import dbtRunner

from amazing_segments.parity import ParityError, compare
from amazing_segments.sample_events import write_sample_events
from dbt.adapters.redshiftpy.exchange import objects_below

SAMPLE = {"users": 300, "start": date(2019, 10, 1), "months": 2, "seed": 1}
DATA = ("--exclude-resource-type", "unit_test")
BUILD = ("build", *DATA)
RETRAIN = ("build", *DATA, "--select", "segmentation_sample+", "--vars", "{retrain: always}")

Connect = Callable[[], redshift_connector.Connection]


class SmokeError(Exception):
    """The message says which step failed; dbt has said why."""


# what a cluster or its surroundings can have against the test
FAILURES = (
    SmokeError,
    ParityError,
    Boto3Error,
    BotoCoreError,
    ClientError,
    redshift_connector.Error,
)


def redshift_smoke(target: str) -> None:
    """Build a sample on DuckDB and on Redshift and compare all tables.

    Schemas and the folder below REDSHIFT_STAGING bear the name of the run, and are removed at its
    end. The process is to end then too: variables of its environment are set.

    Args:
        target: One of type redshiftpy that takes its schema from REDSHIFT_SCHEMA.

    Raises:
        FAILURES: A step failed, S3 or Redshift refused something, or a table is not the same.
    """
    staging = os.environ.get("REDSHIFT_STAGING", "").rstrip("/")
    if not staging.startswith("s3://"):
        raise SmokeError(f"REDSHIFT_STAGING is {staging!r}; expected s3://bucket/prefix")
    name = f"amazing_smoke_{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory(prefix=name) as folder, _files_of(f"{staging}/{name}") as put:
        warehouse, events = f"{folder}/warehouse.duckdb", Path(folder, "events")
        os.environ |= {
            "AMAZING_EVENTS": f"{staging}/{name}/events/",
            "AMAZING_PSEUDONYM_KEY": secrets.token_hex(32),
            "AMAZING_WAREHOUSE": warehouse,
            "DBT_LOG_PATH": f"{folder}/logs",
            "DBT_TARGET_PATH": f"{folder}/target",
            "REDSHIFT_SCHEMA": name,
        }
        _dbt("Connect", "debug", "--target", target)
        connect = _connect(target, name)
        with _schemas_of(name, connect):
            for file in write_sample_events(**SAMPLE, out=events).files:
                put(file, f"events/{file.name}")
            _dbt("Build on Redshift, Python models over S3", *BUILD, "--target", target)
            os.environ["REDSHIFT_STAGING"] = ""
            _dbt(
                "Train on Redshift, Python models over the connection", *RETRAIN, "--target", target
            )
            os.environ |= {"AMAZING_EVENTS": str(events), "REDSHIFT_STAGING": staging}
            _dbt("Build on DuckDB", *BUILD, "--target", "duckdb")
            _dbt("Train on DuckDB", *RETRAIN, "--target", "duckdb")
            _compare(warehouse, connect, f"{name}_")
            # beside the marts that are there
            os.environ["REDSHIFT_SCHEMA"] = f"{name}_results"
            publish = ("run-operation", "publish_marts", "--target", target)
            _dbt("Publish the marts of DuckDB", *publish)
            _compare(warehouse, connect, f"{name}_results_", "marts")


def _dbt(step: str, *arguments: str) -> Any:
    print(f"{step}: dbt {' '.join(arguments)}", flush=True)
    result = dbtRunner().invoke(["--quiet", *arguments])
    # the adapter keeps the file open for the next command of this process
    DuckDBConnectionManager.close_all_connections()
    if not result.success:
        raise SmokeError(f"{step} failed. {result.exception or ''}")
    return result.result


def _connect(target: str, name: str) -> Connect:
    """Return how to connect as the target does, once it is clear that it builds aside."""
    manifest = _dbt("Read the project", "parse", "--target", target)
    if not all(node.schema.startswith(name) for node in manifest.nodes.values()):
        raise SmokeError(
            f"target {target} does not take its schema from REDSHIFT_SCHEMA: the test would build "
            "among other tables. Expected what profiles.yml.example has; nothing was built."
        )
    return get_connection_method(get_adapter_by_type("redshiftpy").config.credentials)


def _compare(warehouse: str, connect: Connect, prefix: str, schema: str = "%") -> None:
    def duckdb_rows(queries: Iterable[str]) -> list[list[tuple]]:
        with duckdb.connect(warehouse, read_only=True) as connection:
            return [connection.execute(query).fetchall() for query in queries]

    def redshift_rows(queries: Iterable[str]) -> list[list[tuple]]:
        found = []
        with closing(connect()) as connection, connection.cursor() as cursor:
            for query in queries:
                cursor.execute(query)
                found.append([tuple(row) for row in cursor.fetchall()])
        return found

    counts = compare(duckdb_rows, redshift_rows, prefix, schema)
    print(f"Equal to DuckDB: {len(counts)} tables, {sum(counts.values()):,} rows", flush=True)


@contextmanager
def _files_of(url: str) -> Iterator[Callable[[Path, str], None]]:
    """Give a function that uploads a file below an address in S3; all there goes at the end."""
    client, place = boto3.client("s3"), urlparse(url)
    prefix = place.path.lstrip("/") + "/"
    try:
        yield lambda path, key: client.upload_file(str(path), place.netloc, prefix + key)
    finally:
        for found in list(objects_below(client, place.netloc, prefix)):
            client.delete_object(Bucket=place.netloc, Key=found["Key"])


@contextmanager
def _schemas_of(name: str, connect: Connect) -> Iterator[None]:
    """Drop the schemas of the run at the end."""
    try:
        yield
    finally:
        with closing(connect()) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(f"select nspname from pg_namespace where nspname like '{name}%'")
            schemas = [schema for (schema,) in cursor.fetchall()]
            for schema in schemas:
                cursor.execute(f'drop schema "{schema}" cascade')
        print(f"Dropped {len(schemas)} schemas {name}_*", flush=True)
