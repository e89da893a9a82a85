"""An endpoint with minimal CPU cost: its replies are built once, before it listens.

`python -m benchmarks.endpoint [--delay SECONDS] [--tokens N] [--slots N] [--pace SECONDS]` prints
its URL. All clients under comparison use it, so that only their own cost differs.
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

REPLY_FIELDS = {"id": "chatcmpl-1", "created": 1, "model": "small"}
END_OF_HEADERS = b"\r\n\r\n"
CONTENT_LENGTH = b"content-length:"
CALLER = re.compile(rb"x-request-id: *(\S+?)-[0-9a-f]{8}-(?:sample|synthesis)-", re.IGNORECASE)
COMPLETIONS = "/v1/chat/completions"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
OK_JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "


@dataclass
class Replies:
    """The bytes of a reply, as one JSON body and as a stream with a chunk per token."""

    tokens: int
    complete: bytes = field(init=False)
    stream: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        texts = ["word "] * (self.tokens - 1) + ["\\boxed{4}"]
        message = {"role": "assistant", "content": "".join(texts)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {**REPLY_FIELDS, "object": "chat.completion", "choices": [choice]}
        data = json.dumps({**body, "usage": _usage(self.tokens)}).encode()
        self.complete = OK_JSON + str(len(data)).encode() + END_OF_HEADERS + data
        last = len(texts) - 1
        events = [_event({"content": text}, n, last) for n, text in enumerate(texts)]
        final = {**REPLY_FIELDS, "object": "chat.completion.chunk", "choices": []}
        events[-1] += _data({**final, "usage": _usage(self.tokens)}) + b"data: [DONE]\n\n"
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked"
        chunks = [_chunk(event) for event in events]
        # The chunk of the last token also ends the reply.
        self.stream = [head + END_OF_HEADERS, *chunks[:-1], chunks[-1] + b"0\r\n\r\n"]


@dataclass
class Slots:
    """Limits concurrent replies to `free` slots, `None` for no limit; each takes `delay` s."""

    delay: float
    free: int | None
    waiting: deque[Connection] = field(default_factory=deque)

    def take(self, connection: Connection) -> None:
        """Answer a connection as soon as a slot is free."""
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
class RequestLog:
    """When the requests of each caller finished or were cancelled, by `time.monotonic`.

    A caller is the part of `X-Request-Id` before the run ID and the name of the call. `finished` is
    when its first request was answered, `ended` when its last one was answered or cancelled.
    """

    finished: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    cancelled: int = 0
    outstanding: int = 0

    def start(self) -> None:
        """Count an incoming request."""
        self.outstanding += 1

    def finish(self, caller: str) -> None:
        """Record that a request was answered."""
        self.outstanding -= 1
        self.ended[caller] = time.monotonic()
        self.finished.setdefault(caller, self.ended[caller])

    def cancel(self, caller: str) -> None:
        """Record that a client disconnected before its reply."""
        self.outstanding -= 1
        self.cancelled += 1
        self.ended[caller] = time.monotonic()

    def reply(self) -> bytes:
        """Return the log as an HTTP reply."""
        data = json.dumps(vars(self)).encode()
        return OK_JSON + str(len(data)).encode() + END_OF_HEADERS + data


class Connection(asyncio.Protocol):
    """A connection: reads requests and waits for a slot."""

    def __init__(
        self, replies: Replies, slots: Slots, request_log: RequestLog, pace: float | None
    ) -> None:
        self._replies = replies
        self._slots = slots
        self._request_log = request_log
        self._pace = pace
        self._caller: str | None = None
        self._buffer = b""
        self._streamed = False

    def connection_made(self, transport: Any) -> None:
        """Store the transport."""
        self._transport: asyncio.Transport = transport

    def data_received(self, data: bytes) -> None:
        """Process a request once it is complete."""
        self._buffer += data
        head, separator, rest = self._buffer.partition(END_OF_HEADERS)
        if not separator:
            return
        index = head.lower().find(CONTENT_LENGTH)
        size = int(head[index + len(CONTENT_LENGTH) :].split(b"\r\n", 1)[0]) if index >= 0 else 0
        if len(rest) < size:
            return
        self._buffer = rest[size:]
        if head.startswith(b"GET "):
            self._transport.write(self._request_log.reply())
            return
        if not head.startswith(f"POST {COMPLETIONS} ".encode()):
            self._transport.write(NOT_FOUND)
            return
        match = CALLER.search(head)
        self._caller = match[1].decode() if match else ""
        self._request_log.start()
        self._streamed = b'"stream":true' in rest[:size].replace(b" ", b"")
        self._slots.take(self)

    def answer(self) -> None:
        """Write the reply, unless the client is gone."""
        if self._transport.is_closing() or self._caller is None:
            return
        if not self._streamed:
            self._finish(self._replies.complete)
        elif self._pace is None:
            self._finish(b"".join(self._replies.stream))
        else:
            self._write_from(0, self._pace)

    def connection_lost(self, error: Exception | None) -> None:
        """Record a request without a reply as cancelled."""
        if self._caller is not None:
            self._request_log.cancel(self._caller)
            self._caller = None

    def _write_from(self, index: int, pace: float) -> None:
        """Write the chunks of a stream from an index on, one every `pace` seconds."""
        if self._transport.is_closing():
            return
        chunk = self._replies.stream[index]
        if index == len(self._replies.stream) - 1:
            self._finish(chunk)
            return
        self._transport.write(chunk)
        asyncio.get_running_loop().call_later(pace, self._write_from, index + 1, pace)

    def _finish(self, data: bytes) -> None:
        self._request_log.finish(self._caller or "")
        self._caller = None
        self._transport.write(data)


@contextmanager
def endpoint(
    *, delay: float = 0.0, tokens: int = 6, slots: int | None = None, pace: float | None = None
) -> Iterator[str]:
    """Run an endpoint in a separate process and yield its base URL."""
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
    chunk = {**REPLY_FIELDS, "object": "chat.completion.chunk", "choices": [choice]}
    return _data({**chunk, "usage": _usage(number + 1)})


def _data(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def _serve(arguments: argparse.Namespace) -> None:
    replies = Replies(arguments.tokens)
    slots = Slots(delay=arguments.delay, free=arguments.slots or None)
    request_log = RequestLog()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(replies, slots, request_log, arguments.pace),
        "127.0.0.1",
        0,
        backlog=4096,
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until the process is terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds per reply")
    parser.add_argument("--tokens", type=int, default=6, help="tokens per reply")
    parser.add_argument("--slots", type=int, default=0, help="concurrent replies; 0 for no limit")
    parser.add_argument("--pace", type=float, help="seconds between chunks (default: all at once)")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
