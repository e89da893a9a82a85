"""The vLLM servers of the tests: their counters and their processes."""

from __future__ import annotations

import asyncio
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import psutil
import yaml

from a2r import A2R, Result
from a2r.errors import NoAnswerError

METRIC = re.compile(r"^vllm:(\w+)\{[^}]*\} (\S+)$", re.MULTILINE)
SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Counters:
    """vLLM's counters since its start; `requests` are the completed ones."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    requests: int
    running: int

    def __add__(self, other: Counters) -> Counters:
        return self._each(other, lambda a, b: a + b)

    def __sub__(self, other: Counters) -> Counters:
        return self._each(other, lambda a, b: a - b)

    def _each(self, other: Counters, combine: Callable[[int, int], int]) -> Counters:
        return Counters(
            **{name: combine(value, vars(other)[name]) for name, value in vars(self).items()}
        )


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One server."""

    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def healthy(self) -> bool:
        try:
            self._get("/health")
        except (OSError, urllib.error.URLError):
            return False
        return True

    def counters(self) -> Counters:
        values: dict[str, float] = {}
        for name, value in METRIC.findall(self._get("/metrics")):
            values[name] = values.get(name, 0.0) + float(value)
        return Counters(
            prompt_tokens=int(values["prompt_tokens_total"]),
            completion_tokens=int(values["generation_tokens_total"]),
            cached_tokens=int(values["prefix_cache_hits_total"]),
            requests=int(values["request_success_total"]),
            running=int(values["num_requests_running"] + values["num_requests_waiting"]),
        )

    def processes(self) -> list[psutil.Process]:
        """The process of the server, and its child processes."""
        listening = psutil.net_connections(kind="tcp")
        [pid] = {
            connection.pid
            for connection in listening
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == self.port
        }
        server = psutil.Process(pid)
        return [server, *server.children(recursive=True)]

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.port}{path}", timeout=SECONDS
        ) as response:
            return response.read().decode()


@dataclass(frozen=True, kw_only=True)
class Servers:
    """All replicas, and the config file from which `a2r up` serves them."""

    file: Path
    replicas: Sequence[Replica]

    def config(self, **changes: Any) -> dict[str, Any]:
        """The config with changes, as `explorer__sampling__max_tokens=8`."""
        config = deepcopy(yaml.safe_load(self.file.read_text("utf-8")))
        for key, value in changes.items():
            *sections, name = key.split("__")
            target = config
            for section in sections:
                target = target.setdefault(section, {})
            target[name] = value
        return config

    def counters(self) -> Counters:
        return reduce(lambda a, b: a + b, (replica.counters() for replica in self.replicas))

    async def idle(self) -> Counters:
        """The counters, once no request is left on any server."""
        await until(lambda: self.counters().running == 0, seconds=SECONDS)
        return self.counters()


def still_running(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """The processes that still run after a few seconds; zombies do not count."""
    _, left = psutil.wait_procs(processes, timeout=3)
    return [process for process in left if not _is_zombie(process)]


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def run_question(solver: A2R, question: str) -> Result:
    """Ask a question; return the result, also if no sample finished."""
    try:
        return await solver.aask(question)
    except NoAnswerError as error:
        return error.result


async def until(condition: Callable[[], bool], *, seconds: float) -> None:
    """Poll a condition until it holds."""

    def ask() -> bool:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    assert await asyncio.to_thread(ask), f"not within {seconds:g} s: {condition.__qualname__}"
