"""The index of a bank: which questions have a record, and where; made again from the shards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from a2r._internal.models import FrozenModel
from a2r.batch.bank.frames import Frame, read_frames
from a2r.batch.bank.records import BankRecord, RecordStatus
from a2r.batch.errors import BankError
from a2r.result import Method
from a2r.usage import Usage

INDEX = "index.jsonl"
SHARDS = "shards"
SHARD_NAME = "{:05d}.jsonl.zst"


class IndexEntry(FrozenModel):
    """A record without its texts."""

    number: int
    id: str
    question_hash: str
    status: RecordStatus
    attempt: int
    usage: Usage
    method: Method | None = None
    error_type: str | None = None
    correct: bool | None = None

    @classmethod
    def from_record(cls, record: BankRecord) -> IndexEntry:
        """The entry of a record."""
        method = None if record.result is None else record.result.method
        fields = {name: getattr(record, name) for name in cls.model_fields if name != "method"}
        return cls(method=method, **fields)


class IndexedFrame(FrozenModel):
    """A frame in a shard up to the offset `end`, and the entries of its records."""

    shard: int
    end: int
    entries: list[IndexEntry]

    def to_line(self) -> bytes:
        """The frame as a JSON line."""
        return self.model_dump_json().encode() + b"\n"


def shard_path(folder: Path, number: int) -> Path:
    """The path of a shard."""
    return folder / SHARDS / SHARD_NAME.format(number)


@dataclass
class BankIndex:
    """Reads the index of a bank, and the frames that it lacks from the shards.

    After all frames, `shard` and `shard_bytes` are the end of the last one, `index_bytes` that of
    the valid part of the index, and `missing` the frames after it.
    """

    folder: Path
    shard: int = 0
    shard_bytes: int = 0
    index_bytes: int = 0
    missing: list[IndexedFrame] = field(default_factory=list)

    def __iter__(self) -> Iterator[IndexedFrame]:
        """Yield the complete frames in order.

        Raises:
            BankError: a file cannot be read, or a shard is shorter than the index says.
        """
        for frame in self._indexed():
            _check_length(self.folder, frame)
            self.shard, self.shard_bytes = frame.shard, frame.end
            yield frame
        for frame in self._not_indexed():
            self.shard, self.shard_bytes = frame.shard, frame.end
            self.missing.append(frame)
            yield frame

    def _indexed(self) -> Iterator[IndexedFrame]:
        path = self.folder / INDEX
        if not path.exists():
            return
        with path.open("rb") as lines:
            for line in lines:
                try:
                    frame = IndexedFrame.model_validate_json(line)
                except ValueError:
                    # A process was killed while it wrote the line: the shards have the rest.
                    return
                self.index_bytes += len(line)
                yield frame

    def _not_indexed(self) -> Iterator[IndexedFrame]:
        shard, offset = self.shard, self.shard_bytes
        while (path := shard_path(self.folder, shard)).exists():
            for frame in read_frames(path, offset):
                yield IndexedFrame(shard=shard, end=frame.end, entries=_entries(path, frame))
            shard, offset = shard + 1, 0


def _check_length(folder: Path, frame: IndexedFrame) -> None:
    path = shard_path(folder, frame.shard)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise BankError(f"{path}: cannot be read: {error.strerror}") from error
    if size < frame.end:
        raise BankError(
            f"{path}: has {size} bytes, but the index names {frame.end}: restore the file, or "
            f"delete {folder / INDEX} to use what is left"
        )


def _entries(path: Path, frame: Frame) -> list[IndexEntry]:
    try:
        return [IndexEntry.from_record(BankRecord.model_validate_json(x)) for x in frame.lines]
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise BankError(f"{path}: bytes {frame.start} to {frame.end}: {reason}") from error
