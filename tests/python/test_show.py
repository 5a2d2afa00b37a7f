"""The table of segments as `make build` prints it."""

from pathlib import Path

import pytest
from warehouses import Warehouse

from amazing_segments.cli import main


def test_show_prints_each_segment_with_its_shares(
    sample: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "--warehouse", str(sample.path)]) == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert lines[1].split()[:2] == ["persona", "users"]
    segments = sample.rows(
        "select persona_name_en, user_count, sets_apart_en from marts.segments where segment > 0 "
        "order by user_count desc, segment"
    )
    for line, (name, users, sets_apart) in zip(lines[3:], segments, strict=False):
        assert line.startswith(name) and f"{users:,}" in line and line.endswith(sets_apart)
    assert lines[3 + len(segments)].startswith("No segment yet")
    assert str(sample.path) in printed


def test_show_without_a_warehouse_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "nothing.duckdb"
    assert main(["show", "--warehouse", str(missing)]) == 2
    assert str(missing) in capsys.readouterr().err
    assert not missing.exists()
