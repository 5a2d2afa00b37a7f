"""A Redshift of PostgreSQL and an S3 in this process, for the tests of this folder."""

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from projects import Project
from standin import RedshiftStandin


@pytest.fixture(scope="session", autouse=True)
def aws() -> Iterator[None]:
    """An S3 on the loopback interface with one bucket, `lake`."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="lake")
        yield
    server.stop()


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
