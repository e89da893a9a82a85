"""Start vLLM servers in order, restart them if they fail, and stop all of them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import aiohttp

from a2r._internal.logging import get_logger
from a2r.errors import ServingError
from a2r.serving.vllm import server_process as process
from a2r.serving.vllm.health_check import wait_until_healthy
from a2r.serving.vllm.log_diagnosis import last_log_line
from a2r.serving.vllm.server_process import GRACE_SECONDS, STARTING_GRACE_SECONDS, VllmProcess
from a2r.serving.vllm.server_spec import ServerSpec

RESTART_WINDOW_SECONDS = 3600.0
MAX_BACKOFF_SECONDS = 30.0
STILL_STARTING_SECONDS = 30.0


class ServerState(StrEnum):
    """The state of a server."""

    waiting = "waiting"
    starting = "starting"
    healthy = "healthy"
    restarting = "restarting"
    stopped = "stopped"


@dataclass
class SupervisedServer:
    """One server of the supervisor; `since` is the monotonic time of its last change of state."""

    spec: ServerSpec
    log: Path
    state: ServerState = ServerState.waiting
    since: float = field(default_factory=time.monotonic)
    process: VllmProcess | None = None
    restart_times: deque[float] = field(default_factory=deque)
    was_healthy: asyncio.Event = field(default_factory=asyncio.Event)

    def enter(self, state: ServerState) -> None:
        """Set the state."""
        self.state, self.since = state, time.monotonic()

    @property
    def seconds(self) -> float:
        """The seconds since the last change of state."""
        return time.monotonic() - self.since

    def last_line(self) -> str:
        """The last line of the log since the server was started."""
        return last_log_line(self.process.log_tail()) or "" if self.process else ""


class VllmSupervisor:
    """The servers of one `a2r up`.

    Call `start`, then `watch`. Always call `stop` at the end, also after an error.
    """

    def __init__(self, specs: Sequence[ServerSpec], logs: Path) -> None:
        self.servers = [
            SupervisedServer(spec=spec, log=logs / f"{spec.roles[0]}-{spec.port}.log")
            for spec in specs
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Start the servers one after the other; each waits until the previous one is healthy.

        Raises:
            ConfigError: an interpreter, a model or an API key is missing.
            ServingError: a port is in use, or a server did not become healthy; the message contains
                the error line of its log.
        """
        process.check_startable(server.spec for server in self.servers)
        # Proxies from the environment do not apply to servers on this machine.
        self._session = aiohttp.ClientSession(trust_env=False)
        for server in self.servers:
            self._tasks.append(asyncio.create_task(self._supervise(server, self._session)))
            await self._wait_any(asyncio.create_task(_wait(server.was_healthy)))

    async def watch(self) -> None:
        """Keep the servers running until one fails.

        Raises:
            ServingError: a server exceeded its restarts.
        """
        await self._wait_any()

    async def stop(self) -> None:
        """Stop all servers and their child processes, each within its grace period."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if any(server.process for server in self.servers):
            get_logger().info("stopping servers")
        await asyncio.gather(*(self._stop(server) for server in self.servers))
        if self._session is not None:
            await self._session.close()

    def kill(self) -> None:
        """Request that all processes are killed; `stop` waits until they have exited."""
        for server in self.servers:
            if server.process is not None:
                server.process.kill()

    async def _wait_any(self, healthy: asyncio.Task[None] | None = None) -> None:
        tasks = [*self._tasks, *([healthy] if healthy else [])]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if healthy:
                healthy.cancel()
        for task in done:
            task.result()

    async def _supervise(self, server: SupervisedServer, session: aiohttp.ClientSession) -> None:
        """Start a server and restart it when it exits, until it exceeds its restarts."""
        log = get_logger().bind(server=server.spec.name, port=server.spec.port)
        note = "start"
        while True:
            server.enter(ServerState.starting)
            log.info("server starting", model=server.spec.loaded_model, log=str(server.log))
            server.process = process.start(server.spec, server.log, note)
            reason = await self._wait_for_exit(server, server.process, session)
            now = time.monotonic()
            while server.restart_times and now - server.restart_times[0] > RESTART_WINDOW_SECONDS:
                server.restart_times.popleft()
            count = len(server.restart_times)
            if not server.was_healthy.is_set() or count >= server.spec.restarts:
                after = f" after {count} restarts" if count else ""
                raise ServingError(f"{server.spec.label} {reason}{after}")
            server.restart_times.append(now)
            server.enter(ServerState.restarting)
            pause = min(2.0**count, MAX_BACKOFF_SECONDS)
            note = f"restart {count + 1} of {server.spec.restarts}"
            log.warning("server died", reason=reason, next=f"{note} in {pause:.0f} s")
            await asyncio.sleep(pause)

    async def _wait_for_exit(
        self, server: SupervisedServer, running: VllmProcess, session: aiohttp.ClientSession
    ) -> str:
        """Wait until a server is healthy and then exits; return the reason for a message."""
        exited = asyncio.create_task(running.wait())
        healthy = asyncio.create_task(wait_until_healthy(session, server.spec))
        progress = asyncio.create_task(_log_progress(server))
        try:
            await asyncio.wait(
                {exited, healthy},
                timeout=server.spec.startup,
                return_when=asyncio.FIRST_COMPLETED,
            )
            progress.cancel()
            if not exited.done() and not healthy.done():
                reason = process.exit_reason(running)
                await running.stop(STARTING_GRACE_SECONDS)
                return f"was not healthy within {server.spec.startup:g} s: {reason}"
            if not exited.done():
                healthy.result()
                get_logger().info(
                    "server healthy", server=server.spec.name, seconds=round(server.seconds, 1)
                )
                server.enter(ServerState.healthy)
                server.was_healthy.set()
            exit_status = await exited
        finally:
            for task in (exited, healthy, progress):
                task.cancel()
        when = "" if server.state is ServerState.healthy else " before it was healthy"
        return f"{exit_status}{when}: {process.exit_reason(running, exit_status)}"

    async def _stop(self, server: SupervisedServer) -> None:
        if server.process is not None:
            healthy = server.state is ServerState.healthy
            await server.process.stop(GRACE_SECONDS if healthy else STARTING_GRACE_SECONDS)
        server.enter(ServerState.stopped)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def _log_progress(server: SupervisedServer) -> None:
    with suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(STILL_STARTING_SECONDS)
            get_logger().info(
                "server still starting",
                server=server.spec.name,
                seconds=round(server.seconds),
                last_line=server.last_line(),
            )
