"""The limit of an endpoint that reports overload."""

from __future__ import annotations

from dataclasses import dataclass, field

from a2r.inference.routing.adaptive_limit import AdaptiveLimit


@dataclass
class OverloadedEndpoint:
    """A limit under a scripted endpoint that takes `capacity` requests at once."""

    capacity: int
    max_concurrency: int
    limit: AdaptiveLimit = field(default_factory=AdaptiveLimit)
    now: float = 0.0

    def round(self) -> tuple[int, int]:
        """Fill up to the limit once; return the numbers of requests and of overload responses."""
        requests = self.limit.effective(self.max_concurrency)
        for n in range(requests):
            if n < self.capacity:
                self.limit.on_success()
            else:
                self.limit.on_overload(outstanding=requests, started=self.now, now=self.now + 0.5)
        self.now += 1
        return requests, max(0, requests - self.capacity)


def test_the_limit_converges_to_the_capacity() -> None:
    endpoint = OverloadedEndpoint(capacity=40, max_concurrency=256)
    rounds = [endpoint.round() for _ in range(300)]
    assert rounds[0] == (256, 216)
    later = [requests for requests, _ in rounds[20:]]
    assert min(later) >= 18
    assert max(later) <= 42


def test_the_limit_stays_between_one_and_max_concurrency() -> None:
    limit = AdaptiveLimit()
    for n in range(50):
        limit.on_overload(outstanding=1, started=n, now=n)
    assert limit.effective(8) == 1
    for _ in range(1000):
        limit.on_success()
    assert limit.effective(8) == 8


def test_one_burst_of_overload_lowers_the_limit_once() -> None:
    limit = AdaptiveLimit()
    for _ in range(100):
        limit.on_overload(outstanding=100, started=1.0, now=2.0)
    assert limit.effective(256) == 50
