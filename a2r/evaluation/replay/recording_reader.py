"""Reading recordings: JSON lines, gzip or not, one question a line."""

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
GZIP = b"\x1f\x8b"


def read_recordings(
    file: str, fields: FieldMapping, complain: Callable[[str], None]
) -> Iterator[Recording]:
    """The questions of a file, `-` being stdin; a bad line costs itself alone.

    Args:
        file: a path, or `-`.
        fields: the names of the fields.
        complain: is told each line that cannot be used, with file, number and reason.

    Raises:
        RecordingError: the file cannot be read, or holds no usable question.
    """
    found = 0
    with _opened(file) as lines:
        for number, line in _numbered(lines, file, complain):
            try:
                recording = parse_recording(line, fields)
            except RecordingError as error:
                complain(f"{file}:{number}: {error}")
                continue
            found += 1
            yield recording
    if not found:
        raise RecordingError(f"{file}: holds no usable question")


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    """The lines of a file, unpacked if its first bytes say that it is packed."""
    try:
        stream = _stream(file)
        packed = stream.peek(len(GZIP)).startswith(GZIP)
    except (OSError, ValueError) as error:
        raise RecordingError(f"{file}: cannot be read: {_reason(error)}") from error
    try:
        yield cast("BinaryIO", gzip.GzipFile(fileobj=stream)) if packed else stream
    finally:
        if file != STDIN:
            stream.close()


def _stream(file: str) -> BufferedReader:
    if file != STDIN:
        return Path(file).open("rb")
    if sys.stdin is None:
        raise RecordingError("stdin is closed")
    return cast("BufferedReader", sys.stdin.buffer)


def _numbered(
    lines: BinaryIO, file: str, complain: Callable[[str], None]
) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers, up to where the file cannot be read."""
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line
    except (OSError, EOFError, zlib.error) as error:
        complain(f"{file}:{number + 1}: the rest cannot be read: {_reason(error)}")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
