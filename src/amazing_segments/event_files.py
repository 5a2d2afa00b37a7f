"""Event files as they arrive: which there are, whether a file is one at all, and its lines."""

import gzip
import hashlib
import itertools
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
from isal import igzip, isal_zlib

COLUMNS = (
    "event_time",
    "event_type",
    "product_id",
    "category_id",
    "category_code",
    "brand",
    "price",
    "user_id",
    "user_session",
)
DEFAULT_EVENTS = "data/events/*.csv.gz"
SUFFIXES = (".csv", ".csv.gz")
CHUNK_BYTES = 1 << 22
PART_BYTES = 1 << 28
# DuckDB reads no longer line, and leaves it out without a word where two of its buffers meet
LINE_BYTES = 2_000_000


class EventFileError(ValueError):
    """A file that is no event file: the message names it, what is wrong and what was expected."""


@dataclass(frozen=True)
class EventFile:
    """An event file as the folder shows it.

    Attributes:
        path: Where it lies.
        size_bytes: Its size.
        modified_at: When it was last written (UTC, without zone).
    """

    path: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True)
class Part:
    """Some whole lines of an event file, written out as plain text.

    Attributes:
        path: The file that holds them: LF line ends, no header, no blank lines.
        lines_before: How many lines of the event file come before, the header included.
        line_count: How many lines it has.
        bytes_read: How much of the event file was read so far, as it lies on the disk.
    """

    path: str
    lines_before: int
    line_count: int
    bytes_read: int


def list_event_files(pattern: str = DEFAULT_EVENTS) -> list[EventFile]:
    """Return the event files, sorted by name.

    Args:
        pattern: A folder (its .csv and .csv.gz files), a file, or a glob of files.

    Raises:
        EventFileError: Two files bear the same name, by which the ledger knows them.
    """
    path = Path(pattern)
    if path.is_dir():
        found = [file for file in path.iterdir() if file.name.endswith(SUFFIXES)]
    elif path.is_file():
        found = [path]
    else:
        # Path.glob wants a relative pattern, and an absolute one only below its own root
        found = list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    files = sorted((file for file in found if file.is_file()), key=lambda file: file.name)
    for one, other in itertools.pairwise(files):
        if one.name == other.name:
            raise EventFileError(f"{other} bears the same name as {one}: names must differ")
    return [_event_file(file) for file in files]


def _event_file(path: Path) -> EventFile:
    status = path.stat()
    modified_at = datetime.fromtimestamp(status.st_mtime, UTC).replace(tzinfo=None)
    return EventFile(str(path), status.st_size, modified_at)


def content_sha256(path: str) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal, as `sha256sum` prints it."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def split_event_file(path: str, folder: Path) -> Iterator[Part]:
    """Write the lines of an event file out in parts of about `PART_BYTES`, one after another.

    DuckDB inflates gzip on one thread, slowly, and does not check its checksums: a damaged stream
    becomes made-up rows. Here ISA-L inflates and proves them, and every core can read the part.
    A part is removed when the next but one is asked for, so that one can be read ahead.

    Args:
        path: A .csv or .csv.gz file.
        folder: Where the parts are written; it must exist.

    Raises:
        EventFileError: No header, another header, no text at all, a damaged gzip stream, a line
            that is too long, or line ends that are neither all LF nor all CRLF.
    """
    lines_before = 1
    written: list[Path] = []
    with Path(path).open("rb") as raw:
        blocks = _blocks(path, raw)
        block = next(blocks, None)
        while block is not None:
            if len(written) > 1:
                written.pop(0).unlink()
            written.append(folder / f"{Path(path).name}.{lines_before}")
            line_count = 0
            with written[-1].open("wb") as file:
                while block is not None and file.tell() < PART_BYTES:
                    file.write(block)
                    line_count += np.count_nonzero(_is_line_end(block))
                    block = next(blocks, None)
            yield Part(str(written[-1]), lines_before, int(line_count), raw.tell())
            lines_before += int(line_count)


def _blocks(path: str, raw: BinaryIO) -> Iterator[bytes]:
    """Yield the data lines of an event file: whole lines, LF line ends, no blank ones."""
    try:
        file = igzip.open(raw) if path.endswith(".gz") else raw
        chunk = file.read(CHUNK_BYTES)
        rest = chunk[_check_header(path, chunk) :]
        has_crlf = b"\r\n" in chunk
        while chunk:
            chunk = file.read(CHUNK_BYTES)
            # whole lines only, so that no line end is cut in two; the last may have none
            end = chunk.rfind(b"\n") + 1
            if end or not chunk:
                yield _unified(path, b"".join((rest, memoryview(chunk)[:end])), has_crlf)
                rest = b""
            rest += chunk[end:]
            _check_line_lengths(path, rest)
    except (EOFError, gzip.BadGzipFile, zlib.error, isal_zlib.IsalError) as error:
        raise EventFileError(
            f"{path}: damaged gzip stream ({error}); expected a complete .csv.gz file, "
            "so have it delivered again. Nothing of it was loaded."
        ) from error


def _unified(path: str, block: bytes, has_crlf: bool) -> bytes:
    """Return lines with LF line ends, the last one ended, without blank lines."""
    is_mixed = has_crlf and block.count(b"\r\n") != block.count(b"\n")
    if has_crlf:
        block = block.replace(b"\r\n", b"\n")
    if is_mixed or b"\r" in block:
        raise EventFileError(
            f"{path}: mixed line ends, or a carriage return inside a line; expected LF or CRLF "
            "throughout. Nothing of it was loaded."
        )
    _check_line_lengths(path, block)
    if block and not block.endswith(b"\n"):
        block += b"\n"
    is_line_end = _is_line_end(block)
    if is_line_end[:1].any() or (is_line_end[1:] & is_line_end[:-1]).any():
        block = re.sub(rb"\n+", b"\n", block).lstrip(b"\n")
    return block


def _check_line_lengths(path: str, block: bytes) -> None:
    # a line that is too long covers one of these windows, and hardly a block has such a one
    half = LINE_BYTES // 2
    for start in range(0, len(block) - half + 1, half):
        is_covered = block.find(b"\n", start, start + half) < 0
        if is_covered and max(map(len, block.split(b"\n"))) > LINE_BYTES:
            raise EventFileError(
                f"{path}: a line of more than {LINE_BYTES:,} bytes; expected lines of events. "
                "Nothing of it was loaded."
            )


def _is_line_end(block: bytes) -> np.ndarray:
    """Return for each byte whether it is LF: numpy looks four times as fast as bytes.count."""
    return np.frombuffer(block, np.uint8) == ord("\n")


def _check_header(path: str, start: bytes) -> int:
    """Return the length of the header line in bytes."""
    first_line, line_end, _ = start.partition(b"\n")
    expected = ",".join(COLUMNS)
    if first_line.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r") == expected.encode():
        return len(first_line + line_end)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    named = first_line.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r")
    if not start:
        wrong = "the file is empty"
    elif text.startswith((b"<!doctype", b"<html", b"<?xml")):
        wrong = "it is a web page, not a table"
    elif named[:4].isdigit() and named.count(b",") == len(COLUMNS) - 1:
        wrong = "line 1 is an event, the header is missing"
    else:
        wrong = f"line 1 is {named[:120].decode(errors='replace')!r}"
    raise EventFileError(
        f"{path}: {wrong}; expected line 1 to be '{expected}'. Nothing of it was loaded."
    )
