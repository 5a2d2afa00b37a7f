"""Warehouses for the tests of this folder."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from warehouses import KEY, PROJECT, Warehouse

from amazing_segments.model_versions import PARAMETER_TYPES
from amazing_segments.sample_events import write_sample_events


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """20,000 invented customers over seven months, built to the end. Tests must not change it."""
    built = Warehouse(tmp_path_factory.mktemp("sample"))
    write_sample_events(20_000, date(2019, 10, 1), 7, 1, built.events)
    built.dbt("seed")
    built.dbt("run")
    yield built


@pytest.fixture(scope="session")
def sample_parameters(sample: Warehouse) -> pd.DataFrame:
    """The model of the sample."""
    columns = list(PARAMETER_TYPES)
    rows = sample.rows(f"select {', '.join(columns)} from segmentation.segmentation_parameters")
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture(scope="session")
def archetypes(sample: Warehouse) -> pd.Series:
    """What each customer of the sample was planted as, by user_key."""
    truth = sample.events / "truth.parquet"
    rows = sample.rows(
        f"set variable key = '{KEY}'; "
        "select cast('0x' || left(sha256(getvariable('key') || sha256(getvariable('key') || "
        f"cast(user_id as varchar))), 15) as bigint), archetype from '{truth}'"
    )
    return pd.Series(dict(rows))


@pytest.fixture(scope="session")
def extracts() -> Path:
    """The folder of the real extracts, which are no part of the product."""
    folder = PROJECT.parent / "shared" / "data" / "rees46"
    if not folder.is_dir():
        pytest.skip(f"the real extracts are not at {os.path.relpath(folder, PROJECT)}")
    return folder
