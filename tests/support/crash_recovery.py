"""Runs of `a2r ask` that are killed with -9 at random moments and resumed, and what came of it."""

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
from tests.support.counting_server import LedgerServer, keys_in
from tests.support.fake_openai import config_for
from tests.support.fork_server import forked

GRAPHS: dict[str, dict[str, Any]] = {
    "a2r": {},
    "self_consistency": {"stop__lossless": False},
    "select": {"synthesizer__samples": 2},
    "rounds": {"synthesis__rounds": [3, 1]},
    "cascade": {"cascade__waves": [2]},
}
# Of everything that comes out, what does not depend on when it was done.
SAME = ("question", "answer", "method", "kind", "text", "agreement", "clusters", "decisions")
SAME_ATTEMPT = ("index", "wave", "round", "role", "status", "answer", "text", "selected")
WORKERS = 2


@dataclass(frozen=True, kw_only=True)
class Kill:
    """A kill: what the process had asked for and had not committed, by how far the reply was."""

    graph: str
    next: tuple[str, ...]
    committed: int
    cut: int
    unread: int
    age: float


@dataclass
class Killing:
    """What came of the runs; `extra` are the calls beyond those of the uninterrupted runs."""

    kills: list[Kill] = field(default_factory=list)
    runs: int = 0
    calls: int = 0
    extra: int = 0
    complaints: list[str] = field(default_factory=list)

    @property
    def in_flight(self) -> int:
        """The calls whose replies no process had committed when it was killed."""
        return sum(kill.cut + kill.unread for kill in self.kills)

    def add(self, other: Killing) -> None:
        """Take in what came of other runs."""
        self.kills += other.kills
        self.runs += other.runs
        self.calls += other.calls
        self.extra += other.extra
        self.complaints += other.complaints

    def told(self) -> str:
        """It all in one line."""
        cut, unread = (
            sum(getattr(kill, name) for kill in self.kills) for name in ("cut", "unread")
        )
        return (
            f"{len(self.kills)} kills in {self.runs} runs: {self.calls} calls, {self.extra} of "
            f"them extra; in flight at the kills {self.in_flight} ({cut} being answered, "
            f"{unread} answered and not yet committed, the oldest for "
            f"{max((kill.age for kill in self.kills), default=0.0):.3f} s)"
        )


