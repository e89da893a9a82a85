"""Kill runs of `a2r ask` with SIGKILL at random times, resume them, and compare the results."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sqlite3
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from a2r import A2R
from a2r.persistence import last_run, open_store
from tests.support.counting_server import CountingServer, find_keys
from tests.support.fake_openai import config_for
from tests.support.fork_server import start_command

GRAPHS: dict[str, dict[str, Any]] = {
    "a2r": {},
    "self_consistency": {"stop__lossless": False},
    "select": {"synthesizer__samples": 2},
    "rounds": {"synthesis__rounds": [3, 1]},
    "cascade": {"cascade__waves": [2]},
}
# The fields of a result that do not depend on timing.
SAME = ("question", "answer", "method", "kind", "text", "agreement", "clusters", "decisions")
SAME_ATTEMPT = ("index", "wave", "round", "role", "status", "answer", "text", "selected")
WORKERS = 2


@dataclass(frozen=True, kw_only=True)
class Crash:
    """A kill and its calls in flight: `cut` during the reply, or `unread` (sent, not committed)."""

    graph: str
    next: tuple[str, ...]
    committed: int
    cut: int
    unread: int
    age: float


@dataclass
class CrashReport:
    """The results of the runs; `extra` counts the calls beyond those of uninterrupted runs."""

    crashes: list[Crash] = field(default_factory=list)
    runs: int = 0
    calls: int = 0
    extra: int = 0
    complaints: list[str] = field(default_factory=list)

    @property
    def in_flight(self) -> int:
        """The number of calls that were not committed at the kills."""
        return sum(kill.cut + kill.unread for kill in self.crashes)

    def add(self, other: CrashReport) -> None:
        """Add the results of other runs."""
        self.crashes += other.crashes
        self.runs += other.runs
        self.calls += other.calls
        self.extra += other.extra
        self.complaints += other.complaints

    def summary(self) -> str:
        """Return a summary in one line."""
        cut, unread = (
            sum(getattr(kill, name) for kill in self.crashes) for name in ("cut", "unread")
        )
        return (
            f"{len(self.crashes)} kills in {self.runs} runs: {self.calls} calls, {self.extra} of "
            f"them extra; in flight at the kills {self.in_flight} ({cut} being answered, "
            f"{unread} answered and not yet committed, the oldest for "
            f"{max((kill.age for kill in self.crashes), default=0.0):.3f} s)"
        )


def crash_runs(kills: int, folder: Path, graphs: Sequence[str] = tuple(GRAPHS)) -> CrashReport:
    """Kill runs of the graphs `kills` times in total, in one store, and resume each to its end."""
    shares = [kills // len(graphs) + (n < kills % len(graphs)) for n in range(len(graphs))]
    done = CrashReport()
    with ThreadPoolExecutor(WORKERS) as pool:
        for part in pool.map(
            lambda item: _kill_graph(*item, folder), zip(graphs, shares, strict=True)
        ):
            done.add(part)
    return done


def _kill_graph(graph: str, kills: int, folder: Path) -> CrashReport:
    done, rng, number = CrashReport(), random.Random(f"{graph} {kills}"), 0
    with CountingServer() as server:
        path = folder / f"{graph}.yaml"
        path.write_text(yaml.safe_dump(graph_config(graph, server.url)))
        while len(done.crashes) < kills:
            run = _Run(graph=graph, number=number, config=path, store=folder / "runs.sqlite")
            run.kill_and_resume(server, kills - len(done.crashes), rng, done)
            number += 1
    return done


def graph_config(graph: str, url: str) -> dict[str, Any]:
    """Return a config of a graph with two waves of samples that disagree."""
    config = config_for(url, graph=graph, explorer__waves=[2, 3], **GRAPHS[graph])
    del config["explorer"]["samples"]
    return config


@dataclass(frozen=True, kw_only=True)
class _Run:
    graph: str
    number: int
    config: Path
    store: Path

    @property
    def thread(self) -> str:
        return f"{self.graph}-{self.number}"

    @property
    def question(self) -> str:
        return f"What is 2 + 2, number {self.number} of {self.graph}?"

    def kill_and_resume(
        self, server: CountingServer, max_kills: int, rng: random.Random, done: CrashReport
    ) -> None:
        """Kill and resume the run, at most `max_kills` times, and compare it with a full run."""
        started = time.monotonic()
        reference = A2R(str(self.config)).ask(self.question).model_dump(mode="json")
        length = time.monotonic() - started
        expected = Counter(server.request_log.keys())
        server.request_log.update(server.request_log.calls.clear)
        stages = _stages(reference)
        kills: list[Crash] = []
        checkpoints: list[tuple[int, set[str]]] = []
        output = None
        while output is None:
            delay = rng.uniform(0, length) if len(kills) < max_kills else None
            begin = len(server.request_log.keys())
            output, killed = self._process(server, delay)
            if output is None:
                committed = self._committed()
                checkpoints.append((len(server.request_log.keys()), committed))
                requested = server.request_log.keys(begin)
                done.complaints += [
                    f"{self.thread}: {loss}" for loss in _lost(stages, requested, committed)
                ]
                kills.append(self._kill(server, begin, committed, killed))
        done.complaints += [f"{self.thread}: {item}" for item in _differences(reference, output)]
        done.complaints += [f"{self.thread}: {item}" for item in _repeated(server, checkpoints)]
        calls = Counter(server.request_log.keys())
        extra = calls.total() - expected.total()
        if set(calls) != set(expected):
            done.complaints.append(f"{self.thread}: other calls than uninterrupted")
        if extra > sum(kill.cut + kill.unread for kill in kills):
            done.complaints.append(f"{self.thread}: {extra} extra calls, kills {kills}")
        done.add(CrashReport(crashes=kills, runs=1, calls=calls.total(), extra=extra))
        server.request_log.update(server.request_log.calls.clear)

    def _process(
        self, server: CountingServer, delay: float | None
    ) -> tuple[dict[str, Any] | None, float]:
        """Start or resume the run, and kill it `delay` seconds after its first request.

        Returns the result if the run finished, and the time of its end or kill.
        """
        hits = server.request_log.hits
        output = self.store.with_name(f"{self.thread}.out")
        arguments = ["ask", self.question, "--json", "--thread", self.thread, "--resume"]
        process = start_command(
            [*arguments, "--store", str(self.store), "-c", str(self.config)], output
        )
        if delay is not None:
            while process.is_alive() and not server.request_log.until(
                lambda it: it.hits > hits, 0.2
            ):
                pass
            process.join(delay)
            process.kill()
        end = time.monotonic()
        process.join(60)
        if process.exitcode == -signal.SIGKILL:
            self._settle(server)
            return None, end
        assert process.exitcode == 0, Path(f"{output}.err").read_text()
        result: dict[str, Any] = json.loads(output.read_text())
        return result, end

    def _settle(self, server: CountingServer) -> None:
        """Wait until the server has handled all requests of the killed process."""
        for _ in range(3):
            urllib.request.urlopen(server.url.replace("/v1", "/barrier")).read()
        assert server.request_log.until(lambda ledger: all(call.closed for call in ledger.calls))

    def _committed(self) -> set[str]:
        """Return the calls with a reply in the store, read without code of a2r."""
        if not self.store.exists():
            return set()
        queries = (
            "SELECT value FROM writes WHERE thread_id = ?",
            "SELECT checkpoint FROM checkpoints WHERE thread_id = ?",
        )
        with closing(sqlite3.connect(self.store, timeout=30)) as store:
            tables = {name for (name,) in store.execute("SELECT name FROM sqlite_master")}
            if not {"writes", "checkpoints"} <= tables:
                return set()
            rows = [row for query in queries for row in store.execute(query, (self.thread,))]
        return {key for (value,) in rows for key in find_keys(value or b"")}

    def _kill(
        self, server: CountingServer, begin: int, committed: set[str], killed: float
    ) -> Crash:
        run = asyncio.run(self._last())
        open_ = [call for call in server.request_log.calls[begin:] if call.key not in committed]
        sent_times = [
            call.sent_at for call in open_ if call.sent_at is not None and call.sent_at < killed
        ]
        attempts = [*run.samples, *run.syntheses] if run else []
        stored = {key for attempt in attempts for key in find_keys(attempt.text.encode())}
        assert stored == committed, "a2r.persistence differs from the store"
        return Crash(
            graph=self.graph,
            next=run.next if run else (),
            committed=len(committed),
            cut=len(open_) - len(sent_times),
            unread=len(sent_times),
            age=max((killed - time_sent for time_sent in sent_times), default=0.0),
        )

    async def _last(self) -> Any:
        async with open_store(self.store) as saver:
            return await last_run(saver, self.thread)


def _stages(result: dict[str, Any]) -> dict[str, int]:
    """Map each call of a run to the number of waves and rounds before it."""
    waves = {
        key: sample["wave"]
        for sample in result["samples"]
        for key in find_keys(sample["text"].encode())
    }
    first = max(waves.values()) + 1
    rounds = {
        key: first + attempt["round"]
        for attempt in result["synthesis"]
        for key in find_keys(attempt["text"].encode())
    }
    return waves | rounds


def _lost(stages: dict[str, int], requested: list[str], committed: set[str]) -> list[str]:
    """Return calls that are not in the store although a later stage was requested."""
    last = max((stages[key] for key in requested), default=0)
    return [
        f"call {key} is not committed, although a later stage was requested"
        for key, stage in stages.items()
        if stage < last and key not in committed
    ]


def _repeated(server: CountingServer, checkpoints: list[tuple[int, set[str]]]) -> list[str]:
    """Return calls that were repeated although their reply was in the store at a kill."""
    return [
        f"call {key} was committed at a kill, and requested again"
        for since, committed in checkpoints
        for key in server.request_log.keys(since)
        if key in committed
    ]


def _differences(reference: dict[str, Any], other: dict[str, Any]) -> list[str]:
    differing = [name for name in SAME if reference[name] != other[name]]
    for name in ("samples", "synthesis"):
        attempts = [
            [[attempt.get(key) for key in SAME_ATTEMPT] for attempt in result[name]]
            for result in (reference, other)
        ]
        if attempts[0] != attempts[1]:
            differing.append(name)
    return [f"{name} differs from the uninterrupted run" for name in differing]
