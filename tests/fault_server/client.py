"""A raw HTTP client that reports the received bytes and how the response ended."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

Ending = Literal["complete", "closed", "reset", "timeout"]
"""Complete; connection closed early; connection reset; no more data before the timeout."""


@dataclass
class RawResponse:
    """A response as received; `writes` are the payloads of its HTTP chunks."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    writes: list[bytes] = field(default_factory=list)
    ending: Ending = "complete"

    def json(self) -> Any:
        return json.loads(self.body)

    def data(self) -> list[str]:
        """Return the data lines of the events, including blank ones."""
        lines = self.body.decode().splitlines()
        return [line[5:].strip() for line in lines if line.startswith("data:")]

    def chunks(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self.data() if data not in ("", "[DONE]")]

    def delta_text(self, name: str = "content") -> str:
        """Return the concatenated deltas."""
        choices = [chunk["choices"][0] for chunk in self.chunks() if chunk.get("choices")]
        return "".join(choice["delta"].get(name) or "" for choice in choices)


def chat_body(*, stream: bool = False, model: str = "small", **more: Any) -> dict[str, Any]:
    """Return the body of a chat request."""
    messages = [{"role": "user", "content": "What is six times seven?"}]
    return {"model": model, "messages": messages, "stream": stream, **more}


def raw_request(url: str, path: str, body: bytes, method: str = "POST") -> bytes:
    """Return the bytes of a request to a path under `url`."""
    address = urlsplit(url)
    lines = [
        f"{method} {address.path}{path} HTTP/1.1",
        f"Host: {address.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def request_completion(
    url: str,
    body: dict[str, Any],
    *,
    idle_timeout: float = 5.0,
    disconnect_after: int | None = None,
) -> RawResponse:
    """Request a completion; disconnect after `idle_timeout`, or after so many bytes."""
    raw = raw_request(url, "/chat/completions", json.dumps(body).encode())
    return await send(url, raw, idle_timeout=idle_timeout, disconnect_after=disconnect_after)


async def request_path(url: str, path: str, body: Any = None) -> RawResponse:
    """GET another path of the server at `url`, or POST `body` to it."""
    root = url.removesuffix("/v1")
    raw = b"" if body is None else json.dumps(body).encode()
    return await send(root, raw_request(root, path, raw, "GET" if body is None else "POST"))


async def send(
    url: str, raw: bytes, *, idle_timeout: float = 5.0, disconnect_after: int | None = None
) -> RawResponse:
    """Send raw bytes and read the response."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    response = RawResponse()
    try:
        writer.write(raw)
        received = bytearray()
        while not _parse(bytes(received), response):
            async with asyncio.timeout(idle_timeout):
                more = await reader.read(1 << 16)
            if not more:
                response.ending = "closed"
                break
            received += more
            if disconnect_after is not None and len(received) >= disconnect_after:
                response.ending = "timeout"
                _parse(bytes(received), response)
                break
    except TimeoutError:
        response.ending = "timeout"
    except ConnectionResetError:
        response.ending = "reset"
    finally:
        writer.transport.abort()
    return response


def _parse(received: bytes, response: RawResponse) -> bool:
    """Parse the received bytes; return whether the response is complete."""
    head, separator, rest = received.partition(b"\r\n\r\n")
    if not separator:
        return False
    first, *lines = head.decode("latin-1").split("\r\n")
    response.status = int(first.split()[1])
    response.headers = {n.lower(): value for n, value in (line.split(": ", 1) for line in lines)}
    if response.headers.get("transfer-encoding") != "chunked":
        response.body = rest
        return len(rest) >= int(response.headers.get("content-length", 0))
    response.writes = []
    complete = False
    while b"\r\n" in rest and not complete:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        response.writes.append(rest[:length])
        complete = length == 0
        rest = rest[length + 2 :]
    response.body = b"".join(response.writes)
    return complete
