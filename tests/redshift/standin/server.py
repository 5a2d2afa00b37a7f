"""Start and stop the stand-in: PostgreSQL in a folder of its own, behind the proxy."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pgserver
import psycopg2

from standin import rewrite
from standin.bucket import Bucket
from standin.proxy import Proxy, Task

BOOTSTRAP = Path(__file__).with_name("bootstrap.pgsql")
PACKAGES = Path(pgserver.__file__).parents[1]
ADMIN, USER, PASSWORD, DATABASE = "admin", "dbt", "Only-for-tests-1", "dev"
UTF8 = ("--no-locale", "--encoding=UTF8")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "timezone": "UTC",
    # Redshift reads \ in '…' as an escape
    "standard_conforming_strings": "off",
    "escape_string_warning": "off",
    "password_encryption": "md5",
    # nothing of it outlives a test
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}
LEADING_COMMENTS = re.compile(r"^(\s|/\*.*?\*/)+", re.S)


class RedshiftStandin:
    """A database that redshift_connector takes for Redshift, while the context lasts.

    Attributes:
        environment: What profiles.yml reads.
        statements: Of each statement, what the client sent and what PostgreSQL was sent.
        hangs_up: Whether the connection ends in the place of a statement, as with a client that is
            killed.
    """

    def __init__(self) -> None:
        # not pytest's folder, which is closed to the user that PostgreSQL runs as
        self.folder = Path(tempfile.mkdtemp(prefix="redshift-standin-"))
        self.programs = self.folder / "pgserver" / "pginstall" / "bin"
        self.statements: list[tuple[str, str]] = []
        self.hangs_up: Callable[[str], bool] | None = None
        self.postgres_port = free_port()
        self.bucket = Bucket(self.folder / "files", self.connect)
        self.proxy = Proxy(("127.0.0.1", self.postgres_port), self.translate)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "REDSHIFT_HOST": "127.0.0.1",
            "REDSHIFT_PORT": str(self.proxy.port),
            "REDSHIFT_USER": USER,
            "REDSHIFT_PASSWORD": PASSWORD,
            "REDSHIFT_DATABASE": DATABASE,
            "REDSHIFT_SSLMODE": "disable",
        }

    @property
    def refused(self) -> list[str]:
        return [sent for sent, passed in self.statements if passed.startswith("do $refused$")]

    def translate(self, sql: str) -> tuple[str, Task | None]:
        if self.hangs_up and self.hangs_up(sql):
            raise ConnectionAbortedError
        task = None
        bare = LEADING_COMMENTS.sub("", sql)
        try:
            if re.match(r"(copy|unload)\b", bare, re.I):
                passed, task = self.bucket.translate(bare, rewrite.translate)
            else:
                passed = rewrite.translate(sql)
                if re.match(r"create\s+temp", bare, re.I):
                    self.bucket.remember(bare)
        except rewrite.RefusedError as reason:
            passed = rewrite.refusal(reason)
        except Exception as error:
            passed = rewrite.refusal(f"the stand-in failed: {error!r}")
        self.statements.append((sql, passed))
        return passed, task

    def connect(self) -> psycopg2.extensions.connection:
        """Connect to PostgreSQL itself, past the proxy."""
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.postgres_port, user=ADMIN, dbname=DATABASE
        )
        connection.autocommit = True
        return connection

    def __enter__(self) -> "RedshiftStandin":
        self.folder.chmod(0o755)
        (self.folder / "files").mkdir()
        (self.folder / "files").chmod(0o777)
        # PostgreSQL does not run as root, and who else it runs as may not see these programs
        for name in ("pgserver/pginstall", "pgserver.libs"):
            shutil.copytree(PACKAGES / name, self.folder / name)
        data = self.folder / "data"
        data.mkdir()
        if os.geteuid() == 0:
            shutil.chown(data, "nobody")
        try:
            self.run("initdb", f"--username={ADMIN}", "--auth=trust", "--no-sync", *UTF8)
            options = [f"-c {name}={value}" for name, value in SETTINGS.items()]
            options += [f"-p {self.postgres_port}", f"-k {data}"]
            self.run("pg_ctl", "-w", "-l", str(data / "log"), "-o", " ".join(options), "start")
            self.prepare(data)
            self.proxy.__enter__()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.proxy.__exit__()
        self.stop()

    def prepare(self, data: Path) -> None:
        socket_of = f"host={data} port={self.postgres_port} user={ADMIN}"
        for database, sql in (
            ("postgres", f"create role {USER} superuser login password '{PASSWORD}'"),
            ("postgres", f"create database {DATABASE} owner {USER}"),
            (DATABASE, BOOTSTRAP.read_text()),
        ):
            connection = psycopg2.connect(f"{socket_of} dbname={database}")
            connection.autocommit = True
            connection.cursor().execute(sql)
            connection.close()
        (data / "pg_hba.conf").write_text(
            f"local all all trust\nhost all {ADMIN} 127.0.0.1/32 trust\n"
            "host all all 127.0.0.1/32 md5\n"
        )
        self.run("pg_ctl", "reload")

    def stop(self) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self.run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(self.folder)

    def run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.programs / program, "-D", self.folder / "data", *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            user="nobody" if os.geteuid() == 0 else None,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
