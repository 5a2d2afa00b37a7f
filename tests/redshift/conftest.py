"""A Redshift of PostgreSQL and an S3 in this process, for the tests of this folder."""

import gzip
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from both import Both
from projects import Project
from standin import LoopbackS3, RedshiftStandin

from amazing_segments.sample_events import write_sample_events


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


@pytest.fixture
def both(tmp_path: Path, standin: RedshiftStandin) -> Iterator[Both]:
    made = Both(tmp_path, standin)
    yield made
    made.redshift.drop()


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Events of 300 customers in two months."""
    folder = tmp_path_factory.mktemp("events")
    write_sample_events(300, date(2019, 10, 1), 2, 1, folder)
    return [
        line
        for file in ("2019-Oct.csv.gz", "2019-Nov.csv.gz")
        for line in gzip.decompress((folder / file).read_bytes()).decode().splitlines()[1:]
    ]
