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

from a2r.batch import BankError, BankRecord
from a2r.batch.bank.reader import Bank, is_bank
from a2r.evaluation.replay.field_mapping import FieldMapping, RecordingError
from a2r.evaluation.replay.recording_schema import RecordedSample, Recording, parse_recording
from a2r.result import Result

STDIN = "-"
GZIP_MAGIC = b"\x1f\x8b"


def read_recordings(
    file: str, fields: FieldMapping, on_warning: Callable[[str], None]
) -> Iterator[Recording]:
    """Yield the questions of a file; invalid lines are reported and skipped.

    Args:
        file: a path, or `-` for stdin; a folder with a bank, whose fields have their own names.
        fields: the names of the fields.
        on_warning: called with file, line number and reason for each invalid line.

    Raises:
        RecordingError: the file cannot be read, or contains no usable question.
    """
    if is_bank(file):
        yield from _bank_recordings(file, on_warning)
        return
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


def _bank_recordings(folder: str, on_warning: Callable[[str], None]) -> Iterator[Recording]:
    """Yield the questions of a bank that have a gold answer and samples."""
    count = 0
    try:
        for record in Bank.open(folder):
            if record.gold is None or record.result is None or not record.result.samples:
                missing = "gold answer" if record.gold is None else "sample"
                on_warning(f"{folder}: question {record.number} has no {missing}")
                continue
            count += 1
            yield _from_bank(record, record.gold, record.result)
    except BankError as error:
        raise RecordingError(str(error)) from error
    if not count:
        raise RecordingError(f"{folder}: contains no usable question")


def _from_bank(record: BankRecord, gold: str, result: Result) -> Recording:
    samples = (
        RecordedSample(
            text=sample.text,
            answer=sample.answer,
            tokens=sample.usage.completion_tokens,
            finish_reason=sample.finish_reason,
            failed=sample.status in ("failed", "cancelled"),
        )
        for sample in result.samples
        if sample.role == "explorer"
    )
    kind = record.kind or result.kind
    return Recording(
        problem=record.question,
        gold=gold,
        kind=None if kind == "auto" else kind,
        samples=tuple(samples),
    )


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
