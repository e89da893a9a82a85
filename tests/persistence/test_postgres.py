"""Runs in a real Postgres; skipped if none is installed."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from a2r import A2R
from a2r.errors import StoreError, ThreadBusyError
from a2r.persistence import find_run, list_runs, open_store
from a2r.persistence.lease import thread_lease
from tests.support.fake_openai import ScriptedReply, boxed, config_for, fake_openai, replies
from tests.support.stored_runs import until_committed

pytestmark = pytest.mark.integration

ON: Any = {"configurable": {"thread_id": "t"}}
NOBODY = 65534
# Debian's folder of the programs, which is not on the PATH.
DEBIAN = Path("/usr/lib/postgresql")


def programs() -> Path | None:
    """The folder with Postgres's programs: on the PATH, or Debian's newest version."""
    installed = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    initdb = shutil.which("initdb") or (installed[-1] if installed else None)
    return Path(initdb).resolve().parent if initdb else None


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """Run a server and yield its URL; as another user, since Postgres refuses to run as root."""
    binaries = programs()
    if binaries is None:
        pytest.skip(f"there is no Postgres: initdb is neither on the PATH nor in {DEBIAN}/*/bin")
    user: dict[str, Any] = {"user": NOBODY, "group": NOBODY} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="a2r-postgres-", dir="/tmp"))
    if user:
        os.chown(folder, NOBODY, NOBODY)
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **user}
    data = str(folder / "data")
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "me", "-A", "trust"], check=True, **quiet
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["-D", data, "-k", str(folder), "-h", "127.0.0.1", "-p", str(port), "-F"]
    server = subprocess.Popen([binaries / "postgres", *options], **quiet)
    try:
        end = time.monotonic() + 60
        while subprocess.run(
            [binaries / "pg_isready", "-h", "127.0.0.1", "-p", str(port)], **quiet
        ).returncode:
            assert time.monotonic() < end, "Postgres did not start"
        yield f"postgresql://me:secret@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(60)
        shutil.rmtree(folder)


async def test_a_run_in_postgres_is_listed_and_resumed(database: str) -> None:
    says = [boxed("4"), boxed("5"), boxed("4"), ScriptedReply(hang=True)]
    with fake_openai(replies(small=says, big=boxed("5"))) as server:
        task = asyncio.create_task(
            A2R(config_for(server.url), checkpointer=database).aask("2+2?", ON)
        )
        await server.request_log.until(lambda it: len(it.requests) == 4 and it.outstanding == 1)
        async with open_store(database) as saver:
            run = await until_committed(saver, "t", 3)
            assert (run.state, run.next) == ("unfinished", ("explore x1",))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            says[3] = boxed("7")
            solver = A2R(config_for(server.url), checkpointer=database)
            result = await solver.aresume(ON)
            assert len(server.request_log.requests) == 4 + 1 + 1
            second = await solver.aask("3+1?", ON)
            runs = await list_runs(saver)
            assert [run.question for run in runs] == ["3+1?", "2+2?"]
            assert [run.state for run in runs] == ["finished", "finished"]
            assert (await find_run(saver, second.run_id[:9])).question == "3+1?"
            assert (await find_run(saver, result.run_id)).result == result


async def test_concurrent_processes_create_the_database(database: str) -> None:
    async def count() -> int:
        async with open_store(database.replace("/postgres", "/template1")) as saver:
            return len(await list_runs(saver))

    assert await asyncio.gather(*(count() for _ in range(8))) == [0] * 8


async def test_an_unreachable_database_is_a_clear_error() -> None:
    with pytest.raises(StoreError, match=r"cannot be used: .*refused") as error:
        async with open_store("postgresql://me:secret@127.0.0.1:9/nothing"):
            pass
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


async def test_a_thread_in_postgres_has_one_lease(database: str) -> None:
    async with open_store(database) as one, open_store(database) as two:
        async with thread_lease(one, "leased"):
            with pytest.raises(ThreadBusyError, match="is running"):
                async with thread_lease(two, "leased"):
                    pass
            async with thread_lease(two, "another"):
                pass
        async with thread_lease(two, "leased"):
            pass
