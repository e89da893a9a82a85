"""The limits of connections: which are refused, which end, and what is logged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from a2r.interfaces.http.connection_tracker import (
    LOG_SECONDS,
    MIN_READ_BYTES,
    ConnectionLimits,
    ConnectionTracker,
    Wait,
)

HEAD, SEND, KEEP_ALIVE = 10.0, 60.0, 5.0


@dataclass(eq=False)
class Connection:
    """A connection that waits for `wait`."""

    client_address: str = "a"
    wait: Wait | None = "head"
    unsent: int = 0
    aborted: bool = False

    def waits_for(self) -> Wait | None:
        return self.wait

    def unsent_bytes(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.aborted = True


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Setup:
    """A tracker with a clock."""

    total: int = 4
    per_client: int = 3
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        limits = ConnectionLimits(
            total=self.total,
            per_client=self.per_client,
            head_seconds=HEAD,
            send_seconds=SEND,
            keep_alive_seconds=KEEP_ALIVE,
        )
        self.tracker = ConnectionTracker(limits, self.clock)

    def add(self, address: str = "a", wait: Wait | None = "head", unsent: int = 0) -> Connection:
        connection = Connection(address, wait, unsent)
        assert self.tracker.add(connection)
        return connection

    def check(self, seconds: float) -> None:
        """Let some seconds pass, and check."""
        self.clock.now += seconds
        self.tracker.check()


@pytest.fixture
def setup() -> Setup:
    return Setup()


def test_a_client_beyond_its_limit_loses_its_own_longest_waiting_connection(setup: Setup) -> None:
    other = setup.add("b")
    first, second, third = (setup.add("a") for _ in range(3))
    fourth = setup.add("a")
    assert first.aborted
    assert not any(connection.aborted for connection in (other, second, third, fourth))
    assert setup.tracker.open_connections == 4


def test_a_new_client_takes_the_place_of_the_longest_waiting_connection(setup: Setup) -> None:
    busy = setup.add("a", None)
    waiting = [setup.add("a"), setup.add("b"), setup.add("b")]
    setup.add("c")
    assert [connection.aborted for connection in waiting] == [True, False, False]
    assert not busy.aborted


def test_waiting_starts_anew_with_something_else(setup: Setup) -> None:
    first, second = setup.add("a"), setup.add("a")
    setup.add("a", None)
    first.wait = "body"
    setup.tracker.update(first)
    setup.add("a")
    assert (first.aborted, second.aborted) == (False, True)


def test_running_requests_are_never_ended(setup: Setup) -> None:
    busy = [setup.add("a", None) for _ in range(3)]
    assert not setup.tracker.add(Connection("a"))
    setup.add("b", None)
    assert not setup.tracker.add(Connection("c"))
    assert not any(connection.aborted for connection in busy)
    setup.tracker.discard(busy[0])
    setup.add("a")


@pytest.mark.parametrize(
    ("wait", "limit"), [("head", HEAD), ("next_head", KEEP_ALIVE + HEAD), ("read", SEND)]
)
def test_a_slow_client_is_disconnected_after_its_time(
    setup: Setup, wait: Wait, limit: float
) -> None:
    connection = setup.add(wait=wait)
    setup.check(limit - 1)
    assert not connection.aborted
    setup.check(1)
    assert connection.aborted
    assert setup.tracker.open_connections == 0


def test_a_request_that_runs_has_no_limit(setup: Setup) -> None:
    connections = [setup.add(wait=None), setup.add(wait="body")]
    setup.check(1e6)
    assert not any(connection.aborted for connection in connections)


def test_a_reader_that_makes_progress_may_continue(setup: Setup) -> None:
    unsent = 10 * MIN_READ_BYTES
    fast, slow = (setup.add(wait="read", unsent=unsent) for _ in range(2))
    for step in range(1, 4):
        fast.unsent = unsent - step * MIN_READ_BYTES
        slow.unsent = unsent - step
        setup.check(SEND)
        assert not fast.aborted
        assert slow.aborted


def test_a_change_that_was_not_reported_is_seen_by_the_check(setup: Setup) -> None:
    connection = setup.add(wait=None)
    connection.wait = "read"
    setup.check(0)
    setup.check(SEND)
    assert connection.aborted


def test_one_log_line_a_minute_counts_all_incidents(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    def logged(seconds: float) -> list[Any]:
        caplog.clear()
        setup.check(seconds)
        return [record.msg for record in caplog.records]

    setup.add()
    (line,) = logged(HEAD)
    assert (line["event"], line["open"], line["slow_heads"]) == ("slow clients", 0, 1)
    for _ in range(3):
        setup.add()
    assert logged(HEAD) == []
    setup.tracker.count("invalid_requests")
    setup.add()
    setup.tracker.on_accept_error()
    (line,) = logged(LOG_SECONDS - HEAD)
    counts = ("slow_heads", "invalid_requests", "not_accepted", "evicted")
    assert [line[name] for name in counts] == [3, 1, 1, 1]
    assert logged(2 * LOG_SECONDS) == []


def test_without_file_descriptors_the_longest_waiting_connection_ends(setup: Setup) -> None:
    first, second = setup.add(), setup.add()
    setup.tracker.on_accept_error()
    assert (first.aborted, second.aborted) == (True, False)
