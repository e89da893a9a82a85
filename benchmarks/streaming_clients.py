"""Many streaming clients in one process, at little cost; prints what they saw as JSON.

`python -m benchmarks.streaming_clients URL CLIENTS SECONDS SPREAD SAMPLE HANG_UP`
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

FIRST = b"sample 1 of"
DONE = b"data: [DONE]"
MOST_SECONDS = 60.0
# When those leave who hang up, in times of a sample: among the samples, or in the synthesis.
IN_SAMPLES = 0.4
IN_SYNTHESIS = 1.7


@dataclass
class Seen:
    """By the name of each stream: when its first sample was told of, or when it was left."""

    first: dict[str, float] = field(default_factory=dict)
    hung_up: dict[str, float] = field(default_factory=dict)
    failed: int = 0


async def stream(
    url: str, name: str, seen: Seen, *, gate: str, hang_up_after: float | None
) -> None:
    """One question, read to its end; or left in the middle."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=1 << 20)
    body = json.dumps(
        {
            "model": "load",
            "stream": True,
            "messages": [{"role": "user", "content": f"{name}?"}],
            "a2r": {"gate": gate},
        }
    ).encode()
    head = (
        f"POST {place.path}/chat/completions HTTP/1.1\r\nHost: {place.netloc}\r\n"
        f"Content-Type: application/json\r\nX-Request-Id: {name}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    try:
        if hang_up_after is not None:
            # The reply has begun, so that there is something to leave, however slow the machine.
            await asyncio.wait_for(reader.readuntil(b"data: "), MOST_SECONDS)
            await asyncio.sleep(hang_up_after)
            seen.hung_up[name] = time.monotonic()
            return
        done = False
        while line := await asyncio.wait_for(reader.readline(), MOST_SECONDS):
            if FIRST in line:
                seen.first.setdefault(name, time.monotonic())
            done = done or line.startswith(DONE)
        seen.failed += not (done and name in seen.first)
    except (OSError, TimeoutError):
        seen.failed += 1
    finally:
        writer.close()


async def client(
    number: int,
    url: str,
    seen: Seen,
    *,
    seconds: float,
    spread: float,
    sample: float,
    hang_up: bool,
) -> None:
    """One client, which asks again and again until the time is over."""
    end = time.monotonic() + seconds
    await asyncio.sleep(random.Random(number).uniform(0, spread))
    turn = 0
    while turn == 0 or (not hang_up and time.monotonic() < end):
        name = f"client-{number}-{turn}-{time.monotonic_ns()}"
        # Every other question is synthesized.
        gate = "always" if (number // 2 + turn) % 2 else "never"
        # Half of those who hang up do so in the middle of what is done, the others read to the end.
        middle = IN_SYNTHESIS if gate == "always" else IN_SAMPLES
        leaves = middle * sample if hang_up and number % 2 else None
        await stream(url, name, seen, gate=gate, hang_up_after=leaves)
        turn += 1


async def main(
    url: str, clients: int, seconds: float, spread: float, sample: float, hang_up: bool
) -> Any:
    """All clients at once."""
    seen = Seen()
    await asyncio.gather(
        *(
            client(
                number, url, seen, seconds=seconds, spread=spread, sample=sample, hang_up=hang_up
            )
            for number in range(clients)
        )
    )
    return vars(seen)


if __name__ == "__main__":
    _, place, many, long, wide, each, leave = sys.argv
    told = asyncio.run(main(place, int(many), float(long), float(wide), float(each), leave == "1"))
    print(json.dumps(told), flush=True)
