"""The adapter: what dbt-redshift's does, and Python models."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from dbt.adapters.base.meta import available
from dbt.adapters.redshift.connections import RedshiftConnectionManager, RedshiftCredentials
from dbt.adapters.redshift.impl import RedshiftAdapter
from dbt_common.exceptions import DbtRuntimeError

from dbt.adapters.redshiftpy.exchange import BucketExchange, Exchange, WireExchange
from dbt.adapters.redshiftpy.python_model import NAMES, ModelError, run_python_model
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

    def _exchange(self, folder: Path) -> Exchange:
        credentials = self.config.credentials
        if not credentials.s3_staging_dir:
            handle = self.connections.get_thread_connection().handle
            return WireExchange(self._execute, lambda: handle.in_transaction)
        # here, for it takes half a second
        import boto3

        session = boto3.Session(
            profile_name=credentials.iam_profile, region_name=credentials.region
        )
        return BucketExchange(
            self._execute,
            session.client("s3"),
            credentials.s3_staging_dir,
            credentials.s3_iam_role,
            folder,
        )

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
