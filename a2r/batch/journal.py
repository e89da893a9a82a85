"""The journal of a batch: the calls of the questions in flight, for a process that is killed.

Its segments are JSON lines, and are deleted once all of their questions are stored in the bank.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from a2r.batch.bank.file_writer import AppendFile, FileWriter

JOURNAL = "journal"
SEGMENT_NAME = "{:06d}.jsonl"
SEGMENT_BYTES = 16 << 20
Entry = dict[str, Any]


def read_journal(folder: Path) -> Iterator[Entry]:
    """Yield the entries of a batch's journal in order; an incomplete line at an end is skipped.

    Raises:
        OSError: a segment cannot be read.
    """
    for path in _segments(folder):
        with path.open("rb") as lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                except ValueError:
                    break
                if isinstance(entry, dict):
                    yield entry


def _segments(folder: Path) -> list[Path]:
    return sorted((folder / JOURNAL).glob("*.jsonl"))


@dataclass
class _Segment:
    """A file of entries, and the questions that need it."""

    path: Path
    questions: set[int] = field(default_factory=set)


@dataclass
class Journal:
    """Appends entries; those of one moment are written together.

    Entries of earlier processes stay until their questions are stored: `questions` are those.
    """

    folder: Path
    files: FileWriter
    questions: Iterable[int] = ()
    _lines: list[bytes] = field(default_factory=list)
    _write: asyncio.Future[None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Start a new segment after the earlier ones."""
        earlier = _segments(self.folder)
        self._segments = [_Segment(path, set(self.questions)) for path in earlier]
        number = int(earlier[-1].stem) + 1 if earlier else 0
        self._file = self._open(number)

    def _open(self, number: int) -> AppendFile:
        self._number = number
        path = self.folder / JOURNAL / SEGMENT_NAME.format(number)
        file = AppendFile(path)
        self._segments.append(_Segment(path))
        return file

    def append(self, entry: Entry, question: int | None = None) -> asyncio.Future[None]:
        """Append an entry; the future is done when it is written. `question` needs its segment."""
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._lines.append(line)
            if question is not None:
                self._segments[-1].questions.add(question)
            if self._write is None:
                self._write = asyncio.wrap_future(self.files.submit(self._write_lines))
            return self._write

    def _write_lines(self) -> None:
        """Write the lines so far; runs in the thread, and again after a full disk."""
        with self._lock:
            lines, self._lines = self._lines, []
            self._write = None
        try:
            self._file.append(b"".join(lines))
        except OSError:
            with self._lock:
                self._lines[:0] = lines
            raise
        if self._file.offset >= SEGMENT_BYTES:
            self._file.close()
            with self._lock:
                self._file = self._open(self._number + 1)

    def forget(self, questions: Iterable[int]) -> None:
        """Delete the segments that only questions needed which are stored now."""
        done = set(questions)
        with self._lock:
            for segment in self._segments:
                segment.questions -= done
            unused = [segment for segment in self._segments[:-1] if not segment.questions]
            self._segments = [segment for segment in self._segments if segment not in unused]
        for segment in unused:
            self.files.submit(partial(segment.path.unlink, missing_ok=True))

    async def close(self, *, complete: bool) -> None:
        """Write what is left; delete the journal if the batch is `complete`.

        Raises:
            BankError: it cannot be written.
        """
        write = self._write
        if write is not None:
            await write
        self._file.close()
        if complete:
            for path in _segments(self.folder):
                path.unlink(missing_ok=True)
            (self.folder / JOURNAL).rmdir()
