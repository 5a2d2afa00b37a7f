"""Small dbt projects to run on the stand-in."""

import textwrap
from contextlib import closing
from pathlib import Path

from dbt.cli.main import dbtRunner
from standin import RedshiftStandin

PROFILE = """
small:
  target: redshift
  outputs:
    redshift:
      type: redshiftpy
      host: "{{ env_var('REDSHIFT_HOST') }}"
      port: "{{ env_var('REDSHIFT_PORT') | as_number }}"
      user: "{{ env_var('REDSHIFT_USER') }}"
      password: "{{ env_var('REDSHIFT_PASSWORD') }}"
      dbname: "{{ env_var('REDSHIFT_DATABASE') }}"
      sslmode: "{{ env_var('REDSHIFT_SSLMODE') }}"
      schema: "{{ env_var('REDSHIFT_SCHEMA') }}"
      s3_staging_dir: "{{ env_var('REDSHIFT_STAGING', '') or none }}"
"""


class Project:
    """A dbt project that has nothing but what a test writes, in a schema of its own."""

    def __init__(self, folder: Path, standin: RedshiftStandin, schema: str) -> None:
        self.folder = folder
        self.standin = standin
        self.schema = schema
        self.write("dbt_project.yml", "{name: small, config-version: 2, profile: small}")
        self.write("profiles.yml", PROFILE)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())

    def dbt(self, *arguments: str) -> tuple[bool, str]:
        """Run a command; return whether it succeeded, and what it said."""
        said: list[str] = []
        result = dbtRunner(
            callbacks=[lambda event: event.info.level != "debug" and said.append(event.info.msg)]
        ).invoke(
            [
                *("--quiet", "--no-use-colors", *arguments),
                *("--project-dir", str(self.folder), "--profiles-dir", str(self.folder)),
                # said, for the environment may say otherwise
                *("--target", "redshift", "--target-path", str(self.folder / "target")),
                *("--log-path", str(self.folder / "logs")),
            ]
        )
        if result.exception:
            said.append(str(result.exception))
        return result.success, "\n".join(said)

    def run(self, *arguments: str) -> str:
        succeeded, said = self.dbt("run", *arguments)
        assert succeeded, said
        return said

    def fails(self, *arguments: str) -> str:
        succeeded, said = self.dbt("run", *arguments)
        assert not succeeded
        return said

    def rows(self, query: str) -> list[tuple]:
        with closing(self.standin.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"set search_path = {self.schema}")
            cursor.execute(query)
            return cursor.fetchall()
