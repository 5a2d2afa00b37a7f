"""Which files there are, and how many lines a sound one has."""

import gzip
from pathlib import Path

import pytest
from conftest import HEADER
from hypothesis import given
from hypothesis import strategies as st

from amazing_segments import event_files


@given(
    lines=st.lists(st.sampled_from(["", "a", "a line longer than a chunk" * 12])),
    line_end=st.sampled_from(["\n", "\r\n"]),
    is_ended=st.booleans(),
    bom=st.sampled_from(["", "\ufeff"]),
    is_gzip=st.booleans(),
    chunk_bytes=st.integers(100, 140),
)
def test_lines_are_counted_whatever_the_chunks(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[str],
    line_end: str,
    is_ended: bool,
    bom: str,
    is_gzip: bool,
    chunk_bytes: int,
) -> None:
    text = bom + line_end.join([HEADER, *lines]) + (line_end if is_ended else "")
    path = tmp_path_factory.getbasetemp() / ("lines.csv.gz" if is_gzip else "lines.csv")
    path.write_bytes(gzip.compress(text.encode()) if is_gzip else text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_files, "CHUNK_BYTES", chunk_bytes)
        assert event_files.check_event_file(str(path)) == sum(line != "" for line in lines)


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "the file is empty"),
        (
            HEADER.replace("price,user_id", "user_id,price").encode() + b"\n",
            "line 1 is 'event_time",
        ),
        (b"<!DOCTYPE html>\n<html>", "it is a web page"),
        (b"2019-10-01 00:00:00 UTC,view,1,2,,nan,3,4,\n", "the header is missing"),
        (b"\x00\xff\xfe", "line 1 is"),
        (HEADER.encode() + b"\na\r\nb\n", "mixed line ends"),
        (HEADER.encode() + b"\r\na\r\nb\n", "mixed line ends"),
    ],
)
def test_what_is_no_event_file_is_named(tmp_path: Path, content: bytes, wrong: str) -> None:
    path = tmp_path / "delivery.csv"
    path.write_bytes(content)
    with pytest.raises(event_files.EventFileError, match=wrong) as raised:
        event_files.check_event_file(str(path))
    assert str(path) in str(raised.value) and "expected" in str(raised.value)


def test_a_folder_a_file_and_a_glob_name_files(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv.gz", "truth.parquet", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.csv").mkdir()
    found = event_files.list_event_files
    assert found(str(tmp_path)) == [str(tmp_path / "a.csv.gz"), str(tmp_path / "b.csv")]
    assert found(str(tmp_path / "*.gz")) == [str(tmp_path / "a.csv.gz")]
    assert found(str(tmp_path / "b.csv")) == [str(tmp_path / "b.csv")]
    assert found(str(tmp_path / "nowhere")) == []


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").touch()
    with pytest.raises(event_files.EventFileError, match=r"a\.csv bears the same name as"):
        event_files.list_event_files(str(tmp_path / "*" / "*.csv"))
