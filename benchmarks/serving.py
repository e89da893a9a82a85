"""The server under many streaming clients: how late deltas are, and what hanging up leaves behind.

`python -m benchmarks.serving [short]`; exits with 1 where a limit does not hold. Clients, server
and endpoint are processes of their own; their clocks are the machine's one.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.endpoint import endpoint
from benchmarks.measures import Measure, report

CLIENTS = 200
SAMPLES = 8
SAMPLE_SECONDS = 5.0
SHORT_SAMPLE_SECONDS = 2.0
TOKENS = 40
MINUTE = 60.0
WITHIN = 0.95
LOOK_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Load:
    """So many clients for so long; each begins at a moment of its own in the first `spread` s.

    A sample takes `sample` seconds.
    """

    clients: int
    seconds: float
    spread: float
    sample: float


def main() -> int:
    """Print every figure; 1 if one is beyond its limit. Every other question is synthesized."""
    short = sys.argv[1:] == ["short"]
    clients, minute = (20, 3.0) if short else (CLIENTS, MINUTE)
    sample = SHORT_SAMPLE_SECONDS if short else SAMPLE_SECONDS
    busy = psutil.cpu_percent(interval=1.0)
    print(f"the machine is {busy:.0f}% busy with other things; started {time.strftime('%H:%M')}")
    load = Load(clients=clients, seconds=minute, spread=sample, sample=sample)
    leaving = Load(clients=clients, seconds=1.0, spread=1.0, sample=sample)
    with (
        endpoint(tokens=TOKENS, pace=sample / TOKENS) as upstream,
        server(upstream) as (url, process),
    ):
        told = asked(url, load, hang_up=False)
        books = books_of(upstream)
        before = process.memory_info().rss
        again = asked(url, load, hang_up=False)
        gone = asked(url, leaving, hang_up=True)
        left = books_at_rest(upstream)
        grown = process.memory_info().rss - before
    late = delays(told["first"], books["finished"])
    ends = cancellations(gone["hung_up"], left["cancelled"])
    print(
        f"{len(told['first'])} streams, {clients} at once; median {statistics.median(late):.3f} s"
    )
    return report(
        [
            Measure(
                name="first delta after its sample's finish, 95th percentile",
                value=percentile(late, WITHIN) * 1e3,
                unit="ms",
                limit=300,
            ),
            Measure(
                name="streams that ended in an error, or not at all",
                value=float(told["failed"] + again["failed"] + gone["failed"]),
                unit="",
                limit=1,
            ),
            Measure(
                name="growth of the server's memory over a second minute and hangings up",
                value=max(0.0, grown / 2**20),
                unit="MB",
                limit=16,
            ),
            Measure(
                name="last upstream request of one who hung up, cancelled after",
                value=max(ends) * 1e3,
                unit="ms",
                limit=1000,
            ),
            Measure(
                name="upstream requests left behind",
                value=float(left["outstanding"]),
                unit="",
                limit=1,
            ),
        ]
    )


@contextmanager
def server(upstream: str) -> Iterator[tuple[str, psutil.Process]]:
    """`a2r serve` over an endpoint, in a process of its own."""
    role = {"model": "small", "endpoints": [upstream], "samples": SAMPLES, "concurrency": 4096}
    config = {
        "kind": "math",
        "explorer": role,
        "synthesizer": {"model": "small", "endpoints": [upstream], "concurrency": 4096},
        "gate": {"rule": "never"},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "load.yaml"
        path.write_text(json.dumps(config))
        command = [sys.executable, "-m", "a2r", "serve", "--config", str(path), "--port", "0"]
        process = subprocess.Popen(
            [*command, "--log-format", "json"], stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        try:
            url = json.loads(process.stderr.readline())["url"]
            # Nobody reads on: a full pipe must not hold the server up.
            reader = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
            yield url, psutil.Process(process.pid)
            process.terminate()
            process.wait()
            reader.wait()
        finally:
            process.kill()
            process.wait()
            process.stderr.close()


def asked(url: str, load: Load, *, hang_up: bool) -> dict[str, Any]:
    """What clients in a process of their own saw."""
    numbers = (load.clients, load.seconds, load.spread, load.sample, int(hang_up))
    arguments = [url, *map(str, numbers)]
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.streaming_clients", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def books_of(upstream: str) -> dict[str, Any]:
    """The endpoint's books."""
    with urllib.request.urlopen(f"{upstream}/books") as reply:
        found: dict[str, Any] = json.load(reply)
    return found


def books_at_rest(upstream: str) -> dict[str, Any]:
    """The endpoint's books once no request is under way, or after as long as one takes at most."""
    end = time.monotonic() + 2 * SAMPLE_SECONDS
    while (books := books_of(upstream))["outstanding"] and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
    return books


def delays(first: Mapping[str, float], finished: Mapping[str, float]) -> list[float]:
    """The seconds from the finish of each stream's first sample to its delta."""
    return sorted(at - finished[caller] for caller, at in first.items())


def cancellations(
    hung_up: Mapping[str, float], cancelled: Mapping[str, Sequence[float]]
) -> list[float]:
    """The seconds from each hanging up to the cancellation of the last request behind it."""
    return [max(cancelled[caller]) - at for caller, at in hung_up.items()]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that a share of the sorted values does not exceed."""
    return values[min(len(values) - 1, round(share * len(values)))]


if __name__ == "__main__":
    raise SystemExit(main())
