"""Frames of a shard: compressed groups of lines, each of which can be checked by itself.

A shard is a file of Zstandard frames (RFC 8878) of JSON lines, which `zstd -dc` decompresses. A
process that is killed leaves at most the last frame incomplete.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from a2r.errors import MissingExtraError

LEVEL = 3
READ_BYTES = 1 << 18


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A complete frame: its bytes in the file from `start` to `end`, and its lines."""

    start: int
    end: int
    lines: tuple[bytes, ...]


def zstandard() -> ModuleType:
    """The package `zstandard`.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import zstandard as library
    except ImportError as error:
        raise MissingExtraError("zstandard", "batch") from error
    return library


def encode_frame(lines: Sequence[bytes]) -> bytes:
    """Compress lines, each of which ends with a newline, as a frame with a checksum."""
    compressor = zstandard().ZstdCompressor(level=LEVEL, write_checksum=True)
    frame: bytes = compressor.compress(b"".join(lines))
    return frame


def read_frames(path: Path, start: int = 0) -> Iterator[Frame]:
    """Yield the complete frames of a file from an offset; an incomplete or broken one ends them.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(start)
        pending = b""
        while True:
            frame, pending = _read_frame(file, start, pending)
            if frame is None:
                return
            yield frame
            start = frame.end


def _read_frame(file: BinaryIO, start: int, pending: bytes) -> tuple[Frame | None, bytes]:
    """Read one frame, of which `pending` has been read; also return what was read after it."""
    library = zstandard()
    decompressor = library.ZstdDecompressor().decompressobj()
    content: list[bytes] = []
    read = 0
    chunk = pending or file.read(READ_BYTES)
    try:
        while chunk:
            read += len(chunk)
            content.append(decompressor.decompress(chunk))
            if decompressor.eof:
                rest = decompressor.unused_data
                end = start + read - len(rest)
                lines = tuple(b"".join(content).splitlines(keepends=True))
                return Frame(start=start, end=end, lines=lines), rest
            chunk = file.read(READ_BYTES)
    except library.ZstdError:
        pass
    return None, b""
