"""The log and the counters of all requests of a server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any, Literal

from tests.fault_server.request_record import ModelCounts, Outcome, Record


class RequestLog:
    """The requests and counters of a server; thread-safe."""

    def __init__(self, *, keep_bodies: bool = True) -> None:
        self.keep_bodies = keep_bodies
        self.started = time.monotonic()
        self.changed = threading.Condition()
        self.records: list[Record] = []
        """In order of the arrival of their headers."""
        self.requests: list[dict[str, Any]] = []
        """The bodies in order of arrival; empty with `keep_bodies=False`."""
        self.headers: list[dict[str, str]] = []
        self.models: dict[str, ModelCounts] = {}
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
        self._in_flight: dict[int, Record] = {}

    @property
    def headers_only(self) -> int:
        """The requests with headers, but no complete body yet."""
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
        """Generated completion tokens, reported to a client or not."""
        return sum(model.generated for model in self.models.values())

    @property
    def reported_tokens(self) -> int:
        """Completion tokens in the final usages sent."""
        return sum(model.reported_tokens for model in self.models.values())

    def calls(self, model: str) -> list[dict[str, Any]]:
        """The bodies of the requests to one model."""
        return [body for body in self.requests if body.get("model") == model]

    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def wait(self, condition: Callable[[RequestLog], bool], seconds: float = 10) -> None:
        """Block until a condition holds."""
        with self.changed:
            holds = self.changed.wait_for(lambda: condition(self), seconds)
        assert holds, f"condition never held: {self.summary()}"

    async def until(self, condition: Callable[[RequestLog], bool], seconds: float = 10) -> None:
        """Wait until a condition holds."""
        await asyncio.to_thread(self.wait, condition, seconds)

    def summary(self) -> dict[str, Any]:
        """Return all counters as JSON values."""
        with self.changed:
            return {
                "seconds": round(self.elapsed(), 3),
                **{name: getattr(self, name) for name in SUMMARY_FIELDS},
                "outcomes": dict(self.outcomes),
                "kinds": dict(self.kinds),
                "statuses": {str(status): count for status, count in self.statuses.items()},
                "models": {
                    name: {**asdict(model), "finish_reasons": dict(model.finish_reasons)}
                    for name, model in self.models.items()
                },
            }

    def request_records(self, *, bodies: bool = False) -> list[dict[str, Any]]:
        """Return all requests as JSON values."""
        with self.changed:
            names = [item.name for item in fields(Record)]
            if not bodies:
                names = [name for name in names if name not in ("body", "headers")]
            return [{name: getattr(record, name) for name in names} for record in self.records]

    def connection_changed(self, change: Literal[1, -1]) -> None:
        with self.changed:
            self.connections += max(change, 0)
            self.open_connections += change
            self.peak_connections = max(self.peak_connections, self.open_connections)
            self.changed.notify_all()

    def start_request(self) -> Record:
        """Record the arrival of a request's headers."""
        with self.changed:
            record = Record(number=len(self.records), start=self.elapsed())
            self.records.append(record)
            self._in_flight[record.number] = record
            self.changed.notify_all()
        return record

    def receive_body(self, record: Record, body: dict[str, Any], headers: dict[str, str]) -> None:
        """Record the arrival of a request's body."""
        with self.changed:
            record.model = str(body.get("model"))
            record.stream = bool(body.get("stream"))
            record.phase = "waiting"
            if self.keep_bodies:
                record.body = body
                record.headers = headers
                self.requests.append(body)
                self.headers.append(headers)
            model = self.model_counts(record)
            model.requests += 1
            model.waiting += 1
            self.arrived += 1
            self.outstanding += 1
            self.peak = max(self.peak, self.outstanding)
            self.changed.notify_all()

    def set_behavior(self, record: Record, kind: str) -> None:
        """Record the behavior chosen for a request."""
        with self.changed:
            record.kind = kind
            self.kinds[kind] += 1

    def start_response(self, record: Record, status: int) -> None:
        """Record the status of a response before its headers are sent."""
        with self.changed:
            record.status = status
            self.statuses[status] += 1
            self.changed.notify_all()

    def start_generation(self, record: Record, prompt_tokens: int, cached: int) -> None:
        """Record the start of generation."""
        with self.changed:
            record.phase = "running"
            record.prompt_tokens = prompt_tokens
            model = self.model_counts(record)
            model.waiting -= 1
            model.running += 1
            model.prompt_tokens += prompt_tokens
            model.cache_queries += prompt_tokens
            model.cache_hits += cached
            self.changed.notify_all()

    def add_tokens(self, record: Record, tokens: int) -> None:
        """Record newly generated tokens."""
        with self.changed:
            record.generated += tokens
            self.model_counts(record).generated += tokens
            self.changed.notify_all()

    def send_usage(self, record: Record, usage: dict[str, Any] | None) -> None:
        """Record the final usage sent to the client."""
        if usage is None:
            return
        with self.changed:
            record.reported_tokens = record.last_reported_tokens = int(
                usage.get("completion_tokens") or 0
            )
            model = self.model_counts(record)
            model.reported_tokens += record.reported_tokens
            model.reported_prompt_tokens += int(usage.get("prompt_tokens") or 0)
            self.changed.notify_all()

    def finish_request(self, record: Record, reason: str | None) -> None:
        """Record the complete generation of a request."""
        with self.changed:
            self.model_counts(record).finish_reasons[str(reason)] += 1
        self.close_request(record, "finished")

    def close_request(self, record: Record, outcome: Outcome) -> None:
        """Record the end of a request; only its first outcome counts."""
        if record.phase == "closed":
            return
        with self.changed:
            record.outcome = outcome
            record.end = self.elapsed()
            self.outcomes[outcome] += 1
            del self._in_flight[record.number]
            if record.phase != "reading":
                self.outstanding -= 1
                model = self.model_counts(record)
                model.waiting -= record.phase == "waiting"
                model.running -= record.phase == "running"
            record.phase = "closed"
            self.changed.notify_all()

    def server_up(self) -> None:
        """Record that the server is listening."""
        with self.changed:
            self.is_up = True
            self.changed.notify_all()

    def server_down(self) -> None:
        """Record that the server stopped; requests in flight are killed."""
        with self.changed:
            self.is_up = False
            for record in list(self._in_flight.values()):
                self.close_request(record, "killed")
            self.changed.notify_all()

    def model_counts(self, record: Record) -> ModelCounts:
        model = self.models.get(record.model)
        if model is None:
            model = self.models[record.model] = ModelCounts()
        return model


SUMMARY_FIELDS = (
    "arrived",
    "headers_only",
    "outstanding",
    "peak",
    "finished",
    "cancelled",
    "prompt_tokens",
    "generated",
    "reported_tokens",
    "connections",
    "open_connections",
    "peak_connections",
    "downs",
)
