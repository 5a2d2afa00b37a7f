"""How tables come from Redshift into a DuckDB session, and how one goes back.

`WireExchange` needs nothing but dbt's connection, and does for some 100,000 rows. `BucketExchange`
has the cluster write and read Parquet in S3, all slices at once. Neither holds more than some
thousand rows in Python: tables are DuckDB's, which spills them to disk where they outgrow memory.
"""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dbt.adapters.redshiftpy.types import ResultColumn

# (sql, values of its question marks) -> rows
Execute = Callable[..., Sequence[Sequence[Any]]]

# a cluster of one node refuses to FETCH more
FETCHED_ROWS = 1000
INSERTED_ROWS = 1000
# of the wire protocol, per statement
BIND_LIMIT = 32767
# a statement may have 16 MB
INSERTED_BYTES = 8_000_000
PARQUET_BYTES = 1 << 28


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def objects_below(client: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield what boto3 tells of each object of S3 whose key begins with the prefix."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        yield from page.get("Contents", ())


class Exchange(ABC):
    """A way between Redshift and a DuckDB session, in one run of a model."""

    def __init__(self, execute: Execute) -> None:
        """Take how to run a statement on dbt's connection."""
        self.execute = execute

    @abstractmethod
    def read(self, relation: str, types: dict[str, str], session: DuckDBPyConnection) -> None:
        """Make a relation of Redshift a table or view of the session, of the same name.

        Args:
            relation: Its quoted name.
            types: DuckDB's type of each of its columns.
            session: Has a schema of that name, and no such table.
        """

    @abstractmethod
    def write(
        self, table: str, columns: list[ResultColumn], session: DuckDBPyConnection, staging: str
    ) -> None:
        """Add the rows of a table of the session to a table of Redshift with these columns."""

    @abstractmethod
    def close(self) -> None:
        """Remove what the exchange left behind, also after a failure."""


class WireExchange(Exchange):
    """Reads through a cursor and writes with inserts of bound values."""

    def __init__(self, execute: Execute, is_in_transaction: Callable[[], bool]) -> None:
        """Take how to run a statement, and to tell whether dbt has begun a transaction."""
        super().__init__(execute)
        self.is_in_transaction = is_in_transaction

    def read(self, relation: str, types: dict[str, str], session: DuckDBPyConnection) -> None:
        """See `Exchange`. A cursor: the driver would hold all rows of a plain select."""
        columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in types.items())
        session.execute(f"create table {relation} ({columns})")
        schema = session.table(relation).limit(0).to_arrow_table().schema
        names = ", ".join(map(quoted, types))
        # of a name of its own: the driver takes one FETCH for another that reads the same
        cursor = f"dbt_python_model_{uuid.uuid4().hex}"
        with self._transaction():
            self.execute(f"declare {cursor} cursor for select {names} from {relation}")
            while rows := self.execute(f"fetch forward {FETCHED_ROWS} from {cursor}"):
                values = zip(*rows, strict=True)
                arrays = [pa.array(*pair) for pair in zip(values, schema.types, strict=True)]
                session.register("fetched", pa.Table.from_arrays(arrays, schema=schema))
                session.execute(f"insert into {relation} select * from fetched")
                session.unregister("fetched")
            self.execute(f"close {cursor}")

    def close(self) -> None:
        """See `Exchange`: the staging table goes with the connection."""

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Have a transaction, without which there is no cursor: dbt's, or one for this alone."""
        if self.is_in_transaction():
            yield
            return
        self.execute("begin")
        try:
            yield
        except BaseException:
            self.execute("rollback")
            raise
        self.execute("commit")

    def write(
        self, table: str, columns: list[ResultColumn], session: DuckDBPyConnection, staging: str
    ) -> None:
        """See `Exchange`.

        Every value is bound as text and cast by Redshift, nulls as a text that no value has: so
        all statements are the same, and neither driver nor cluster keeps a plan for each.
        """
        null = uuid.uuid4().hex
        row_bytes = sum(max(column.most_bytes, len(null)) for column in columns)
        row_count = max(
            1, min(INSERTED_ROWS, BIND_LIMIT // len(columns), INSERTED_BYTES // row_bytes)
        )
        texts = ", ".join(
            f"coalesce(cast({quoted(column.name)} as varchar), '{null}')" for column in columns
        )
        row = ", ".join(cast_of(column, f"nullif(?, '{null}')") for column in columns)
        session.execute(f"select {texts} from {table}")
        while rows := session.fetchmany(row_count):
            self.execute(
                f"insert into {staging} values " + ", ".join([f"({row})"] * len(rows)),
                [value for values in rows for value in values],
            )


def cast_of(column: ResultColumn, text: str) -> str:
    """Return SQL that makes a column's value of a text."""
    # Redshift casts no text to boolean
    if column.redshift_type == "boolean":
        return f"{text} = 'true'"
    return f"cast({text} as {column.redshift_type})"


class BucketExchange(Exchange):
    """Has the cluster UNLOAD and COPY Parquet, in a folder of S3 that lives as long as the run."""

    def __init__(
        self, execute: Execute, client: Any, staging_dir: str, iam_role: str, local: Path
    ) -> None:
        """Take where to exchange files.

        Args:
            execute: How to run a statement on dbt's connection.
            client: boto3's S3 client.
            staging_dir: "s3://bucket/prefix".
            iam_role: SQL of the cluster's role.
            local: A folder for files on this machine.
        """
        super().__init__(execute)
        url = urlparse(staging_dir)
        self.client = client
        self.bucket = url.netloc
        self.prefix = "/".join(filter(None, [url.path.strip("/"), uuid.uuid4().hex])) + "/"
        self.role = iam_role
        self.local = local

    def read(self, relation: str, types: dict[str, str], session: DuckDBPyConnection) -> None:
        """See `Exchange`."""
        key = f"{self.prefix}{uuid.uuid4().hex}/"
        names = ", ".join(map(quoted, types))
        query = f"select {names} from {relation}".replace("'", "''")
        self.execute(
            f"unload ('{query}') to 's3://{self.bucket}/{key}' iam_role {self.role} "
            "format as parquet"
        )
        folder = self.local / key.split("/")[-2]
        folder.mkdir()
        for number, part in enumerate(self._keys(key)):
            self.client.download_file(self.bucket, part, str(folder / f"{number}.parquet"))
        casts = ", ".join(
            f"cast({quoted(name)} as {kind}) as {quoted(name)}" for name, kind in types.items()
        )
        if any(folder.iterdir()):
            session.execute(
                f"create view {relation} as select {casts} from read_parquet('{folder}/*.parquet')"
            )
        else:
            columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in types.items())
            session.execute(f"create table {relation} ({columns})")

    def write(
        self, table: str, columns: list[ResultColumn], session: DuckDBPyConnection, staging: str
    ) -> None:
        """See `Exchange`."""
        if not session.execute(f"select 1 from {table} limit 1").fetchall():
            return
        key = f"{self.prefix}{uuid.uuid4().hex}/"
        folder = self.local / key.split("/")[-2]
        casts = ", ".join(
            f"cast({quoted(column.name)} as {column.stored_as}) as {quoted(column.name)}"
            for column in columns
        )
        session.execute(
            f"copy (select {casts} from {table}) to '{folder}' "
            f"(format parquet, file_size_bytes {PARQUET_BYTES})"
        )
        for file in sorted(folder.iterdir()):
            self.client.upload_file(str(file), self.bucket, key + file.name)
        self.execute(
            f"copy {staging} from 's3://{self.bucket}/{key}' iam_role {self.role} format as parquet"
        )

    def close(self) -> None:
        """See `Exchange`: empty the folder of S3."""
        for key in self._keys(self.prefix):
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def _keys(self, prefix: str) -> list[str]:
        return [found["Key"] for found in objects_below(self.client, self.bucket, prefix)]
