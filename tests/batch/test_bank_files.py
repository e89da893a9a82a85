"""The files of a bank survive a process that is killed, and a full disk."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from a2r.batch import BankError, BankRecord
from a2r.batch.bank import file_writer, writer
from a2r.batch.bank.file_writer import AppendFile, FileWriter
from a2r.batch.bank.frames import encode_frame, read_frames
from a2r.batch.bank.index import INDEX, BankIndex, IndexEntry, shard_path
from a2r.batch.bank.lock import bank_lock
from a2r.batch.bank.writer import BankWriter
from a2r.batch.errors import BankBusyError


def record(number: int, **values: Any) -> BankRecord:
    fields = {"id": str(number), "question_hash": "0", "status": "failed", "question": "?"}
    return BankRecord.model_validate(
        {"number": number, "started_at": 0, "seconds": 1, **fields, **values}
    )


@asynccontextmanager
async def bank_writer(folder: Path, stored: list[int]) -> AsyncIterator[BankWriter]:
    index = BankIndex(folder)
    list(index)
    files = FileWriter(on_wait=lambda _: None)
    files.start()
    bank = BankWriter(folder, files, index, on_stored=stored.extend)
    try:
        yield bank
    finally:
        await bank.close()
        files.close()


async def write(folder: Path, numbers: Sequence[int]) -> list[int]:
    stored: list[int] = []
    async with bank_writer(folder, stored) as bank:
        for number in numbers:
            each = record(number)
            await bank.add(each, IndexEntry.from_record(each))
    await asyncio.sleep(0)
    return stored


def numbers(folder: Path) -> list[int]:
    return [entry.number for frame in BankIndex(folder) for entry in frame.entries]


async def test_records_are_stored_in_frames_and_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FRAME_BYTES", 1000)
    monkeypatch.setattr(writer, "SHARD_BYTES", 2000)
    assert await write(tmp_path, range(50)) == list(range(50))
    assert numbers(tmp_path) == list(range(50))
    assert shard_path(tmp_path, 1).exists()
    lines = [
        line
        for shard in range(10)
        if shard_path(tmp_path, shard).exists()
        for frame in read_frames(shard_path(tmp_path, shard))
        for line in frame.lines
    ]
    assert [BankRecord.model_validate_json(line).number for line in lines] == list(range(50))


@pytest.mark.parametrize("cut", [1, 5, 40])
@pytest.mark.parametrize("file", ["shard", "index"])
async def test_a_torn_end_is_cut_off(tmp_path: Path, file: str, cut: int) -> None:
    await write(tmp_path, [0, 1])
    await write(tmp_path, [2])
    path = shard_path(tmp_path, 0) if file == "shard" else tmp_path / INDEX
    os.truncate(path, path.stat().st_size - cut)
    if file == "shard":
        # The index is written after the shard.
        lines = (tmp_path / INDEX).read_bytes().splitlines(keepends=True)
        (tmp_path / INDEX).write_bytes(lines[0] + lines[1][:10])
    expected = [0, 1] if file == "shard" else [0, 1, 2]
    assert numbers(tmp_path) == expected
    await write(tmp_path, [3])
    assert numbers(tmp_path) == [*expected, 3]
    (tmp_path / INDEX).unlink()
    assert numbers(tmp_path) == [*expected, 3]


async def test_a_shard_that_lost_stored_records_is_an_error(tmp_path: Path) -> None:
    await write(tmp_path, [0])
    os.truncate(shard_path(tmp_path, 0), 10)
    with pytest.raises(BankError, match="has 10 bytes, but the index names"):
        numbers(tmp_path)


def test_a_frame_with_a_changed_byte_ends_the_shard(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    first, second = encode_frame([b"a\n" * 100]), encode_frame([b"b\n"])
    path.write_bytes(first + second[:-1] + bytes([second[-1] ^ 1]))
    frames = list(read_frames(path))
    assert [(frame.start, frame.end) for frame in frames] == [(0, len(first))]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Writes fail after half of their bytes while the list has a true value."""
    is_full, pwrite = [False], os.pwrite

    def limited(descriptor: int, data: memoryview, offset: int) -> int:
        if is_full[0]:
            pwrite(descriptor, data[: len(data) // 2], offset)
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", limited)
    monkeypatch.setattr(file_writer, "RETRY_SECONDS", 0.01)
    return is_full


def test_a_failed_write_leaves_the_file_as_before(tmp_path: Path, full_disk: list[bool]) -> None:
    file = AppendFile(tmp_path / "file")
    file.append(b"first\n")
    full_disk[0] = True
    with pytest.raises(OSError, match="No space"):
        file.append(b"second\n")
    full_disk[0] = False
    file.append(b"third\n")
    assert (tmp_path / "file").read_bytes() == b"first\nthird\n"


async def test_a_full_disk_is_waited_for(tmp_path: Path, full_disk: list[bool]) -> None:
    waits: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    files = FileWriter(on_wait=lambda why: loop.call_soon_threadsafe(waits.put_nowait, why))
    files.start()
    file = AppendFile(tmp_path / "file")
    full_disk[0] = True
    write = asyncio.wrap_future(files.submit(lambda: file.append(b"line\n")))
    assert "No space left on device" in await waits.get()
    assert not write.done()
    full_disk[0] = False
    await write
    assert (tmp_path / "file").read_bytes() == b"line\n"
    full_disk[0] = True
    files.stop_waiting()
    with pytest.raises(BankError, match="the bank cannot be written: No space"):
        await asyncio.wrap_future(files.submit(lambda: file.append(b"more\n")))
    files.close()


def test_another_process_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    busy = pytest.raises(BankBusyError, match=f"process {os.getpid()} on .* writes this bank")
    with bank_lock(tmp_path), busy, bank_lock(tmp_path):
        pass
    with bank_lock(tmp_path):
        pass
