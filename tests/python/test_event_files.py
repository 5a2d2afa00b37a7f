"""Which files there are, and the lines of a sound one."""

import gzip
import hashlib
import os
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from warehouses import HEADER

from amazing_segments import event_files


@given(
    lines=st.lists(st.sampled_from(["", "a", "été", "a line longer than a chunk" * 12])),
    line_end=st.sampled_from(["\n", "\r\n"]),
    is_ended=st.booleans(),
    bom=st.sampled_from(["", "\ufeff"]),
    is_gzip=st.booleans(),
    # a header fits into a chunk
    chunk_bytes=st.integers(102, 140),
    part_bytes=st.integers(1, 600),
)
def test_parts_hold_the_lines_whatever_their_size(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[str],
    line_end: str,
    is_ended: bool,
    bom: str,
    is_gzip: bool,
    chunk_bytes: int,
    part_bytes: int,
) -> None:
    text = bom + line_end.join([HEADER, *lines]) + (line_end if is_ended else "")
    path = tmp_path_factory.getbasetemp() / ("lines.csv.gz" if is_gzip else "lines.csv")
    path.write_bytes(gzip.compress(text.encode()) if is_gzip else text.encode())
    folder = tmp_path_factory.mktemp("parts")
    joined, bytes_read = b"", 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_files, "CHUNK_BYTES", chunk_bytes)
        patch.setattr(event_files, "PART_BYTES", part_bytes)
        for part in event_files.split_event_file(str(path), folder):
            content = Path(part.path).read_bytes()
            assert part.lines_before == 1 + joined.count(b"\n")
            assert part.line_count == content.count(b"\n")
            assert len(content) < part_bytes + chunk_bytes + 26 * 12
            assert bytes_read <= part.bytes_read
            assert len(list(folder.iterdir())) <= 2
            joined += content
            bytes_read = part.bytes_read
    assert joined.decode() == "".join(line + "\n" for line in lines if line)
    assert bytes_read == path.stat().st_size


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
        (HEADER.encode() + b"\n" + b"\0" * 30_000_000, "a line of more than 2,000,000 bytes"),
        (
            HEADER.encode() + b"\n" + b"a\n" * 1_500_000 + b"b" * 2_000_001 + b"\na\n",
            "a line of more than 2,000,000 bytes",
        ),
    ],
    ids=range(9),
)
def test_what_is_no_event_file_is_named(tmp_path: Path, content: bytes, wrong: str) -> None:
    path = tmp_path / "delivery.csv"
    path.write_bytes(content)
    with pytest.raises(event_files.EventFileError, match=wrong) as raised:
        list(event_files.split_event_file(str(path), tmp_path))
    assert str(path) in str(raised.value) and "expected" in str(raised.value)


def test_a_long_line_that_can_be_read_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "delivery.csv"
    path.write_text("\n".join([HEADER, *("a" * length for length in (1, 1_999_999, 1, 2_000_000))]))
    assert [part.line_count for part in event_files.split_event_file(str(path), tmp_path)] == [4]


def test_a_line_without_end_is_not_read_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "delivery.csv.gz"
    # the end of the file is missing, which would be another error
    path.write_bytes(gzip.compress(HEADER.encode() + b"\n" + b"\0" * 30_000_000)[:-10])
    with pytest.raises(event_files.EventFileError, match="a line of more than 2,000,000 bytes"):
        list(event_files.split_event_file(str(path), tmp_path))


def test_a_folder_a_file_and_a_glob_name_files(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv.gz", "truth.parquet", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.csv").mkdir()

    def found(pattern: Path) -> list[str]:
        return [file.path for file in event_files.list_event_files(str(pattern))]

    assert found(tmp_path) == [str(tmp_path / "a.csv.gz"), str(tmp_path / "b.csv")]
    assert found(tmp_path / "*.gz") == [str(tmp_path / "a.csv.gz")]
    assert found(tmp_path / "b.csv") == [str(tmp_path / "b.csv")]
    assert found(tmp_path / "nowhere") == []


def test_a_file_is_known_by_size_time_and_content(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"content")
    os.utime(path, (0, 1_600_000_000.25))
    (file,) = event_files.list_event_files(str(path))
    assert file == event_files.EventFile(str(path), 7, datetime(2020, 9, 13, 12, 26, 40, 250_000))
    assert event_files.content_sha256(str(path)) == hashlib.sha256(b"content").hexdigest()


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").touch()
    with pytest.raises(event_files.EventFileError, match=r"a\.csv bears the same name as"):
        event_files.list_event_files(str(tmp_path / "*" / "*.csv"))
