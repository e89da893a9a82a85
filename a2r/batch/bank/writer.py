"""Write a bank: records are collected into frames, and frames into shards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from a2r.batch.bank.file_writer import AppendFile, FileWriter
from a2r.batch.bank.frames import encode_frame
from a2r.batch.bank.index import INDEX, BankIndex, IndexedFrame, IndexEntry, shard_path
from a2r.batch.bank.records import BankRecord

FRAME_BYTES = 1 << 19
FRAME_SECONDS = 1.0
SHARD_BYTES = 64 << 20


@dataclass
class BankWriter:
    """Appends records to a bank; `on_stored` gets the numbers of the questions that are stored.

    Records are stored when a frame is full, or after a second. A process that is killed before
    loses the frame; the journal still has the calls of its questions.
    """

    folder: Path
    files: FileWriter
    index: BankIndex
    on_stored: Callable[[Sequence[int]], None]
    _lines: list[bytes] = field(default_factory=list)
    _entries: list[IndexEntry] = field(default_factory=list)
    _size: int = 0
    _timer: asyncio.TimerHandle | None = None
    _pending: set[asyncio.Future[None]] = field(default_factory=set)
    _error: BaseException | None = None

    def __post_init__(self) -> None:
        """Open the files, cut after what is complete, and complete the index."""
        self._shard = self.index.shard
        self._file = AppendFile(shard_path(self.folder, self._shard), self.index.shard_bytes)
        self._index = AppendFile(self.folder / INDEX, self.index.index_bytes)
        self._index.append(b"".join(frame.to_line() for frame in self.index.missing))

    async def add(self, record: BankRecord, entry: IndexEntry) -> None:
        """Add a record and its entry; waits while an earlier frame is being written.

        Raises:
            BankError: an earlier record could not be written.
        """
        self.check()
        self._lines.append(record.to_line())
        self._entries.append(entry)
        self._size += len(self._lines[-1])
        if self._size >= FRAME_BYTES:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FRAME_SECONDS, self._flush)
        if len(self._pending) > 1:
            await asyncio.wait(self._pending, return_when=asyncio.FIRST_COMPLETED)

    def check(self) -> None:
        """Raise the error of an earlier write.

        Raises:
            BankError: a record could not be written.
        """
        if self._error is not None:
            raise self._error

    async def close(self) -> None:
        """Write what is left and close the files.

        Raises:
            BankError: a record could not be written.
        """
        self._flush()
        if self._pending:
            await asyncio.wait(self._pending)
        self._file.close()
        self._index.close()
        self.check()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._lines:
            return
        lines, entries = self._lines, self._entries
        self._lines, self._entries, self._size = [], [], 0
        write = _FrameWrite(writer=self, lines=lines, entries=entries)
        future = asyncio.wrap_future(self.files.submit(write))
        self._pending.add(future)

        def on_done(done: asyncio.Future[None]) -> None:
            self._pending.discard(done)
            if done.cancelled():
                return
            if (error := done.exception()) is not None:
                self._error = error
            else:
                self.on_stored([entry.number for entry in entries])

        future.add_done_callback(on_done)

    def _append_frame(self, frame: bytes, entries: list[IndexEntry]) -> bytes:
        """Append a frame; return its line for the index."""
        if self._file.offset >= SHARD_BYTES:
            self._file.close()
            self._shard += 1
            self._file = AppendFile(shard_path(self.folder, self._shard), 0)
        self._file.append(frame, sync=True)
        return IndexedFrame(shard=self._shard, end=self._file.offset, entries=entries).to_line()


@dataclass
class _FrameWrite:
    """Writes a frame and its index line; runs in the thread, and again after a full disk."""

    writer: BankWriter
    lines: list[bytes]
    entries: list[IndexEntry]
    _frame: bytes = b""
    _index_line: bytes = b""

    def __call__(self) -> None:
        self._frame = self._frame or encode_frame(self.lines)
        if not self._index_line:
            self._index_line = self.writer._append_frame(self._frame, self.entries)
        self.writer._index.append(self._index_line)
