"""A Redshift of PostgreSQL and an S3 in this process, for the tests of this folder."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from projects import Project
from standin import LoopbackS3, RedshiftStandin


@pytest.fixture(scope="session", autouse=True)
def aws() -> Iterator[None]:
    with LoopbackS3() as s3, pytest.MonkeyPatch.context() as patch:
        for name, value in s3.environment.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def standin() -> Iterator[RedshiftStandin]:
    with RedshiftStandin() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture
def project(
    tmp_path: Path, standin: RedshiftStandin, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Project]:
    schema = f"test_{tmp_path.name[-40:]}".lower()
    monkeypatch.setenv("REDSHIFT_SCHEMA", schema)
    yield Project(tmp_path, standin, schema)
    with closing(standin.connect()) as connection:
        connection.cursor().execute(f'drop schema if exists "{schema}" cascade')


@pytest.fixture(params=["wire", "bucket"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How Python models exchange tables with the cluster."""
    if request.param == "bucket":
        monkeypatch.setenv("REDSHIFT_STAGING", "s3://lake/staging")
    return request.param
