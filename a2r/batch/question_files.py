"""Read the rows of a file of questions: JSON lines, CSV, TSV, Parquet, a bank, standard input."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast, get_args

from a2r.batch.bank.frames import zstandard
from a2r.batch.bank.index import INDEX
from a2r.batch.bank.reader import Bank, is_bank
from a2r.batch.errors import QuestionsError
from a2r.errors import MissingExtraError

Format = Literal["jsonl", "csv", "tsv", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
STDIN = "-"
SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
COMPRESSED = (".gz", ".zst")
GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
DELIMITERS = {"csv": ",", "tsv": "\t"}
ROWS_AT_ONCE = 1024
HASH_BYTES = 1 << 20


class UnreadableRow:
    """A row that cannot be read, with the reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def file_format(file: str, given: Format | None = None) -> Format:
    """The format of a file: as given, by its name, or JSON lines for standard input.

    Raises:
        QuestionsError: the name does not tell.
    """
    if given is not None:
        return given
    if file == STDIN:
        return "jsonl"
    suffixes = [suffix.lower() for suffix in Path(file).suffixes if suffix not in COMPRESSED]
    found = SUFFIXES.get(suffixes[-1]) if suffixes else None
    if found is None:
        raise QuestionsError(
            f"{file}: the name does not tell the format; set --format to one of "
            f"{', '.join(FORMATS)}"
        )
    return found


def read_rows(file: str, given: Format | None = None) -> Iterator[Any]:
    """Yield the rows of a file in order; one that cannot be read is an `UnreadableRow`.

    The rows of a bank are its records.

    Raises:
        QuestionsError: the file cannot be opened, or not be read any further.
        MissingExtraError: the package for Parquet is not installed.
    """
    if is_bank(file):
        yield from Bank.open(file)
        return
    form = file_format(file, given)
    try:
        if form == "parquet":
            yield from _parquet_rows(file)
            return
        with _open(file) as stream:
            yield from _json_rows(stream) if form == "jsonl" else _csv_rows(stream, form)
    except (OSError, EOFError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise QuestionsError(f"{file}: cannot be read: {reason}") from error


def file_hash(file: str) -> str | None:
    """The hash of a file; `None` for standard input. That of a bank is the one of its index.

    Raises:
        QuestionsError: it cannot be read.
    """
    if file == STDIN:
        return None
    digest = hashlib.sha256()
    path = Path(file) / INDEX if is_bank(file) else Path(file)
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(HASH_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise QuestionsError(f"{file}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def count_rows(file: str, given: Format | None = None) -> int | None:
    """About how many rows a file has; `None` for standard input and compressed files.

    Raises:
        QuestionsError: it cannot be read, or its format is unknown.
        MissingExtraError: the package for Parquet is not installed.
    """
    if is_bank(file):
        return Bank.open(file).manifest.questions
    form = file_format(file, given)
    if file == STDIN or Path(file).suffix in COMPRESSED:
        return None
    if form == "parquet":
        return _parquet_length(file)
    try:
        with Path(file).open("rb") as stream:
            lines = sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(HASH_BYTES), b""))
    except OSError as error:
        raise QuestionsError(f"{file}: cannot be read: {error.strerror}") from error
    return lines if form == "jsonl" else max(0, lines - 1)


@contextmanager
def _open(file: str) -> Iterator[BinaryIO]:
    """Open a file; gzip and Zstandard are detected by the first bytes and decompressed."""
    if file == STDIN:
        if sys.stdin is None:
            raise QuestionsError("standard input is closed")
        stream = cast("io.BufferedReader", sys.stdin.buffer)
    else:
        stream = Path(file).open("rb")  # noqa: SIM115 - closed below
    try:
        start = stream.peek(4)
        if start.startswith(GZIP_MAGIC):
            yield cast("BinaryIO", gzip.GzipFile(fileobj=stream))
        elif start.startswith(ZSTD_MAGIC):
            yield _decompressed(stream)
        else:
            yield stream
    finally:
        if file != STDIN:
            stream.close()


def _decompressed(stream: BinaryIO) -> BinaryIO:
    reader = zstandard().ZstdDecompressor().stream_reader(stream, read_across_frames=True)
    return cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", reader)))


def _json_rows(stream: BinaryIO) -> Iterator[Any]:
    for number, line in enumerate(stream):
        text = line.removeprefix(codecs.BOM_UTF8) if number == 0 else line
        if not text.strip():
            continue
        if number == 0 and text.lstrip().startswith(b"["):
            yield from _json_array(text + stream.read())
            return
        try:
            yield json.loads(text)
        except (ValueError, RecursionError) as error:
            yield UnreadableRow(f"line {number + 1} is not JSON: {error}")


def _json_array(text: bytes) -> list[Any]:
    try:
        rows: list[Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise QuestionsError(f"the file is no JSON array, nor lines of JSON: {error}") from error
    return rows


def _csv_rows(stream: BinaryIO, form: Format) -> Iterator[Any]:
    csv.field_size_limit(sys.maxsize)
    # Bytes that are not UTF-8 become surrogates, which no valid text has.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    rows = csv.DictReader(text, delimiter=DELIMITERS[form], strict=True)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield UnreadableRow(f"line {rows.line_num} is not valid: {error}")
            continue
        if None in row:
            yield UnreadableRow(f"line {rows.line_num} has more values than the header has names")
        elif not all(_is_utf8(value) for value in row.values()):
            yield UnreadableRow(f"line {rows.line_num} is not UTF-8 text")
        else:
            yield row


def _is_utf8(value: str | None) -> bool:
    return value is None or not any("\udc80" <= character <= "\udcff" for character in value)


def _parquet_rows(file: str) -> Iterator[Any]:
    with _parquet(file) as table:
        for batch in table.iter_batches(batch_size=ROWS_AT_ONCE):
            yield from batch.to_pylist()


def _parquet_length(file: str) -> int:
    with _parquet(file) as table:
        return int(table.metadata.num_rows)


@contextmanager
def _parquet(file: str) -> Iterator[Any]:
    if file == STDIN:
        raise QuestionsError("Parquet cannot be read from standard input: give a file")
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "tables") from error
    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            yield table
    except OSError as error:
        raise QuestionsError(f"{file}: cannot be read: {error.strerror or error}") from error
    except pyarrow.ArrowException as error:
        raise QuestionsError(f"{file}: cannot be read: {error}") from error
