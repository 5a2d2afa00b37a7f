"""Event files as they arrive: which there are, and whether a file is one at all."""

import gzip
import itertools
import zlib
from pathlib import Path

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


class EventFileError(ValueError):
    """A file that is no event file: the message names it, what is wrong and what was expected."""


def list_event_files(pattern: str = DEFAULT_EVENTS) -> list[str]:
    """Return the paths of the event files, sorted by name.

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
    return [str(file) for file in files]


def check_event_file(path: str) -> int:
    """Read a whole file once and return the number of its data lines.

    Reading to the end proves every gzip checksum: DuckDB's reader does not check them and turns
    a damaged stream into made-up rows.

    Args:
        path: A .csv or .csv.gz file.

    Returns:
        Lines after the header, blank ones left out; a last line without line end counts.

    Raises:
        EventFileError: No header, another header, no text at all, a damaged gzip stream, or line
            ends that are neither all LF nor all CRLF.
    """
    lines = 0
    rest = b""
    try:
        with igzip.open(path) if path.endswith(".gz") else Path(path).open("rb") as file:
            chunk = file.read(CHUNK_BYTES)
            _check_header(path, chunk)
            has_crlf = b"\r\n" in chunk
            while chunk:
                # whole lines only, so that no line end is cut in two
                whole, line_end, after = chunk.rpartition(b"\n")
                block = rest + whole + line_end
                rest = after
                is_mixed = has_crlf and block.count(b"\r\n") != block.count(b"\n")
                if has_crlf:
                    block = block.replace(b"\r\n", b"\n")
                if is_mixed or b"\r" in block:
                    raise EventFileError(
                        f"{path}: mixed line ends, or a carriage return inside a line; expected "
                        "LF or CRLF throughout. Nothing of it was loaded."
                    )
                lines += _count_lines(block)
                chunk = file.read(CHUNK_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error, isal_zlib.IsalError) as error:
        raise EventFileError(
            f"{path}: damaged gzip stream ({error}); expected a complete .csv.gz file, "
            "so have it delivered again. Nothing of it was loaded."
        ) from error
    return int(lines) + bool(rest) - 1


def _count_lines(block: bytes) -> int:
    """Count the lines of whole lines that are not blank."""
    is_line_end = np.frombuffer(block, np.uint8) == ord("\n")
    blank = np.count_nonzero(is_line_end[1:] & is_line_end[:-1]) + block.startswith(b"\n")
    return np.count_nonzero(is_line_end) - blank


def _check_header(path: str, start: bytes) -> None:
    first_line = start.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].rstrip(b"\r")
    expected = ",".join(COLUMNS)
    if first_line == expected.encode():
        return
    text = start.lstrip().lower()
    if not start:
        wrong = "the file is empty"
    elif text.startswith((b"<!doctype", b"<html", b"<?xml")):
        wrong = "it is a web page, not a table"
    elif first_line[:4].isdigit() and first_line.count(b",") == len(COLUMNS) - 1:
        wrong = "line 1 is an event, the header is missing"
    else:
        wrong = f"line 1 is {first_line[:120].decode(errors='replace')!r}"
    raise EventFileError(
        f"{path}: {wrong}; expected line 1 to be '{expected}'. Nothing of it was loaded."
    )
