"""The calls that wait for an endpoint, in a fair order between clients and between questions."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from a2r.inference.routing.endpoint_state import EndpointState
from a2r.inference.routing.role_endpoints import EndpointGroup

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The preferences of a call: the endpoint of its affinity key, and an untried endpoint.

    `client` is who sends the question, such as an API key of the server.
    """

    affinity: str | None
    tried_endpoints: Sequence[str]
    client: str | None = None


@dataclass(kw_only=True)
class Lease:
    """The right to send one request to an endpoint.

    `is_probe` if it decides whether the half-open circuit of the endpoint closes.
    """

    group: EndpointGroup
    endpoint: EndpointState
    started: float
    is_probe: bool


@dataclass(eq=False)
class Waiter:
    """A call that waits for an endpoint; `lease` is set as soon as it has one."""

    placement: Placement
    ready: asyncio.Future[None]
    since: float
    lease: Lease | None = None


Calls = OrderedDict[Waiter, None]


@dataclass
class FairQueue:
    """Waiters by client and question, served in turn (round robin; Nagle, RFC 970).

    The calls of one question are served first come first served. A question with few calls does
    not wait for all calls of a larger one, and a client with many questions takes the turns of one.
    """

    _clients: OrderedDict[str | None, OrderedDict[str | None, Calls]] = field(
        default_factory=OrderedDict
    )
    _size: int = 0

    def __len__(self) -> int:
        return self._size

    def add(self, waiter: Waiter) -> None:
        """Add a waiter; its question and its client take their turn after the present ones."""
        placement = waiter.placement
        questions = self._clients.setdefault(placement.client, OrderedDict())
        questions.setdefault(placement.affinity, OrderedDict())[waiter] = None
        self._size += 1

    def remove(self, waiter: Waiter) -> None:
        """Remove a waiter, if it is still waiting."""
        placement = waiter.placement
        questions = self._clients.get(placement.client, OrderedDict())
        calls = questions.get(placement.affinity)
        if calls is None or waiter not in calls:
            return
        del calls[waiter]
        self._size -= 1
        if not calls:
            del questions[placement.affinity]
        if not questions:
            del self._clients[placement.client]

    def serve(self, waiter: Waiter) -> None:
        """Remove a waiter that has a lease; the turn passes to the next client and question."""
        placement = waiter.placement
        self.remove(waiter)
        questions = self._clients.get(placement.client)
        if questions is not None:
            if placement.affinity in questions:
                questions.move_to_end(placement.affinity)
            self._clients.move_to_end(placement.client)

    def head(self) -> Waiter | None:
        """Return the waiter whose turn it is."""
        return next(iter(self), None)

    def __iter__(self) -> Iterator[Waiter]:
        """Yield the waiters: one of each question in turn, then the others."""
        questions = (iter(calls) for calls in in_turn(map(_questions, self._clients.values())))
        return in_turn(questions)


def _questions(questions: OrderedDict[str | None, Calls]) -> Iterator[Calls]:
    return iter(questions.values())


def in_turn(iterators: Iterable[Iterator[T]]) -> Iterator[T]:
    """Yield the first item of each iterator, then the second ones, and so on; reads lazily."""
    started: list[Iterator[T]] = []
    for iterator in iterators:
        for item in islice(iterator, 1):
            yield item
            started.append(iterator)
    while started:
        items = [(iterator, list(islice(iterator, 1))) for iterator in started]
        yield from (item for _, found in items for item in found)
        started = [iterator for iterator, found in items if found]
