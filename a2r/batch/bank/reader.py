"""Read a bank: its manifest and its records, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from a2r.batch.bank.frames import read_frames
from a2r.batch.bank.index import BankIndex, shard_path
from a2r.batch.bank.manifest import MANIFEST, Manifest
from a2r.batch.bank.records import BankRecord
from a2r.batch.errors import BankError


@dataclass(frozen=True, kw_only=True)
class Bank:
    """A bank in a folder, which a batch may still write."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: str | Path) -> Bank:
        """Open a bank.

        Raises:
            BankError: the folder has none, or it cannot be read.
        """
        path = Path(folder)
        return cls(folder=path, manifest=Manifest.read(path))

    def __iter__(self) -> Iterator[BankRecord]:
        """Yield the valid record of each question, in the order in which they were stored.

        Raises:
            BankError: a shard cannot be read.
        """
        last = self._last_attempts()
        for record in self.all_records():
            if last.get(record.number, 0) == record.attempt:
                yield record

    def all_records(self) -> Iterator[BankRecord]:
        """Yield all records, also those of attempts that were repeated.

        Raises:
            BankError: a shard cannot be read.
        """
        shard = 0
        while (path := shard_path(self.folder, shard)).exists():
            for frame in read_frames(path):
                for line in frame.lines:
                    try:
                        yield BankRecord.model_validate_json(line)
                    except ValueError as error:
                        reason = str(error).splitlines()[0]
                        raise BankError(f"{path}: byte {frame.start}: {reason}") from error
            shard += 1

    def _last_attempts(self) -> dict[int, int]:
        """The number of the valid attempt of each question that was asked more than once."""
        return {
            entry.number: entry.attempt
            for frame in BankIndex(self.folder)
            for entry in frame.entries
            if entry.attempt
        }


def is_bank(path: str | Path) -> bool:
    """Whether a path is a folder with a bank."""
    return (Path(path) / MANIFEST).is_file()
