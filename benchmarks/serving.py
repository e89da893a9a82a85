"""The OpenAI server under many streaming clients: delay of deltas, cleanup after disconnects.

In the second run, as many slow clients again hold connections with half of a request.

`python -m benchmarks.serving [short]` exits with 1 if a limit fails. Clients, server and endpoint
are separate processes and share the monotonic clock of the machine.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.endpoint import endpoint
from benchmarks.metrics import Metric, print_metrics
from benchmarks.server_process import server
from benchmarks.slow_clients import slow_clients

CLIENTS = 200
SAMPLES = 8
SAMPLE_SECONDS = 5.0
SHORT_SAMPLE_SECONDS = 2.0
TOKENS = 40
LOAD_SECONDS = 60.0
PERCENTILE = 0.95
POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Load:
    """`clients` clients for `seconds` s, which start at random times in the first `spread` s.

    A sample takes `sample` seconds.
    """

    clients: int
    seconds: float
    spread: float
    sample: float


def main() -> int:
    """Print all metrics; return 1 if one is beyond its limit. Half of the questions synthesize."""
    short = sys.argv[1:] == ["short"]
    clients, seconds = (20, 3.0) if short else (CLIENTS, LOAD_SECONDS)
    sample = SHORT_SAMPLE_SECONDS if short else SAMPLE_SECONDS
    busy = psutil.cpu_percent(interval=1.0)
    print(f"started {time.strftime('%H:%M')}; CPU load of other processes {busy:.0f}%")
    load = Load(clients=clients, seconds=seconds, spread=sample, sample=sample)
    short_load = Load(clients=clients, seconds=1.0, spread=1.0, sample=sample)
    with (
        endpoint(tokens=TOKENS, pace=sample / TOKENS) as upstream,
        server(server_config(upstream)) as (url, process),
    ):
        first_run = run_clients(url, load, hang_up=False)
        first_log = request_log(upstream)
        before = process.memory_info().rss
        with slow_clients(url, clients):
            second_run = run_clients(url, load, hang_up=False)
        disconnects = run_clients(url, short_load, hang_up=True)
        final_log = idle_request_log(upstream)
        growth = process.memory_info().rss - before
    runs = (first_run, second_run, disconnects)
    delays = delta_delays(first_run["first"], first_log["finished"])
    slowed = delta_delays(second_run["first"], final_log["finished"])
    ended_after = end_delays(disconnects["hung_up"], final_log["ended"])
    cancelled = final_log["cancelled"]
    print(
        f"{len(first_run['first'])} streams, {clients} concurrent; median delay of the first delta "
        f"{statistics.median(delays):.3f} s; {cancelled} requests cancelled by disconnects"
    )
    return print_metrics(
        [
            Metric(
                name="delay of the first delta after its sample, 95th percentile",
                value=percentile(delays, PERCENTILE) * 1e3,
                unit="ms",
                limit=300,
            ),
            Metric(
                name="the same beside slow clients",
                value=percentile(slowed, PERCENTILE) * 1e3,
                unit="ms",
                limit=300,
            ),
            Metric(
                name="failed or incomplete streams",
                value=float(sum(run["failed"] for run in runs)),
                unit="",
                limit=1,
            ),
            Metric(
                name="memory growth of the server over a second run and disconnects",
                value=max(0.0, growth / 2**20),
                unit="MB",
                limit=16,
            ),
            Metric(
                name="time from a disconnect to the end of its last request, maximum",
                value=max(ended_after) * 1e3,
                unit="ms",
                limit=1000,
            ),
            Metric(
                name="requests cancelled by disconnects",
                value=float(cancelled),
                unit="",
                limit=1,
                is_minimum=True,
            ),
            Metric(
                name="upstream requests still open",
                value=float(final_log["outstanding"]),
                unit="",
                limit=1,
            ),
        ]
    )


def server_config(upstream: str) -> dict[str, Any]:
    """Both roles over one endpoint, without a gate."""
    role = {"model": "small", "endpoints": [upstream], "samples": SAMPLES, "concurrency": 4096}
    return {
        "kind": "math",
        "explorer": role,
        "synthesizer": {"model": "small", "endpoints": [upstream], "concurrency": 4096},
        "gate": {"rule": "never"},
    }


def run_clients(url: str, load: Load, *, hang_up: bool) -> dict[str, Any]:
    """Run clients in a separate process and return what they measured."""
    numbers = (load.clients, load.seconds, load.spread, load.sample, int(hang_up))
    arguments = [url, *map(str, numbers)]
    completed = subprocess.run(
        [sys.executable, "-m", "benchmarks.streaming_clients", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    measured: dict[str, Any] = json.loads(completed.stdout)
    return measured


def request_log(upstream: str) -> dict[str, Any]:
    """Return the request log of the endpoint."""
    with urllib.request.urlopen(f"{upstream}/requests") as reply:
        log: dict[str, Any] = json.load(reply)
    return log


def idle_request_log(upstream: str) -> dict[str, Any]:
    """Return the request log once no request is open, or after twice the time of a sample."""
    end = time.monotonic() + 2 * SAMPLE_SECONDS
    while (log := request_log(upstream))["outstanding"] and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    return log


def delta_delays(first: Mapping[str, float], finished: Mapping[str, float]) -> list[float]:
    """Return the sorted seconds from the end of each stream's first sample to its delta."""
    return sorted(received - finished[caller] for caller, received in first.items())


def end_delays(hung_up: Mapping[str, float], ended: Mapping[str, float]) -> list[float]:
    """Return the seconds from each disconnect to the end of its last request.

    On a busy machine, a client may disconnect between two requests of its question: then they have
    ended before, and none is cancelled. A request that is not cancelled ends much later.
    """
    return [max(0.0, ended[caller] - left) for caller, left in hung_up.items()]


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile of sorted values; `share` is from 0 to 1."""
    return values[min(len(values) - 1, round(share * len(values)))]


if __name__ == "__main__":
    raise SystemExit(main())