def kill_runs(kills: int, folder: Path, graphs: Sequence[str] = tuple(GRAPHS)) -> Killing:
    """Kill so many runs of the graphs, all kept in one store, and let each come to its end."""
    shares = [kills // len(graphs) + (n < kills % len(graphs)) for n in range(len(graphs))]
    done = Killing()
    with ThreadPoolExecutor(WORKERS) as pool:
        for part in pool.map(
            lambda one: _kill_graph(*one, folder), zip(graphs, shares, strict=True)
        ):
            done.add(part)
    return done


def _kill_graph(graph: str, kills: int, folder: Path) -> Killing:
    done, dice, number = Killing(), random.Random(f"{graph} {kills}"), 0
    with LedgerServer() as server:
        path = folder / f"{graph}.yaml"
        path.write_text(yaml.safe_dump(config_of(graph, server.url)))
        while len(done.kills) < kills:
            run = _Run(graph=graph, number=number, config=path, store=folder / "runs.sqlite")
            run.kill_and_resume(server, kills - len(done.kills), dice, done)
            number += 1
    return done


def config_of(graph: str, url: str) -> dict[str, Any]:
    """A config of a graph with two waves of samples that disagree."""
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
        self, server: LedgerServer, most: int, dice: random.Random, done: Killing
    ) -> None:
        """Kill the run until it has come to its end, so many times at most, and compare."""
        started = time.monotonic()
        whole = A2R(str(self.config)).ask(self.question).model_dump(mode="json")
        length = time.monotonic() - started
        expected = Counter(server.ledger.keys())
        server.ledger.note(server.ledger.calls.clear)
        stages = _stages(whole)
        kills: list[Kill] = []
        bought: list[tuple[int, set[str]]] = []
        output = None
        while output is None:
            delay = dice.uniform(0, length) if len(kills) < most else None
            begin = len(server.ledger.keys())
            output, killed = self._process(server, delay)
            if output is None:
                committed = self._committed()
                bought.append((len(server.ledger.keys()), committed))
                asked = server.ledger.keys(begin)
                done.complaints += [
                    f"{self.thread}: {one}" for one in _lost(stages, asked, committed)
                ]
                kills.append(self._kill(server, begin, committed, killed))
        done.complaints += [f"{self.thread}: {one}" for one in _differences(whole, output)]
        done.complaints += [f"{self.thread}: {one}" for one in _rebought(server, bought)]
        calls = Counter(server.ledger.keys())
        extra = calls.total() - expected.total()
        if set(calls) != set(expected):
            done.complaints.append(f"{self.thread}: other calls than uninterrupted")
        if extra > sum(kill.cut + kill.unread for kill in kills):
            done.complaints.append(f"{self.thread}: {extra} extra calls, kills {kills}")
        done.add(Killing(kills=kills, runs=1, calls=calls.total(), extra=extra))
        server.ledger.note(server.ledger.calls.clear)

    def _process(
        self, server: LedgerServer, delay: float | None
    ) -> tuple[dict[str, Any] | None, float]:
        """Ask or go on, and kill so long after the first request.

        The result if it had ended, and when it ended or was killed.
        """
        hits = server.ledger.hits
        output = self.store.with_name(f"{self.thread}.out")
        asked = ["ask", self.question, "--json", "--thread", self.thread, "--resume"]
        process = forked([*asked, "--store", str(self.store), "-c", str(self.config)], output)
        if delay is not None:
            while process.is_alive() and not server.ledger.until(lambda it: it.hits > hits, 0.2):
                pass
            process.join(delay)
            process.kill()
        ended = time.monotonic()
        process.join(60)
        if process.exitcode == -signal.SIGKILL:
            self._settle(server)
            return None, ended
        assert process.exitcode == 0, Path(f"{output}.err").read_text()
        result: dict[str, Any] = json.loads(output.read_text())
        return result, ended

    def _settle(self, server: LedgerServer) -> None:
        """Let the server take in what the killed process had sent, and see that it is gone."""
        for _ in range(3):
            urllib.request.urlopen(server.url.replace("/v1", "/barrier")).read()
        assert server.ledger.until(lambda ledger: all(call.closed for call in ledger.calls))

    def _committed(self) -> set[str]:
        """The calls whose replies are anywhere in the store, read without any code of ours."""
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
        return {key for (value,) in rows for key in keys_in(value or b"")}

    def _kill(self, server: LedgerServer, begin: int, committed: set[str], killed: float) -> Kill:
        run = asyncio.run(self._last())
        open_ = [call for call in server.ledger.calls[begin:] if call.key not in committed]
        sent = [call.sent for call in open_ if call.sent is not None and call.sent < killed]
        attempts = [*run.samples, *run.syntheses] if run else []
        told = {key for attempt in attempts for key in keys_in(attempt.text.encode())}
        assert told == committed, "what a2r.persistence tells is not what is in the store"
        return Kill(
            graph=self.graph,
            next=run.next if run else (),
            committed=len(committed),
            cut=len(open_) - len(sent),
            unread=len(sent),
            age=max((killed - one for one in sent), default=0.0),
        )

    async def _last(self) -> Any:
        async with open_store(self.store) as saver:
            return await last_run(saver, self.thread)


def _stages(whole: dict[str, Any]) -> dict[str, int]:
    """Of each call of a run, after how many waves and rounds it is made."""
    waves = {key: one["wave"] for one in whole["samples"] for key in keys_in(one["text"].encode())}
    first = max(waves.values()) + 1
    rounds = {
        key: first + one["round"]
        for one in whole["synthesis"]
        for key in keys_in(one["text"].encode())
    }
    return waves | rounds


def _lost(stages: dict[str, int], asked: list[str], committed: set[str]) -> list[str]:
    """Calls of an earlier stage than the last one that was asked for, but not in the store."""
    last = max((stages[key] for key in asked), default=0)
    return [
        f"call {key} is not committed, although what builds on it was asked for"
        for key, stage in stages.items()
        if stage < last and key not in committed
    ]


def _rebought(server: LedgerServer, bought: list[tuple[int, set[str]]]) -> list[str]:
    """Calls that were made although a kill before them had left their reply in the store."""
    return [
        f"call {key} was committed at a kill, and made again"
        for since, committed in bought
        for key in server.ledger.keys(since)
        if key in committed
    ]


def _differences(whole: dict[str, Any], other: dict[str, Any]) -> list[str]:
    found = [name for name in SAME if whole[name] != other[name]]
    for name in ("samples", "synthesis"):
        attempts = [
            [[one.get(part) for part in SAME_ATTEMPT] for one in result[name]]
            for result in (whole, other)
        ]
        if attempts[0] != attempts[1]:
            found.append(name)
    return [f"{name} is not that of the uninterrupted run" for name in found]
