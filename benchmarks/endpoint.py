"""An endpoint that costs next to nothing: what it answers is written once, before it listens.

`python -m benchmarks.endpoint [--delay SECONDS] [--tokens N] [--slots N] [--pace SECONDS]` prints
its URL. It is the fixed part of the comparisons, so that what differs is the client.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

HEAD = {"id": "chatcmpl-1", "created": 1, "model": "small"}
END_OF_HEADERS = b"\r\n\r\n"
LENGTH = b"content-length:"
CALLER = re.compile(rb"x-request-id: *(\S+?)-[0-9a-f]{8}-(?:sample|synthesis)-", re.IGNORECASE)
COMPLETIONS = "/v1/chat/completions"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
OK_JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "


@dataclass
class Replies:
    """The bytes of a reply, whole and as a stream of one chunk a token."""

    tokens: int
    whole: bytes = field(init=False)
    stream: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        texts = ["word "] * (self.tokens - 1) + ["\\boxed{4}"]
        message = {"role": "assistant", "content": "".join(texts)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {**HEAD, "object": "chat.completion", "choices": [choice]}
        data = json.dumps({**body, "usage": _usage(self.tokens)}).encode()
        self.whole = OK_JSON + str(len(data)).encode() + END_OF_HEADERS + data
        last = len(texts) - 1
        events = [_event({"content": text}, n, last) for n, text in enumerate(texts)]
        final = {**HEAD, "object": "chat.completion.chunk", "choices": []}
        events[-1] += _data({**final, "usage": _usage(self.tokens)}) + b"data: [DONE]\n\n"
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked"
        pieces = [_chunk(event) for event in events]
        # The end of the last token is the end of the reply.
        self.stream = [head + END_OF_HEADERS, *pieces[:-1], pieces[-1] + b"0\r\n\r\n"]


@dataclass
class Slots:
    """How many replies may be under way at once; `None` is no bound. Each takes `delay`."""

    delay: float
    free: int | None
    waiting: deque[Connection] = field(default_factory=deque)

    def take(self, connection: Connection) -> None:
        """Answer a connection, when it is its turn."""
        if self.free == 0:
            self.waiting.append(connection)
            return
        if self.free is not None:
            self.free -= 1
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self._answer, connection)
        else:
            self._answer(connection)

    def _answer(self, connection: Connection) -> None:
        connection.answer()
        if self.free is not None:
            self.free += 1
            if self.waiting:
                self.take(self.waiting.popleft())


@dataclass
class Books:
    """When what happened to the requests of each caller, by `time.monotonic` of this machine.

    A caller is what stands in `X-Request-Id` before the name of the call.
    """

    finished: dict[str, float] = field(default_factory=dict)
    cancelled: dict[str, list[float]] = field(default_factory=dict)
    outstanding: int = 0

    def begin(self) -> None:
        """A request came."""
        self.outstanding += 1

    def finish(self, caller: str) -> None:
        """A request was answered; the first one of a caller counts."""
        self.outstanding -= 1
        self.finished.setdefault(caller, time.monotonic())

    def cancel(self, caller: str) -> None:
        """A request was given up before its answer."""
        self.outstanding -= 1
        self.cancelled.setdefault(caller, []).append(time.monotonic())

    def reply(self) -> bytes:
        """The books as an HTTP reply."""
        data = json.dumps(vars(self)).encode()
        return OK_JSON + str(len(data)).encode() + END_OF_HEADERS + data


class Connection(asyncio.Protocol):
    """One connection; reads requests and asks for its turn."""

    def __init__(self, replies: Replies, slots: Slots, books: Books, pace: float | None) -> None:
        self._replies = replies
        self._slots = slots
        self._books = books
        self._pace = pace
        self._caller: str | None = None
        self._held = b""
        self._streamed = False

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self._transport: asyncio.Transport = transport

    def data_received(self, data: bytes) -> None:
        """Take a request, if it is whole by now."""
        self._held += data
        head, found, rest = self._held.partition(END_OF_HEADERS)
        if not found:
            return
        place = head.lower().find(LENGTH)
        size = int(head[place + len(LENGTH) :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(rest) < size:
            return
        self._held = rest[size:]
        if head.startswith(b"GET "):
            self._transport.write(self._books.reply())
            return
        if not head.startswith(f"POST {COMPLETIONS} ".encode()):
            self._transport.write(NOT_FOUND)
            return
        named = CALLER.search(head)
        self._caller = named[1].decode() if named else ""
        self._books.begin()
        self._streamed = b'"stream":true' in rest[:size].replace(b" ", b"")
        self._slots.take(self)

    def answer(self) -> None:
        """Write the reply, unless nobody is there any more."""
        if self._transport.is_closing() or self._caller is None:
            return
        if not self._streamed:
            self._finish(self._replies.whole)
        elif self._pace is None:
            self._finish(b"".join(self._replies.stream))
        else:
            self._write_from(0, self._pace)

    def connection_lost(self, error: Exception | None) -> None:
        """Note a request that was given up."""
        if self._caller is not None:
            self._books.cancel(self._caller)
            self._caller = None

    def _write_from(self, number: int, pace: float) -> None:
        """Write the pieces of a stream one by one, from a number on."""
        if self._transport.is_closing():
            return
        piece = self._replies.stream[number]
        if number == len(self._replies.stream) - 1:
            self._finish(piece)
            return
        self._transport.write(piece)
        asyncio.get_running_loop().call_later(pace, self._write_from, number + 1, pace)

    def _finish(self, piece: bytes) -> None:
        self._books.finish(self._caller or "")
        self._caller = None
        self._transport.write(piece)


@contextmanager
def endpoint(
    *, delay: float = 0.0, tokens: int = 6, slots: int | None = None, pace: float | None = None
) -> Iterator[str]:
    """An endpoint in a process of its own; gives its base URL."""
    options = ["--delay", str(delay), "--tokens", str(tokens), "--slots", str(slots or 0)]
    if pace is not None:
        options += ["--pace", str(pace)]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.endpoint", *options], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _usage(completion: int) -> dict[str, int]:
    return {
        "prompt_tokens": 10,
        "completion_tokens": completion,
        "total_tokens": 10 + completion,
    }


def _event(delta: dict[str, str], number: int, last: int) -> bytes:
    reason = "stop" if number == last else None
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    chunk = {**HEAD, "object": "chat.completion.chunk", "choices": [choice]}
    return _data({**chunk, "usage": _usage(number + 1)})


def _data(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def _serve(arguments: argparse.Namespace) -> None:
    replies = Replies(arguments.tokens)
    slots = Slots(delay=arguments.delay, free=arguments.slots or None)
    books = Books()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(replies, slots, books, arguments.pace), "127.0.0.1", 0, backlog=4096
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds a reply takes")
    parser.add_argument("--tokens", type=int, default=6, help="tokens of a reply")
    parser.add_argument("--slots", type=int, default=0, help="replies at once; 0 is no bound")
    parser.add_argument("--pace", type=float, help="seconds between chunks; all at once without")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
