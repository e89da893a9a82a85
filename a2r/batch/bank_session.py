"""An open bank: its lock, manifest, index, journal and writer."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from a2r._internal.logging import get_logger
from a2r._version import __version__
from a2r.batch.bank.file_writer import FileWriter
from a2r.batch.bank.frames import zstandard
from a2r.batch.bank.index import BankIndex, IndexEntry
from a2r.batch.bank.lock import bank_lock
from a2r.batch.bank.manifest import MANIFEST, Manifest, config_hash
from a2r.batch.bank.records import BankRecord
from a2r.batch.bank.writer import BankWriter
from a2r.batch.errors import BankError
from a2r.batch.journal import Journal, read_journal
from a2r.batch.progress import BatchProgress, StoredQuestion
from a2r.batch.question_files import file_hash
from a2r.batch.recorded_calls import RecordedCalls, read_calls
from a2r.batch.settings import BatchSettings
from a2r.config import LoadedConfig


@dataclass
class BankSession:
    """A bank that this process writes.

    `stored` are the questions with a record, by number; `calls` those of attempts without one,
    of processes that were killed. `is_complete` says that every question has a record.
    """

    manifest: Manifest
    stored: dict[int, StoredQuestion]
    calls: dict[int, RecordedCalls]
    folder: Path
    writer: BankWriter
    journal: Journal
    is_complete: bool = False

    async def add(self, record: BankRecord, progress: BatchProgress) -> None:
        """Add a record, and count it.

        Raises:
            BankError: an earlier record could not be written.
        """
        entry = IndexEntry.from_record(record)
        await self.writer.add(record, entry)
        progress.add(entry, self.stored.get(record.number))

    async def close(self, progress: BatchProgress) -> None:
        """Write what is left.

        Raises:
            BankError: it cannot be written.
        """
        try:
            await self.writer.close()
        finally:
            await self.journal.close(complete=self.is_complete)
        if self.is_complete and self.manifest.finished_at is None:
            update = {"finished_at": time.time(), "questions": progress.expected}
            self.manifest.model_copy(update=update).write(self.folder)


@asynccontextmanager
async def open_bank(
    settings: BatchSettings, loaded: LoadedConfig, progress: BatchProgress
) -> AsyncIterator[BankSession]:
    """Open or create the bank of a batch, and write everything at the end.

    Raises:
        BankBusyError: another process writes it.
        BankError: it cannot be read or written, or is of another config, code or file.
        QuestionsError: the file of the questions cannot be read.
        MissingExtraError: zstandard is not installed.
    """
    # Nothing may be paid for that cannot be stored.
    zstandard()
    with bank_lock(settings.folder):
        manifest = _open_manifest(settings, loaded)
        index = BankIndex(settings.folder)
        stored: dict[int, StoredQuestion] = {}
        for entry in (entry for frame in index for entry in frame.entries):
            progress.counts.add(entry, stored.get(entry.number))
            stored[entry.number] = StoredQuestion.from_entry(entry)
        attempts = {number: question.attempt for number, question in stored.items()}
        calls = read_calls(read_journal(settings.folder), attempts)
        files = FileWriter(on_wait=progress.wait_for)
        files.start()
        try:
            journal = Journal(settings.folder, files, questions=calls)
            writer = BankWriter(settings.folder, files, index, on_stored=journal.forget)
            journal.append({"event": "start", "process": os.getpid(), "time": time.time()})
            session = BankSession(manifest, stored, calls, settings.folder, writer, journal)
            try:
                yield session
            finally:
                await session.close(progress)
        except OSError as error:
            raise BankError(f"{settings.folder}: cannot be written: {error.strerror}") from error
        finally:
            files.close()


def _open_manifest(settings: BatchSettings, loaded: LoadedConfig) -> Manifest:
    """The manifest of the bank; a new one if the folder has none.

    Raises:
        BankError: the bank is of another config, code or file.
    """
    current = Manifest(
        a2r_version=__version__,
        config_name=loaded.name,
        config=loaded.redacted_values(),
        config_hash=config_hash(loaded),
        questions_file=settings.questions,
        questions_hash=file_hash(settings.questions),
        keep_thinking=settings.keep_thinking,
        created_at=time.time(),
    )
    if not (settings.folder / MANIFEST).exists():
        current.write(settings.folder)
        return current
    manifest = Manifest.read(settings.folder)
    changes = _changes(manifest, current)
    if changes and not settings.accept_changes:
        raise BankError(
            f"{settings.folder}: {'; '.join(changes)} since this bank was started: choose another "
            "folder, or set --accept-changes to continue with the current ones"
        )
    if changes:
        get_logger().warning("bank continues with changes", changes=changes)
        manifest = current.model_copy(update={"created_at": manifest.created_at})
        manifest.write(settings.folder)
    return manifest


def _changes(earlier: Manifest, current: Manifest) -> Sequence[str]:
    """What differs between two manifests, in words."""
    changes = []
    if earlier.config_hash != current.config_hash:
        keys = sorted(
            key
            for key in {*earlier.config, *current.config}
            if earlier.config.get(key) != current.config.get(key)
        )
        changes.append(f"the config has changed ({', '.join(keys) or 'in a secret value'})")
    if earlier.a2r_version != current.a2r_version:
        changes.append(f"a2r has changed from {earlier.a2r_version} to {current.a2r_version}")
    if earlier.code_hash != current.code_hash:
        changes.append("the code of the graph has changed")
    if earlier.questions_hash != current.questions_hash:
        changes.append("the file of the questions has changed")
    if earlier.keep_thinking != current.keep_thinking:
        changes.append("--keep-thinking has changed")
    return changes
