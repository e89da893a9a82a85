"""Reader of recordings: JSON Lines, plain or gzip, one question per line."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from a2r.evaluation.replay.field_mapping import FieldMapping, RecordingError
from a2r.evaluation.replay.recording_schema import Recording, parse_recording

STDIN = "-"
GZIP_MAGIC = b"\x1f\x8b"


def read_recordings(
    file: str, fields: FieldMapping, on_warning: Callable[[str], None]
) -> Iterator[Recording]:
    """Yield the questions of a file; invalid lines are reported and skipped.

    Args:
        file: a path, or `-` for stdin.
        fields: the names of the fields.
        on_warning: called with file, line number and reason for each invalid line.

    Raises:
        RecordingError: the file cannot be read, or contains no usable question.
    """
    count = 0
    with _open(file) as lines:
        for number, line in _numbered_lines(lines, file, on_warning):
            try:
                recording = parse_recording(line, fields)
            except RecordingError as error:
                on_warning(f"{file}:{number}: {error}")
                continue
            count += 1
            yield recording
    if not count:
        raise RecordingError(f"{file}: contains no usable question")


@contextmanager
def _open(file: str) -> Iterator[BinaryIO]:
    """Open a file; gzip is detected by its first bytes and decompressed."""
    try:
        stream = _stream(file)
        compressed = stream.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC)
    except (OSError, ValueError) as error:
        raise RecordingError(f"{file}: cannot be read: {_reason(error)}") from error
    try:
        yield cast("BinaryIO", gzip.GzipFile(fileobj=stream)) if compressed else stream
    finally:
        if file != STDIN:
            stream.close()


def _stream(file: str) -> BufferedReader:
    if file != STDIN:
        return Path(file).open("rb")
    if sys.stdin is None:
        raise RecordingError("stdin is closed")
    return cast("BufferedReader", sys.stdin.buffer)


def _numbered_lines(
    lines: BinaryIO, file: str, on_warning: Callable[[str], None]
) -> Iterator[tuple[int, bytes]]:
    """Yield non-blank lines with their numbers; stop at the first one that cannot be read."""
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line
    except (OSError, EOFError, zlib.error) as error:
        on_warning(f"{file}:{number + 1}: the rest cannot be read: {_reason(error)}")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
