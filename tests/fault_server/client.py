"""A client that hides nothing: it reports what went over the wire, and how it ended."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

Ending = Literal["complete", "closed", "reset", "silent"]
"""The reply was whole; the connection was closed, or reset, before; nothing came any more."""


@dataclass
class Heard:
    """A reply as it came; `writes` are the payloads of its HTTP chunks."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    writes: list[bytes] = field(default_factory=list)
    ending: Ending = "complete"

    def json(self) -> Any:
        return json.loads(self.body)

    def data(self) -> list[str]:
        """The data lines of the events, blank ones too."""
        lines = self.body.decode().splitlines()
        return [line[5:].strip() for line in lines if line.startswith("data:")]

    def chunks(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self.data() if data not in ("", "[DONE]")]

    def said(self, name: str = "content") -> str:
        """What the deltas add up to."""
        choices = [chunk["choices"][0] for chunk in self.chunks() if chunk.get("choices")]
        return "".join(choice["delta"].get(name) or "" for choice in choices)


def chat(*, stream: bool = False, model: str = "small", **more: Any) -> dict[str, Any]:
    """The body of a request."""
    messages = [{"role": "user", "content": "What is six times seven?"}]
    return {"model": model, "messages": messages, "stream": stream, **more}


def raw_request(url: str, path: str, body: bytes, method: str = "POST") -> bytes:
    """The bytes of a request to a path under `url`."""
    place = urlsplit(url)
    lines = [
        f"{method} {place.path}{path} HTTP/1.1",
        f"Host: {place.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def ask(
    url: str, body: dict[str, Any], *, patience: float = 5.0, hang_up_after: int | None = None
) -> Heard:
    """Ask for a completion; hang up when nothing comes any more, or after so many bytes."""
    raw = raw_request(url, "/chat/completions", json.dumps(body).encode())
    return await send(url, raw, patience=patience, hang_up_after=hang_up_after)


async def get(url: str, path: str, body: Any = None) -> Heard:
    """Ask another path of the server at `url`; with a body, POST it."""
    root = url.removesuffix("/v1")
    raw = b"" if body is None else json.dumps(body).encode()
    return await send(root, raw_request(root, path, raw, "GET" if body is None else "POST"))


async def send(
    url: str, raw: bytes, *, patience: float = 5.0, hang_up_after: int | None = None
) -> Heard:
    """Send these bytes and hear the reply."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    heard = Heard()
    try:
        writer.write(raw)
        received = bytearray()
        while not _whole(bytes(received), heard):
            async with asyncio.timeout(patience):
                more = await reader.read(1 << 16)
            if not more:
                heard.ending = "closed"
                break
            received += more
            if hang_up_after is not None and len(received) >= hang_up_after:
                heard.ending = "silent"
                _whole(bytes(received), heard)
                break
    except TimeoutError:
        heard.ending = "silent"
    except ConnectionResetError:
        heard.ending = "reset"
    finally:
        writer.transport.abort()
    return heard


def _whole(received: bytes, heard: Heard) -> bool:
    """Read as much of a reply as is there; whether that is all of it."""
    head, found, rest = received.partition(b"\r\n\r\n")
    if not found:
        return False
    first, *lines = head.decode("latin-1").split("\r\n")
    heard.status = int(first.split()[1])
    heard.headers = {n.lower(): value for n, value in (line.split(": ", 1) for line in lines)}
    if heard.headers.get("transfer-encoding") != "chunked":
        heard.body = rest
        return len(rest) >= int(heard.headers.get("content-length", 0))
    heard.writes = []
    whole = False
    while b"\r\n" in rest and not whole:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        heard.writes.append(rest[:length])
        whole = length == 0
        rest = rest[length + 2 :]
    heard.body = b"".join(heard.writes)
    return whole
