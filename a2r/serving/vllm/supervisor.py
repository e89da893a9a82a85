"""Starts servers in order, keeps them running within bounds, and leaves none behind."""

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
    """What a server is doing."""

    waiting = "waiting"
    starting = "starting"
    healthy = "healthy"
    restarting = "restarting"
    stopped = "stopped"


@dataclass
class SupervisedServer:
    """One server as the supervisor knows it; `since` is when its state began (monotonic)."""

    spec: ServerSpec
    log: Path
    state: ServerState = ServerState.waiting
    since: float = field(default_factory=time.monotonic)
    process: VllmProcess | None = None
    restarted: deque[float] = field(default_factory=deque)
    up: asyncio.Event = field(default_factory=asyncio.Event)

    def enter(self, state: ServerState) -> None:
        """Change the state."""
        self.state, self.since = state, time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the state has lasted."""
        return time.monotonic() - self.since

    def last_line(self) -> str:
        """The last line of its log since it was started."""
        return last_log_line(self.process.log_tail()) or "" if self.process else ""


class VllmSupervisor:
    """The servers of one `a2r up`.

    Call `start`, then `watch`, and `stop` however they end.
    """

    def __init__(self, specs: Sequence[ServerSpec], logs: Path) -> None:
        self.servers = [
            SupervisedServer(spec=spec, log=logs / f"{spec.roles[0]}-{spec.port}.log")
            for spec in specs
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Start each server once the one before is healthy.

        Raises:
            ConfigError: what a server needs is not there.
            ServingError: a port is taken, or a server did not get healthy; the message has the
                decisive line of its log.
        """
        process.check_startable(server.spec for server in self.servers)
        # The environment's proxies are not for servers on this machine.
        self._session = aiohttp.ClientSession(trust_env=False)
        for server in self.servers:
            self._tasks.append(asyncio.create_task(self._supervise(server, self._session)))
            await self._wait_any(asyncio.create_task(_true(server.up)))

    async def watch(self) -> None:
        """Keep the servers running; returns only by an error.

        Raises:
            ServingError: a server died more often than it may.
        """
        await self._wait_any()

    async def stop(self) -> None:
        """End all servers and their children, each within its grace."""
        for keeper in self._tasks:
            keeper.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if any(server.process for server in self.servers):
            get_logger().info("ending the servers")
        await asyncio.gather(*(self._stop(server) for server in self.servers))
        if self._session is not None:
            await self._session.close()

    def kill(self) -> None:
        """Have everything killed at once; `stop` still waits for the end."""
        for server in self.servers:
            if server.process is not None:
                server.process.kill()

    async def _wait_any(self, wanted: asyncio.Task[None] | None = None) -> None:
        tasks = [*self._tasks, *([wanted] if wanted else [])]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if wanted:
                wanted.cancel()
        for task in done:
            task.result()

    async def _supervise(self, server: SupervisedServer, session: aiohttp.ClientSession) -> None:
        """Start a server, and again whenever it dies, until it has died too often."""
        log = get_logger().bind(server=server.spec.name, port=server.spec.port)
        note = "start"
        while True:
            server.enter(ServerState.starting)
            log.info("server starts", model=server.spec.loaded_model, log=str(server.log))
            server.process = process.start(server.spec, server.log, note)
            fault = await self._wait_for_exit(server, server.process, session)
            now = time.monotonic()
            while server.restarted and now - server.restarted[0] > RESTART_WINDOW_SECONDS:
                server.restarted.popleft()
            count = len(server.restarted)
            if not server.up.is_set() or count >= server.spec.restarts:
                after = f" after {count} restarts" if count else ""
                raise ServingError(f"{server.spec.label} {fault}{after}")
            server.restarted.append(now)
            server.enter(ServerState.restarting)
            pause = min(2.0**count, MAX_BACKOFF_SECONDS)
            note = f"restart {count + 1} of {server.spec.restarts}"
            log.warning("server died", fault=fault, next=f"{note} in {pause:.0f} s")
            await asyncio.sleep(pause)

    async def _wait_for_exit(
        self, server: SupervisedServer, running: VllmProcess, session: aiohttp.ClientSession
    ) -> str:
        """Wait for a server's health and then its death; what went wrong, for a message."""
        death = asyncio.create_task(running.has_exited())
        health = asyncio.create_task(wait_until_healthy(session, server.spec))
        news = asyncio.create_task(_log_progress(server))
        try:
            await asyncio.wait(
                {death, health},
                timeout=server.spec.startup,
                return_when=asyncio.FIRST_COMPLETED,
            )
            news.cancel()
            if not death.done() and not health.done():
                fault = process.exit_reason(running)
                await running.stop(STARTING_GRACE_SECONDS)
                return f"was not healthy within {server.spec.startup:g} s: {fault}"
            if not death.done():
                health.result()
                get_logger().info(
                    "server is healthy", server=server.spec.name, seconds=round(server.seconds, 1)
                )
                server.enter(ServerState.healthy)
                server.up.set()
            ending = await death
        finally:
            for task in (death, health, news):
                task.cancel()
        when = "" if server.state is ServerState.healthy else " before it was healthy"
        return f"{ending}{when}: {process.exit_reason(running, ending)}"

    async def _stop(self, server: SupervisedServer) -> None:
        if server.process is not None:
            healthy = server.state is ServerState.healthy
            await server.process.stop(GRACE_SECONDS if healthy else STARTING_GRACE_SECONDS)
        server.enter(ServerState.stopped)


async def _true(event: asyncio.Event) -> None:
    await event.wait()


async def _log_progress(server: SupervisedServer) -> None:
    with suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(STILL_STARTING_SECONDS)
            get_logger().info(
                "server still starts",
                server=server.spec.name,
                seconds=round(server.seconds),
                last_line=server.last_line(),
            )
