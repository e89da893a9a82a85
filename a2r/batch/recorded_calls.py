"""The calls of a question in flight, in the journal, so that no reply is paid for twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter

from a2r.batch.journal import Entry, Journal
from a2r.config import Config
from a2r.inference.transport.stream_accumulator import StreamAccumulator
from a2r.inference.types import ModelReply, Request
from a2r.inference.usage_and_cost import request_cost
from a2r.result import Role, Status
from a2r.usage import Usage, estimate_tokens

REPLY: TypeAdapter[ModelReply] = TypeAdapter(ModelReply)
# Replies of other statuses are requested again: they failed, or were given up.
NO_USAGE = Usage()
COMPLETE: tuple[Status, ...] = ("answered", "abstained", "truncated")


@dataclass
class OpenRequests:
    """Requests of one call that have not ended: their number, and what they have received."""

    role: Role
    prompt_tokens: int
    sent: int = 0
    completion_tokens: int = 0


@dataclass
class RecordedCalls:
    """The calls of one question: `replies` by name with the hash of their request, and the usage.

    `in_flight` are the requests by the name of their call that have not ended, `interrupted` those
    of processes that were killed.
    """

    replies: dict[str, tuple[str, ModelReply]] = field(default_factory=dict)
    usage: Usage = NO_USAGE
    prompts: dict[Role, int] = field(default_factory=dict)
    in_flight: dict[str, OpenRequests] = field(default_factory=dict)
    interrupted: list[OpenRequests] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Add an entry of the journal."""
        call, role = entry["call"], entry["role"]
        match entry["event"]:
            case "sent":
                self.add_sent(call, role, entry["prompt_tokens"])
            case "usage":
                self.add_usage(call, role, Usage.model_validate(entry["usage"]))
            case "reply":
                self.replies[call] = (entry["hash"], REPLY.validate_python(entry["reply"]))

    def add_sent(self, call: str, role: Role, prompt_tokens: int) -> None:
        """Add a request that is sent; its prompt is estimated to have `prompt_tokens`."""
        sent = OpenRequests(role=role, prompt_tokens=prompt_tokens)
        self.in_flight.setdefault(call, sent).sent += 1

    def add_usage(self, call: str, role: Role, usage: Usage) -> None:
        """Add the usage of a request that has ended."""
        self.usage += usage
        if usage.calls == 1 and not usage.estimated and usage.prompt_tokens:
            self.prompts[role] = usage.prompt_tokens
        sent = self.in_flight.pop(call, None)
        if sent is not None and sent.sent > 1:
            self.in_flight[call] = replace(sent, sent=sent.sent - 1, completion_tokens=0)

    def add_progress(self, call: str, tokens: int) -> None:
        """Add the completion tokens that a request has received."""
        if call in self.in_flight:
            self.in_flight[call].completion_tokens = tokens

    def interrupt(self) -> None:
        """The process has ended: its requests in flight have no end."""
        self.interrupted += self.in_flight.values()
        self.in_flight.clear()

    def total(self, config: Config) -> Usage:
        """The usage of all calls; that of interrupted requests is estimated."""
        usage = self.usage
        for sent in self.interrupted:
            prompt = self.prompts.get(sent.role, sent.prompt_tokens) * sent.sent
            role = config.role(sent.role)
            usage += Usage(
                calls=sent.sent,
                prompt_tokens=prompt,
                completion_tokens=sent.completion_tokens,
                cost=None if role is None else request_cost(prompt, sent.completion_tokens, role),
                estimated=True,
            )
        return usage


def read_calls(entries: Iterable[Entry], stored: Mapping[int, int]) -> dict[int, RecordedCalls]:
    """The calls of attempts that are not stored, by question, from the entries of a journal.

    `stored` has the last stored attempt of each question.
    """
    calls: dict[int, RecordedCalls] = {}
    for entry in entries:
        if entry["event"] == "start":
            for each in calls.values():
                each.interrupt()
        elif entry["event"] == "progress":
            for number, call, tokens in entry["tokens"]:
                if number in calls:
                    calls[number].add_progress(call, tokens)
        elif entry["attempt"] > stored.get(entry["question"], -1):
            calls.setdefault(entry["question"], RecordedCalls()).add(entry)
    for each in calls.values():
        each.interrupt()
    return calls


@dataclass
class JournaledCalls:
    """A `ReplyRecord` of one question: replies are found in its calls, and added to the journal.

    `thinking` has the reasoning of the calls by their name.
    """

    number: int
    attempt: int
    journal: Journal
    calls: RecordedCalls
    config: Config
    thinking: dict[str, str] = field(default_factory=dict)
    streams: dict[str, StreamAccumulator] = field(default_factory=dict)

    async def find(self, request: Request) -> ModelReply | None:
        """Return the recorded reply of a call, if it was to the same request."""
        recorded = self.calls.replies.get(request.call or "")
        if recorded is None or recorded[0] != request_hash(request, self.config):
            return None
        self._add_thinking(request, recorded[1])
        return recorded[1]

    def on_send(self, request: Request, accumulator: StreamAccumulator) -> None:
        """Record that an HTTP request is sent."""
        call = request.call or ""
        self.streams[call] = accumulator
        prompt = sum(estimate_tokens(message["content"]) for message in request.prompt())
        self.calls.add_sent(call, request.role, prompt)
        self._append(request, "sent", prompt_tokens=prompt)

    def on_usage(self, request: Request, usage: Usage) -> None:
        """Record the usage of an HTTP request that has ended."""
        call = request.call or ""
        self.streams.pop(call, None)
        self.calls.add_usage(call, request.role, usage)
        self._append(request, "usage", usage=usage.model_dump(mode="json"))

    async def on_reply(self, request: Request, reply: ModelReply) -> None:
        """Record the reply of a call, if it is complete."""
        self._add_thinking(request, reply)
        if reply.status not in COMPLETE:
            return
        key, fields = request_hash(request, self.config), REPLY.dump_python(reply, mode="json")
        self.calls.replies[request.call or ""] = (key, reply)
        # A caller that is cancelled does not cancel the write.
        await asyncio.shield(self._append(request, "reply", hash=key, reply=fields))

    @property
    def requests(self) -> dict[str, str]:
        """The hashes of the requests of complete replies, by the name of their call."""
        return {call: key for call, (key, _) in self.calls.replies.items()}

    def progress(self) -> list[tuple[int, str, int]]:
        """The completion tokens that the requests in flight have received."""
        return [
            # The first event has the role.
            (self.number, call, stream.events - 1)
            for call, stream in self.streams.items()
            if stream.events > 1
        ]

    def _add_thinking(self, request: Request, reply: ModelReply) -> None:
        if reply.thinking:
            self.thinking[request.call or ""] = reply.thinking

    def _append(self, request: Request, event: str, **values: object) -> asyncio.Future[None]:
        entry: Entry = {
            "question": self.number,
            "attempt": self.attempt,
            "event": event,
            "call": request.call,
            "role": request.role,
            **values,
        }
        return self.journal.append(entry, self.number)


def request_hash(request: Request, config: Config) -> str:
    """The hash of what a call asks for, and of its role's model and sampling."""
    role = config.role(request.role)
    settings = None if role is None else (role.model, role.sampling.model_dump(mode="json"))
    values = (settings, request.prompt(), request.overrides(), request.max_tokens)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]
