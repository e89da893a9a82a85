"""The runs in progress in this process: start times, usage, and cached state."""

from __future__ import annotations

import operator
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from a2r.inference.types import ChatMessage, Request
from a2r.result import Role
from a2r.usage import Usage

# Beyond this number of runs, one that no node works on is forgotten, such as a run that waits for a
# person.
MAX_TRACKED_RUNS = 10_000
# Runs between two nodes whose samples stay parsed; a run that waits for a person is one of them.
MAX_IDLE_CACHES = 256
M = TypeVar("M", bound=BaseModel)


class Wave(Protocol):
    """What watches the samples of a wave."""

    @property
    def is_complete(self) -> bool:
        """Whether all samples of the wave have ended."""


W = TypeVar("W", bound=Wave)


@dataclass
class RunState:
    """A run in progress in this process.

    `started_at` is when this process started or resumed the run (`time.monotonic()` seconds), so
    that a resumed run has its full time. `usage` is the run's total, including the usage before
    it was resumed. `_wave` is the number and the monitor of the current wave, `_active_nodes` the
    number of nodes that are running, `_idle_since` when the last of them finished, `_prompts` the
    last prompt of each role with its reported tokens.
    """

    started_at: float
    usage: Usage
    _active_nodes: int = 0
    _idle_since: float | None = None
    _wave: tuple[int, Any] | None = None
    _parsed: dict[tuple[object, ...], tuple[dict[str, Any], Any]] = field(default_factory=dict)
    _runtime: tuple[tuple[object, ...], Any] = ((), None)
    _prompts: dict[Role, tuple[Sequence[ChatMessage], int | None]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wave_monitor(self, number: int, create: Callable[[], W]) -> W:
        """Return the monitor of a wave, created by the first of its samples."""
        with self._lock:
            if self._wave is None or self._wave[0] != number:
                self._wave = (number, create())
            monitor: W = self._wave[1]
            return monitor

    def clear_cache(self) -> None:
        """Drop the texts of the samples, which are parsed again when a node needs them."""
        self._wave = None
        self._parsed.clear()
        self._runtime = ((), None)

    @property
    def is_in_wave(self) -> bool:
        """Whether samples of a wave in this process have not ended."""
        return self._wave is not None and not self._wave[1].is_complete

    @property
    def last_wave_monitor(self) -> Any | None:
        """The monitor of the last wave in this process, or `None`."""
        return None if self._wave is None else self._wave[1]

    def parse(self, model: type[M], data: Mapping[str, Any]) -> M:
        """Validate a sample or synthesis of the state, once for each content."""
        key = (model, data["index"], data.get("round"))
        entry = self._parsed.get(key)
        if entry is None or entry[0] != data:
            entry = self._parsed[key] = (dict(data), model.model_validate(data))
        value: M = entry[1]
        return value

    def remember(self, data: Mapping[str, Any], value: BaseModel) -> None:
        """Record the sample or synthesis that an entry of the state was made from."""
        self._parsed[type(value), data["index"], data.get("round")] = (dict(data), value)

    def cached_runtime(self, key: tuple[object, ...]) -> Any | None:
        """Return the cached runtime if it was cached under the same objects as `key`."""
        cached_key, value = self._runtime
        same = len(cached_key) == len(key) and all(map(operator.is_, cached_key, key))
        return value if same else None

    def cache_runtime(self, key: tuple[object, ...], value: object) -> None:
        """Cache the runtime of the run's nodes; it replaces the previous one."""
        self._runtime = (key, value)


@dataclass(frozen=True, kw_only=True)
class _Scope:
    """The runs of one call of the solver."""

    registry: RunRegistry
    run_ids: set[str] = field(default_factory=set)


_scope: ContextVar[_Scope | None] = ContextVar("a2r_runs", default=None)


@dataclass
class RunRegistry:
    """The runs in progress by run ID; thread-safe.

    `started_at` is when the first run started; `samples` and `syntheses` count those started by
    all runs.
    """

    started_at: float | None = None
    samples: int = 0
    syntheses: int = 0
    _runs: OrderedDict[str, RunState] = field(default_factory=OrderedDict)
    _idle: OrderedDict[str, RunState] = field(default_factory=OrderedDict)
    _inactive: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def get_or_start(self, run_id: str, prior_usage: Mapping[str, Any] | None = None) -> RunState:
        """Return a run, started now if it is new to this process.

        `prior_usage` is the usage of the run before it was resumed.

        Raises:
            pydantic.ValidationError: `prior_usage` is not a valid usage.
        """
        with self._lock:
            if run_id not in self._runs:
                now = time.monotonic()
                self.started_at = self.started_at if self.started_at is not None else now
                self._runs[run_id] = RunState(
                    started_at=now, usage=Usage.model_validate(prior_usage or {})
                )
                if len(self._runs) > MAX_TRACKED_RUNS:
                    self._forget_idle()
            scope = _scope.get()
            if scope is not None and scope.registry is self:
                scope.run_ids.add(run_id)
            return self._runs[run_id]

    def _forget_idle(self) -> None:
        """Forget the run that no node has worked on for the longest time, if there is one."""
        if self._inactive:
            self.finish(next(iter(self._inactive)))

    @contextmanager
    def finish_on_error(self, run_id: str) -> Iterator[None]:
        """Remove a run if this context ends with an error or is cancelled."""
        try:
            yield
        except BaseException:
            self.finish(run_id)
            raise

    @contextmanager
    def finish_at_end(self) -> Iterator[None]:
        """Remove the runs that start or go on in this context when it ends, in whatever way.

        A run that is cancelled between two nodes has no node that could remove it.
        """
        scope = _Scope(registry=self)
        token = _scope.set(scope)
        try:
            yield
        finally:
            _scope.reset(token)
            for run_id in scope.run_ids:
                self.finish(run_id)

    def __len__(self) -> int:
        """The number of runs in progress."""
        return len(self._runs)

    def get(self, run_id: str | None) -> RunState | None:
        """Return a run in progress, or `None`."""
        return self._runs.get(run_id) if run_id is not None else None

    def add_usage(self, run_id: str | None, usage: Usage) -> None:
        """Add the usage of a request to its run, if that is in progress."""
        with self._lock:
            run = self._runs.get(run_id or "")
            if run is not None:
                run.usage += usage

    def prompt_tokens(self, request: Request, reported: int | None) -> int | None:
        """Return what a server reported for the prompt of a request of a run, now or before.

        The samples of a question have one prompt, and a request that failed reports nothing.
        """
        run = self._runs.get(request.affinity_key or "")
        if run is None:
            return reported
        with self._lock:
            prompt, tokens = run._prompts.get(request.role, ([], None))
            if reported is None:
                return tokens if prompt == request.prompt() else None
            if reported != tokens:
                run._prompts[request.role] = (request.prompt(), reported)
            return reported

    def node_started(self, run_id: str | None) -> None:
        """Record the start of a node; time without any running node does not count."""
        with self._lock:
            run = self._runs.get(run_id or "")
            if run is not None:
                if run._active_nodes == 0 and run._idle_since is not None:
                    run.started_at += time.monotonic() - run._idle_since
                run._active_nodes += 1
                self._inactive.pop(run_id or "", None)
                self._idle.pop(run_id or "", None)

    def node_finished(
        self, run_id: str | None, *, failed: bool = False, cancelled: bool = False
    ) -> None:
        """Record the end of a node; `failed` after an error or a cancellation.

        With the last node of a run that is cancelled, the run is forgotten.
        """
        with self._lock:
            run = self._runs.get(run_id or "")
            if run is not None:
                run._active_nodes = max(0, run._active_nodes - 1)
                run._idle_since = time.monotonic()
                if run._active_nodes == 0:
                    self._limit_caches(run_id or "", run, failed=failed)
                    if cancelled:
                        self.finish(run_id or "")

    def _limit_caches(self, run_id: str, run: RunState, *, failed: bool) -> None:
        """Drop the cache of a failed or cancelled run, and of runs that are idle for long."""
        self._inactive[run_id] = None
        if failed:
            run.clear_cache()
            self._idle.pop(run_id, None)
            return
        if run.is_in_wave:
            # It is idle between two samples where LangGraph's `max_concurrency` is 1.
            return
        self._idle[run_id] = run
        self._idle.move_to_end(run_id)
        if len(self._idle) > MAX_IDLE_CACHES:
            self._idle.popitem(last=False)[1].clear_cache()

    def count_started(self, samples: int = 0, syntheses: int = 0) -> None:
        """Count samples and syntheses that start."""
        with self._lock:
            self.samples += samples
            self.syntheses += syntheses

    def finish(self, run_id: str) -> None:
        """Remove a run that has ended."""
        with self._lock:
            self._inactive.pop(run_id, None)
            self._runs.pop(run_id, None)
            self._idle.pop(run_id, None)
