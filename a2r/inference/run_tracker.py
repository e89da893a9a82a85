"""What this process knows of the questions under way: since when, and what they spent."""

from __future__ import annotations

import operator
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from a2r.usage import Usage

# A question that was cancelled is never ended; the oldest of very many is given up.
MAX_FINISHED_RUNS = 10_000
# Runs between two nodes that keep their samples parsed; a run that waits for a person is one.
MAX_IDLE_CACHES = 256
W = TypeVar("W")
M = TypeVar("M", bound=BaseModel)


@dataclass
class RunState:
    """A question under way in this process.

    `begun` is when this process took it up (monotonic seconds), so that a run which is resumed
    later has its whole time; `usage` is everything spent on it, `before` this process included;
    `_wave` is the number of the wave that is watched, and its watch; `_nodes` is how many nodes
    work on it, `_left` when the last of them ended.
    """

    started_at: float
    usage: Usage
    _nodes: int = 0
    _last_left_at: float | None = None
    _wave: tuple[int, Any] | None = None
    _parsed: dict[tuple[object, ...], tuple[dict[str, Any], Any]] = field(default_factory=dict)
    _runtime: tuple[tuple[object, ...], Any] = ((), None)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wave_monitor(self, number: int, begin: Callable[[], W]) -> W:
        """The watch of a wave, begun by the first of its samples that asks."""
        with self._lock:
            if self._wave is None or self._wave[0] != number:
                self._wave = (number, begin())
            watch: W = self._wave[1]
            return watch

    def clear_cache(self) -> None:
        """Drop the texts of the samples, which are parsed again when a node needs them."""
        self._wave = None
        self._parsed.clear()
        self._runtime = ((), None)

    @property
    def last_wave_monitor(self) -> Any | None:
        """The monitor of the last wave in this process, or `None`."""
        return None if self._wave is None else self._wave[1]

    def parse(self, model: type[M], data: Mapping[str, Any]) -> M:
        """A sample or synthesis of the state, validated once for each content that it has."""
        key = (model, data["index"], data.get("round"))
        parsed = self._parsed.get(key)
        if parsed is None or parsed[0] != data:
            parsed = self._parsed[key] = (dict(data), model.model_validate(data))
        value: M = parsed[1]
        return value

    def cached_runtime(self, key: tuple[object, ...]) -> Any | None:
        """What was cached last, if it was under the very objects of this key."""
        cached, value = self._runtime
        same = len(cached) == len(key) and all(map(operator.is_, cached, key))
        return value if same else None

    def cache_runtime(self, key: tuple[object, ...], value: object) -> None:
        """Cache what the nodes of the run get, in place of what is cached."""
        self._runtime = (key, value)


@dataclass
class RunRegistry:
    """The questions under way, by run id; safe across threads.

    `begun` is when the first question was taken up; `samples` and `syntheses` count what has been
    started for all of them.
    """

    started_at: float | None = None
    samples: int = 0
    syntheses: int = 0
    _open: OrderedDict[str, RunState] = field(default_factory=OrderedDict)
    _idle: OrderedDict[str, RunState] = field(default_factory=OrderedDict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def get_or_start(self, run_id: str, before: Mapping[str, Any] | None = None) -> RunState:
        """A question, taken up now if it is new to this process; `before` is its usage till then.

        Raises:
            pydantic.ValidationError: `before` is no usage.
        """
        with self._lock:
            if run_id not in self._open:
                now = time.monotonic()
                self.started_at = self.started_at if self.started_at is not None else now
                self._open[run_id] = RunState(
                    started_at=now, usage=Usage.model_validate(before or {})
                )
                if len(self._open) > MAX_FINISHED_RUNS:
                    self._open.popitem(last=False)
            return self._open[run_id]

    def get(self, run_id: str | None) -> RunState | None:
        """A run in progress, or `None`."""
        return self._open.get(run_id) if run_id is not None else None

    def add_usage(self, run_id: str | None, usage: Usage) -> None:
        """Enter what a request of a question spent."""
        with self._lock:
            question = self._open.get(run_id or "")
            if question is not None:
                question.usage += usage

    def node_started(self, run_id: str | None) -> None:
        """A node begins to work on a question; the time since the last one left does not count."""
        with self._lock:
            question = self._open.get(run_id or "")
            if question is not None:
                if question._nodes == 0 and question._last_left_at is not None:
                    question.started_at += time.monotonic() - question._last_left_at
                question._nodes += 1

    def node_finished(self, run_id: str | None, *, failed: bool = False) -> None:
        """A node has ended; `failed` where by an error or a cancellation."""
        with self._lock:
            question = self._open.get(run_id or "")
            if question is not None:
                question._nodes = max(0, question._nodes - 1)
                question._last_left_at = time.monotonic()
                if question._nodes == 0:
                    self._limit_caches(run_id or "", question, failed=failed)

    def _limit_caches(self, run_id: str, run: RunState, *, failed: bool) -> None:
        """Drop what a cancelled run caches, and what runs cache that have paused for long."""
        if failed:
            run.clear_cache()
            self._idle.pop(run_id, None)
            return
        self._idle[run_id] = run
        self._idle.move_to_end(run_id)
        if len(self._idle) > MAX_IDLE_CACHES:
            self._idle.popitem(last=False)[1].clear_cache()

    def start_run(self, samples: int = 0, syntheses: int = 0) -> None:
        """Count what is started."""
        with self._lock:
            self.samples += samples
            self.syntheses += syntheses

    def finish(self, run_id: str) -> None:
        """Forget a question that has its result."""
        with self._lock:
            self._open.pop(run_id, None)
            self._idle.pop(run_id, None)
