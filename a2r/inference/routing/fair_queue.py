"""The calls that wait for an endpoint, in a fair order between clients and between questions."""

from __future__ import annotations

import asyncio
from bisect import insort
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

    `client` is who sends the question, such as an API key of the server, and `origin` the request
    that the question belongs to, if it asks several.
    """

    affinity: str | None
    tried_endpoints: Sequence[str]
    client: str | None = None
    origin: str | None = None

    @property
    def question(self) -> str | None:
        """What waits as one: the questions of a request, or a question."""
        return self.origin or self.affinity


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


@dataclass(eq=False)
class Question:
    """The waiting calls of a question, first come first served.

    `finish` is the virtual time at which they all would be served if all questions had the same
    share of the endpoints.
    """

    finish: float
    calls: OrderedDict[Waiter, None] = field(default_factory=OrderedDict)


@dataclass
class ClientQueue:
    """The waiting calls of a client, in the order in which its questions would finish.

    If all questions advanced in turn, all would finish late. Serving first the one that would
    finish first ends none later and most earlier, whatever their sizes (fair sojourn protocol;
    Friedman and Henderson, SIGMETRICS 2003, section 3). Questions of one size, asked at once, are
    served one after the other.
    """

    _questions: dict[str | None, Question] = field(default_factory=dict)
    _order: list[Question] = field(default_factory=list)
    _time: float = 0.0

    def __bool__(self) -> bool:
        return bool(self._questions)

    def add(self, waiter: Waiter) -> None:
        """Add a call, after those of its question."""
        question = self._questions.get(waiter.placement.question)
        if question is None:
            question = Question(finish=self._time)
            self._questions[waiter.placement.question] = question
        else:
            self._order.remove(question)
        question.finish = max(question.finish, self._time) + 1
        question.calls[waiter] = None
        insort(self._order, question, key=_finish)

    def remove(self, waiter: Waiter) -> bool:
        """Remove a call; return whether it was waiting."""
        question = self._questions.get(waiter.placement.question)
        if question is None or waiter not in question.calls:
            return False
        del question.calls[waiter]
        if not question.calls:
            del self._questions[waiter.placement.question]
            self._order.remove(question)
        return True

    def serve(self, waiter: Waiter) -> None:
        """Remove a call that has a lease: each of the questions has advanced by its share of it."""
        self._time += 1 / len(self._questions)
        self.remove(waiter)

    def __iter__(self) -> Iterator[Waiter]:
        """Yield the calls: the first one of each question, then the second ones, and so on."""
        return in_turn(iter(question.calls) for question in self._order)


def _finish(question: Question) -> float:
    return question.finish


@dataclass
class FairQueue:
    """Waiters by client, served in turn (round robin; Nagle, RFC 970), and by question.

    A client with many questions takes the turns of one, and a question with few calls does not wait
    for all calls of a larger one.
    """

    _clients: OrderedDict[str | None, ClientQueue] = field(default_factory=OrderedDict)
    _size: int = 0

    def __len__(self) -> int:
        return self._size

    def add(self, waiter: Waiter) -> None:
        """Add a waiter; a new client takes its turn after the present ones."""
        self._clients.setdefault(waiter.placement.client, ClientQueue()).add(waiter)
        self._size += 1

    def remove(self, waiter: Waiter) -> None:
        """Remove a waiter, if it is still waiting."""
        client = self._clients.get(waiter.placement.client)
        if client is not None and client.remove(waiter):
            self._size -= 1
            self._drop_if_empty(waiter.placement.client)

    def serve(self, waiter: Waiter) -> None:
        """Remove a waiter that has a lease; the turn passes to the next client."""
        client = waiter.placement.client
        self._clients[client].serve(waiter)
        self._size -= 1
        self._clients.move_to_end(client)
        self._drop_if_empty(client)

    def _drop_if_empty(self, client: str | None) -> None:
        if not self._clients[client]:
            del self._clients[client]

    def head(self) -> Waiter | None:
        """Return the waiter whose turn it is."""
        return next(iter(self), None)

    def __iter__(self) -> Iterator[Waiter]:
        """Yield the waiters: one of each client in turn, then the others."""
        return in_turn(map(iter, self._clients.values()))


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
