"""What the server saw, said and spent."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any, Literal

from tests.fault_server.records import ModelBooks, Outcome, Record


class Books:
    """Every count of a server; written by its thread, read by any."""

    def __init__(self, *, keep_bodies: bool = True) -> None:
        self.keep_bodies = keep_bodies
        self.started = time.monotonic()
        self.changed = threading.Condition()
        self.records: list[Record] = []
        """In order of their headers' arrival."""
        self.requests: list[dict[str, Any]] = []
        """The bodies in order of arrival; empty with `keep_bodies=False`."""
        self.headers: list[dict[str, str]] = []
        self.models: dict[str, ModelBooks] = {}
        self.outcomes: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.arrived = 0
        self.outstanding = 0
        self.peak = 0
        self.connections = 0
        self.open_connections = 0
        self.peak_connections = 0
        self.is_up = False
        self.downs = 0
        self._under_way: dict[int, Record] = {}

    @property
    def headers_only(self) -> int:
        """The requests whose headers came, and (so far) no whole body."""
        return len(self.records) - self.arrived

    @property
    def finished(self) -> int:
        return self.outcomes["finished"]

    @property
    def cancelled(self) -> int:
        return self.outcomes["cancelled"]

    @property
    def prompt_tokens(self) -> int:
        return sum(model.prompt_tokens for model in self.models.values())

    @property
    def generated(self) -> int:
        """Completion tokens made, whether or not a client was told."""
        return sum(model.generated for model in self.models.values())

    @property
    def told(self) -> int:
        """Completion tokens in the final usages that were sent."""
        return sum(model.told for model in self.models.values())

    def calls(self, model: str) -> list[dict[str, Any]]:
        """The bodies of the requests to one model."""
        return [body for body in self.requests if body.get("model") == model]

    def clock(self) -> float:
        return time.monotonic() - self.started

    def wait(self, condition: Callable[[Books], bool], seconds: float = 10) -> None:
        """Block until the books fulfil a condition."""
        with self.changed:
            fulfilled = self.changed.wait_for(lambda: condition(self), seconds)
        assert fulfilled, f"never came: {self.summary()}"

    async def until(self, condition: Callable[[Books], bool], seconds: float = 10) -> None:
        """Wait until the books fulfil a condition."""
        await asyncio.to_thread(self.wait, condition, seconds)

    def summary(self) -> dict[str, Any]:
        """Every count, as JSON values."""
        with self.changed:
            return {
                "seconds": round(self.clock(), 3),
                **{name: getattr(self, name) for name in _COUNTS},
                "outcomes": dict(self.outcomes),
                "kinds": dict(self.kinds),
                "statuses": {str(status): often for status, often in self.statuses.items()},
                "models": {
                    name: {**asdict(model), "finish_reasons": dict(model.finish_reasons)}
                    for name, model in self.models.items()
                },
            }

    def dump(self, *, bodies: bool = False) -> list[dict[str, Any]]:
        """Every request, as JSON values."""
        with self.changed:
            names = [one.name for one in fields(Record)]
            kept = names if bodies else [n for n in names if n not in ("body", "headers")]
            return [{name: getattr(one, name) for name in kept} for one in self.records]

    def connected(self, change: Literal[1, -1]) -> None:
        with self.changed:
            self.connections += max(change, 0)
            self.open_connections += change
            self.peak_connections = max(self.peak_connections, self.open_connections)
            self.changed.notify_all()

    def begin(self) -> Record:
        """A request's headers came."""
        with self.changed:
            record = Record(number=len(self.records), start=self.clock())
            self.records.append(record)
            self._under_way[record.number] = record
            self.changed.notify_all()
        return record

    def arrive(self, record: Record, body: dict[str, Any], headers: dict[str, str]) -> None:
        """A request's body came."""
        with self.changed:
            record.model = str(body.get("model"))
            record.stream = bool(body.get("stream"))
            record.phase = "waiting"
            if self.keep_bodies:
                record.body = body
                record.headers = headers
                self.requests.append(body)
                self.headers.append(headers)
            model = self.of(record)
            model.requests += 1
            model.waiting += 1
            self.arrived += 1
            self.outstanding += 1
            self.peak = max(self.peak, self.outstanding)
            self.changed.notify_all()

    def decide(self, record: Record, kind: str) -> None:
        """A request's behaviour is settled."""
        with self.changed:
            record.kind = kind
            self.kinds[kind] += 1

    def answer(self, record: Record, status: int) -> None:
        """A reply's headers go out."""
        with self.changed:
            record.status = status
            self.statuses[status] += 1
            self.changed.notify_all()

    def run(self, record: Record, prompt_tokens: int, cached: int) -> None:
        """The model begins with a request."""
        with self.changed:
            record.phase = "running"
            record.prompt_tokens = prompt_tokens
            model = self.of(record)
            model.waiting -= 1
            model.running += 1
            model.prompt_tokens += prompt_tokens
            model.cache_queries += prompt_tokens
            model.cache_hits += cached
            self.changed.notify_all()

    def generate(self, record: Record, tokens: int) -> None:
        """The model made so many more tokens."""
        with self.changed:
            record.generated += tokens
            self.of(record).generated += tokens
            self.changed.notify_all()

    def tell(self, record: Record, usage: dict[str, Any] | None) -> None:
        """The client is sent its final usage."""
        if usage is None:
            return
        with self.changed:
            record.told = record.told_so_far = int(usage.get("completion_tokens") or 0)
            model = self.of(record)
            model.told += record.told
            model.told_prompt_tokens += int(usage.get("prompt_tokens") or 0)
            self.changed.notify_all()

    def finish(self, record: Record, reason: str | None) -> None:
        """The model ended a request by itself: it is about to leave complete."""
        with self.changed:
            self.of(record).finish_reasons[str(reason)] += 1
        self.leave(record, "finished")

    def leave(self, record: Record, outcome: Outcome) -> None:
        """A request is over; only its first outcome counts."""
        if record.phase == "left":
            return
        with self.changed:
            record.outcome = outcome
            record.end = self.clock()
            self.outcomes[outcome] += 1
            del self._under_way[record.number]
            if record.phase != "reading":
                self.outstanding -= 1
                model = self.of(record)
                model.waiting -= record.phase == "waiting"
                model.running -= record.phase == "running"
            record.phase = "left"
            self.changed.notify_all()

    def go_up(self) -> None:
        """The server listens."""
        with self.changed:
            self.is_up = True
            self.changed.notify_all()

    def go_down(self) -> None:
        """The server listens no longer, and every request under way is over."""
        with self.changed:
            self.is_up = False
            for record in list(self._under_way.values()):
                self.leave(record, "killed")
            self.changed.notify_all()

    def of(self, record: Record) -> ModelBooks:
        model = self.models.get(record.model)
        if model is None:
            model = self.models[record.model] = ModelBooks()
        return model


_COUNTS = (
    "arrived",
    "headers_only",
    "outstanding",
    "peak",
    "finished",
    "cancelled",
    "prompt_tokens",
    "generated",
    "told",
    "connections",
    "open_connections",
    "peak_connections",
    "downs",
)
