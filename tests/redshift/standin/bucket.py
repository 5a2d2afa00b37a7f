"""COPY and UNLOAD: files are moved here, PostgreSQL reads or writes a local one."""

import gzip
import re
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlparse

import boto3
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot
from pyarrow import csv
from sqlglot import exp

from standin.rewrite import RefusedError

COPY = re.compile(
    r"copy\s+(?P<table>[^\s(]+)\s+(?:\((?P<column>\w+)\)\s+)?from\s+'(?P<url>s3://[^']+)'"
    r"(?P<options>.*)",
    re.I | re.S,
)
UNLOAD = re.compile(
    r"unload\s*\('(?P<query>(?:[^']|'')*)'\)\s*to\s+'(?P<url>s3://[^']+)'(?P<options>.*)",
    re.I | re.S,
)
ROLE = r"\s*iam_role\s+(?:default|'arn:[^']+')"
PARQUET = re.compile(ROLE + r"\s+format\s+as\s+parquet\s*;?\s*", re.I)
LINES = re.compile(
    ROLE + r"(?P<gzip>\s+gzip)?\s+delimiter\s+'\\001'\s+encoding\s+utf8\s+ignoreblanklines\s+"
    r"maxerror\s+(?P<maxerror>\d+)\s*;?\s*",
    re.I,
)
LINE_BYTES = 65535
# https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html
ARROW_TYPES = {
    "boolean": pa.bool_(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "time without time zone": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
    "varchar": pa.string(),
    "character varying": pa.string(),
    "char": pa.string(),
    "character": pa.string(),
}
TYPE = re.compile(r"([a-z ]+?)\s*(?:\((\d+)(?:,\s*(\d+))?\))?")
TABLE_COLUMNS = """
    select attname, format_type(atttypid, atttypmod)
    from pg_attribute
    where attnum > 0 and not attisdropped and attrelid = to_regclass(%s)
    order by attnum
"""


class Bucket:
    """What lies in S3, for a PostgreSQL that reads and writes in a folder."""

    def __init__(self, folder: Path, connect: Callable[[], psycopg2.extensions.connection]) -> None:
        self.folder = folder
        self.connect = connect
        # of tables made in a transaction that is still open, which no other connection sees
        self.created: dict[str, dict[str, pa.DataType]] = {}

    @property
    def client(self):
        # where it is, and the credentials, are in the environment
        return boto3.client("s3")

    def translate(
        self, sql: str, translate_query: Callable[[str], str]
    ) -> tuple[str, Callable[[], None] | None]:
        """Return what PostgreSQL is to execute, and what is to be done then.

        Raises:
            RefusedError: It is no form of COPY or UNLOAD that the stand-in knows, or Redshift would
                refuse it.
        """
        found = COPY.fullmatch(sql) or UNLOAD.fullmatch(sql)
        lines = LINES.fullmatch(found["options"]) if found else None
        if not lines and not (found and PARQUET.fullmatch(found["options"])):
            raise RefusedError("a form of COPY or UNLOAD that the stand-in does not know")
        url = urlparse(found["url"])
        bucket, key = url.netloc, url.path.lstrip("/")
        if lines:
            return self.copy_lines(found, bucket, key, lines), None
        if found.re is COPY:
            return self.copy(found["table"], bucket, key), None
        query = translate_query(found["query"].replace("''", "'"))
        return self.unload(query, bucket, key)

    def copy(self, table: str, bucket: str, prefix: str) -> str:
        schema = self.schema_of(table)
        path = self.folder / f"{uuid.uuid4().hex}.csv"
        options = csv.WriteOptions(include_header=False, quoting_style="all_valid")
        with csv.CSVWriter(path, pa.schema(schema.items()), write_options=options) as writer:
            for key in self.keys(bucket, prefix):
                body = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
                for batch in pq.ParquetFile(pa.BufferReader(body)).iter_batches():
                    check_types(key, batch, schema)
                    writer.write_batch(batch)
        path.chmod(0o644)
        return f"copy {table} from '{path}' (format csv)"

    def copy_lines(self, copy: re.Match, bucket: str, prefix: str, options: re.Match) -> str:
        """Load text files of one column; lines that Redshift could not load are load errors."""
        path = self.folder / f"{uuid.uuid4().hex}.csv"
        errors = []
        with path.open("w", newline="") as file:
            for key in self.keys(bucket, prefix):
                body = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
                try:
                    text = gzip.decompress(body) if options["gzip"] else body
                except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                    raise RefusedError(f"{key} is no gzip file: {error}") from error
                for number, line in enumerate(text.removesuffix(b"\n").split(b"\n"), 1):
                    if fault := fault_of(line):
                        errors.append((key, number, fault))
                    elif line:
                        file.write('"' + line.decode().replace('"', '""') + '"\n')
        if len(errors) > int(options["maxerror"]):
            raise RefusedError(f"Load into table failed: {errors[0]}")
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("select coalesce(max(query_id), 0) + 1 from standin_loads")
            (query_id,) = cursor.fetchone()
            for error in [(None, None, None), *errors]:
                cursor.execute(
                    "insert into standin_loads values (%s, %s, %s, %s)", (query_id, *error)
                )
        path.chmod(0o644)
        return f"copy {copy['table']} ({copy['column']}) from '{path}' (format csv)"

    def unload(self, query: str, bucket: str, prefix: str) -> tuple[str, Callable[[], None]]:
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"create temporary table unloaded as {query} limit 0")
            cursor.execute(TABLE_COLUMNS, ["unloaded"])
            columns = {name: arrow_type(kind) for name, kind in cursor.fetchall()}
        path = self.folder / f"{uuid.uuid4().hex}.csv"

        def upload() -> None:
            for number, batch in enumerate(read_batches(path, columns)):
                sink = pa.BufferOutputStream()
                pq.write_table(pa.Table.from_batches([batch]), sink)
                self.client.put_object(
                    Bucket=bucket,
                    Key=f"{prefix}{number:04}_part_00.parquet",
                    Body=sink.getvalue().to_pybytes(),
                )
            path.unlink()

        return f"copy ({query}) to '{path}' (format csv)", upload

    def keys(self, bucket: str, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
        if not keys:
            raise RefusedError(f"The specified S3 prefix '{prefix}' does not exist")
        return keys

    def schema_of(self, table: str) -> dict[str, pa.DataType]:
        if table in self.created:
            return self.created[table]
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(TABLE_COLUMNS, [table])
            rows = cursor.fetchall()
        if not rows:
            raise RefusedError(f"the stand-in sees no table {table}")
        return {name: arrow_type(kind) for name, kind in rows}

    def remember(self, sql: str) -> None:
        """Take note of the columns of a CREATE TABLE that lists them."""
        tree = sqlglot.parse_one(sql, read="redshift")
        if isinstance(tree.this, exp.Schema):
            self.created[tree.this.this.sql("redshift")] = {
                column.name: arrow_type(column.kind.sql("redshift"))
                for column in tree.this.find_all(exp.ColumnDef)
            }


def arrow_type(kind: str) -> pa.DataType:
    name, precision, scale = TYPE.fullmatch(kind.lower()).groups()
    if name in ("numeric", "decimal"):
        return pa.decimal128(int(precision), int(scale or 0))
    return ARROW_TYPES[name]


def fault_of(line: bytes) -> str | None:
    """Return why Redshift could not load a line of text."""
    if b"\0" in line:
        return "Missing newline: Unexpected character 0x0 found"
    if len(line) > LINE_BYTES:
        return "String length exceeds DDL length"
    try:
        line.decode()
    except UnicodeDecodeError:
        return "String contains invalid or unsupported UTF8 codepoints"
    return None


def check_types(key: str, batch: pa.RecordBatch, schema: dict[str, pa.DataType]) -> None:
    """Check the types of a file: Redshift casts nothing that comes from Parquet."""
    if len(batch.schema) != len(schema):
        raise RefusedError(f"{key} has {len(batch.schema)} columns, the table has {len(schema)}")
    for field, (name, kind) in zip(batch.schema, schema.items(), strict=True):
        if field.type != kind:
            raise RefusedError(
                f"{key} has an incompatible Parquet schema for column {name}: "
                f"{field.type} for {kind}"
            )


def read_batches(path: Path, columns: dict[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    if not path.stat().st_size:
        return
    reader = csv.open_csv(
        path,
        read_options=csv.ReadOptions(column_names=list(columns)),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=columns,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    yield from reader
