"""The adapter: what dbt-redshift's does, and Python models."""

import itertools
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import duckdb
from dbt.adapters.base.meta import available
from dbt.adapters.redshift.connections import RedshiftConnectionManager, RedshiftCredentials
from dbt.adapters.redshift.impl import RedshiftAdapter
from dbt_common.exceptions import DbtDatabaseError, DbtRuntimeError

from dbt.adapters.redshiftpy.exchange import (
    BucketExchange,
    Exchange,
    WireExchange,
    objects_below,
    quoted,
)
from dbt.adapters.redshiftpy.python_model import NAMES, ModelError, run_python_model, stage
from dbt.adapters.redshiftpy.types import UnsupportedColumnError


@dataclass
class RedshiftpyCredentials(RedshiftCredentials):
    """The profile: that of dbt-redshift and two fields.

    Attributes:
        s3_staging_dir: Where Python models exchange Parquet with the cluster: "s3://bucket/prefix".
            Without it they use a cursor and inserts.
        s3_iam_role: The role with which the cluster reads and writes there: an ARN, or "default"
            for the cluster's default role.
    """

    s3_staging_dir: str | None = None
    s3_iam_role: str = "default"

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            DbtRuntimeError: `s3_staging_dir` is no address in S3, or `s3_iam_role` no role.
        """
        url = urlparse(self.s3_staging_dir or "s3://none")
        if url.scheme != "s3" or not url.netloc or "'" in url.geturl():
            raise DbtRuntimeError(
                f"s3_staging_dir is {self.s3_staging_dir!r}; expected s3://bucket/prefix"
            )
        if not re.fullmatch(r"default|arn:[\w+=,.@:/-]+", self.s3_iam_role):
            raise DbtRuntimeError(
                f"s3_iam_role is {self.s3_iam_role!r}; expected the ARN of a role, or default"
            )

    @property
    def type(self) -> str:
        """The name of the adapter."""
        return "redshiftpy"

    def _connection_keys(self) -> tuple[str, ...]:
        return (*super()._connection_keys(), "s3_staging_dir", "s3_iam_role")


class RedshiftpyConnectionManager(RedshiftConnectionManager):
    """That of dbt-redshift."""

    TYPE = "redshiftpy"


class RedshiftpyAdapter(RedshiftAdapter):
    """That of dbt-redshift, with one method more for `create_table_as`."""

    ConnectionManager = RedshiftpyConnectionManager

    @available
    def stage_python_model(self, parsed_model: dict[str, Any], compiled_code: str) -> str:
        """Run a Python model and return the temporary table that holds its result.

        All statements go over dbt's own connection.

        Raises:
            DbtRuntimeError: The model failed, and the message has its own traceback; or it names a
                column that the other side cannot hold; or Redshift refused a statement.
        """
        with tempfile.TemporaryDirectory(prefix="dbt-redshiftpy-") as folder:
            exchange = self._exchange(Path(folder))
            try:
                return run_python_model(
                    parsed_model, compiled_code, exchange, self._columns, Path(folder)
                )
            except (ModelError, UnsupportedColumnError) as error:
                raise DbtRuntimeError(f"{parsed_model['original_file_path']}: {error}") from error
            finally:
                exchange.close()

    @available
    def stage_duckdb_tables(
        self, path: str, schema: str, identifiers: Sequence[str]
    ) -> dict[str, str]:
        """Bring tables or views of a DuckDB file to Redshift, all of them of one moment.

        Returns:
            Of each, by name: the temporary table that holds it there, quoted.

        Raises:
            DbtRuntimeError: There is no such file or table, or another process has the file open;
                a column that Redshift cannot hold; or it refused a statement.
        """
        with tempfile.TemporaryDirectory(prefix="dbt-redshiftpy-") as folder:
            exchange = self._exchange(Path(folder))
            try:
                # kept open, so that no build changes the file between two tables
                with duckdb.connect(path, read_only=True) as session:
                    session.execute(f"set temp_directory = '{folder}/spill'")
                    return {
                        name: stage(
                            f"{quoted(schema)}.{quoted(name)}",
                            f"{name[:100]}__staged",
                            exchange,
                            session,
                        )
                        for name in identifiers
                    }
            except (duckdb.Error, UnsupportedColumnError) as error:
                raise DbtRuntimeError(f"{path}: {error}") from error
            finally:
                exchange.close()

    @available
    def iam_role(self) -> str:
        """Return SQL of the role with which the cluster reads and writes S3."""
        role = self.config.credentials.s3_iam_role
        return "default" if role == "default" else f"'{role}'"

    @available
    def s3_objects(self, url: str, suffixes: Sequence[str]) -> list[dict[str, Any]]:
        """List what lies below a prefix in S3.

        Args:
            url: "s3://bucket/prefix".
            suffixes: How the names end that are looked for.

        Returns:
            Of each object, by name: path, source_file (its name without the prefix), size_bytes,
            modified_at (UTC, as text) and etag.

        Raises:
            DbtRuntimeError: No such address, two objects of one name, or one whose key begins with
                that of another: COPY takes a key for the beginning of keys.
        """
        place = urlparse(url)
        if place.scheme != "s3" or not place.netloc:
            raise DbtRuntimeError(f"{url!r} is no address in S3; expected s3://bucket/prefix")
        below = objects_below(self._s3(), place.netloc, place.path.lstrip("/"))
        found = {one["Key"]: one for one in below}
        objects: dict[str, dict[str, Any]] = {}
        for key, following in itertools.zip_longest(sorted(found), sorted(found)[1:]):
            path, name = f"s3://{place.netloc}/{key}", key.rsplit("/", 1)[-1]
            if not name.endswith(tuple(suffixes)):
                continue
            if following and following.startswith(key):
                raise DbtRuntimeError(
                    f"COPY of {path} would take {following} with it, which begins so: rename it"
                )
            if name in objects:
                raise DbtRuntimeError(
                    f"{path} bears the same name as {objects[name]['path']}: names must differ"
                )
            objects[name] = {
                "path": path,
                "source_file": name,
                "size_bytes": found[key]["Size"],
                "modified_at": f"{found[key]['LastModified'].astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                "etag": found[key]["ETag"].strip('"'),
            }
        return [objects[name] for name in sorted(objects)]

    @available
    def execute_with_environment(
        self, sql: str, variables: Sequence[str]
    ) -> Sequence[Sequence[Any]]:
        """Run a statement with values of environment variables bound to its question marks.

        So that a secret is in no compiled SQL and no log.

        Raises:
            KeyError: There is no such variable.
        """
        return self._execute(sql, [os.environ[name] for name in variables])

    @available
    def try_execute(self, sql: str) -> str | None:
        """Run a statement and return nothing, or what Redshift says against it.

        Where it fails, its transaction is aborted: ROLLBACK comes next.
        """
        try:
            self._execute(sql)
        except DbtDatabaseError as error:
            return str(error).strip()
        return None

    def _exchange(self, folder: Path) -> Exchange:
        credentials = self.config.credentials
        if not credentials.s3_staging_dir:
            handle = self.connections.get_thread_connection().handle
            return WireExchange(self._execute, lambda: handle.in_transaction)
        return BucketExchange(
            self._execute, self._s3(), credentials.s3_staging_dir, self.iam_role(), folder
        )

    def _s3(self) -> Any:
        # here, for it takes half a second
        import boto3

        credentials = self.config.credentials
        return boto3.Session(
            profile_name=credentials.iam_profile, region_name=credentials.region
        ).client("s3")

    def _execute(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        """Run a statement on dbt's connection, its values bound to question marks.

        Not by `add_query`, which would write statement and values to the log.
        """
        connection = self.connections.get_thread_connection()
        with self.connections.exception_handler(sql[:1000]), connection.handle.cursor() as cursor:
            cursor.paramstyle = "qmark"
            cursor.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else ()

    def _columns(self, relation: str) -> list[tuple[str, str]]:
        database, schema, identifier = NAMES.findall(relation)
        found = self.Relation.create(database=database, schema=schema, identifier=identifier)
        return [(column.name, column.data_type) for column in self.get_columns_in_relation(found)]
