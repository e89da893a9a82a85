"""Many streaming clients in one process with low CPU cost; prints measurements as JSON.

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

FIRST_SAMPLE = b"sample 1 of"
DONE = b"data: [DONE]"
MAX_LINE_SECONDS = 60.0
# When clients disconnect, in times of a sample: among the samples, or in the synthesis.
INTO_SAMPLES = 0.4
INTO_SYNTHESIS = 1.7


@dataclass
class Measurements:
    """Times by stream name: of the first sample's delta (`first`), and of the disconnect."""

    first: dict[str, float] = field(default_factory=dict)
    hung_up: dict[str, float] = field(default_factory=dict)
    failed: int = 0


async def stream(
    url: str, name: str, measured: Measurements, *, gate: str, hang_up_after: float | None
) -> None:
    """Ask one question; read the stream to its end, or disconnect after some seconds."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
    body = json.dumps(
        {
            "model": "load",
            "stream": True,
            "messages": [{"role": "user", "content": f"{name}?"}],
            "a2r": {"gate": gate},
        }
    ).encode()
    head = (
        f"POST {parts.path}/chat/completions HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Content-Type: application/json\r\nX-Request-Id: {name}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    try:
        if hang_up_after is not None:
            # Disconnect from a reply that has started, however slow the machine.
            await asyncio.wait_for(reader.readuntil(b"data: "), MAX_LINE_SECONDS)
            await asyncio.sleep(hang_up_after)
            measured.hung_up[name] = time.monotonic()
            return
        done = False
        while line := await asyncio.wait_for(reader.readline(), MAX_LINE_SECONDS):
            if FIRST_SAMPLE in line:
                measured.first.setdefault(name, time.monotonic())
            done = done or line.startswith(DONE)
        measured.failed += not (done and name in measured.first)
    except (OSError, TimeoutError):
        measured.failed += 1
    finally:
        writer.close()


async def client(
    number: int,
    url: str,
    measured: Measurements,
    *,
    seconds: float,
    spread: float,
    sample: float,
    hang_up: bool,
) -> None:
    """Ask questions one after the other until the time is over."""
    end = time.monotonic() + seconds
    await asyncio.sleep(random.Random(number).uniform(0, spread))
    index = 0
    while index == 0 or (not hang_up and time.monotonic() < end):
        name = f"client-{number}-{index}-{time.monotonic_ns()}"
        # Every other question is synthesized.
        gate = "always" if (number // 2 + index) % 2 else "never"
        # Half of the clients disconnect in the middle of sampling or synthesis.
        middle = INTO_SYNTHESIS if gate == "always" else INTO_SAMPLES
        hang_up_after = middle * sample if hang_up and number % 2 else None
        await stream(url, name, measured, gate=gate, hang_up_after=hang_up_after)
        index += 1


async def main(
    url: str, clients: int, seconds: float, spread: float, sample: float, hang_up: bool
) -> Any:
    """Run all clients concurrently and return the measurements."""
    measured = Measurements()
    await asyncio.gather(
        *(
            client(
                number,
                url,
                measured,
                seconds=seconds,
                spread=spread,
                sample=sample,
                hang_up=hang_up,
            )
            for number in range(clients)
        )
    )
    return vars(measured)


if __name__ == "__main__":
    _, url_text, client_count, load_seconds, start_spread, sample_seconds, disconnect = sys.argv
    print(
        json.dumps(
            asyncio.run(
                main(
                    url_text,
                    int(client_count),
                    float(load_seconds),
                    float(start_spread),
                    float(sample_seconds),
                    disconnect == "1",
                )
            )
        ),
        flush=True,
    )
