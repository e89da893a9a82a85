"""`python -m tests.fault_server`: one server, until it is stopped; then its books."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from typing import Any

from tests.fault_server.listener import allow_connections
from tests.fault_server.presets import PRESETS, scenario_of
from tests.fault_server.scenario import Scenario, load
from tests.fault_server.server import MisbehavingServer

MOST_CONNECTIONS = 65536
DESCRIPTION = """\
Serves OpenAI's and vLLM's HTTP, misbehaves as scripted, and counts everything.
Prints {"url": …, "pid": …} as a line of JSON once it listens, and its books as JSON when it is
stopped with SIGINT or SIGTERM."""

EPILOG = """\
script, YAML or JSON, from a file or inline (everything is optional):
  preset: flaky                      what the rest changes
  seed: 1
  default: {text: "\\\\boxed{42}", tokens: 8, token_delay: 0.01}
  rules:                             the first that holds decides
    - {share: 0.1, status: 500, error: "EngineCore encountered an issue."}
    - {share: 0.05, reset: 3}        RST after three tokens
    - {first: 2, hang: before_headers}
    - {every: 10, model: small, finish_reason: length}
    - {between: [4, 8], usage: missing}
    - {seconds: [0, 0.3], period: 2, status: 429, retry_after: 1}
  down: [[5, 8], [20, null]]         seconds since the start; null: for ever
  flapping: 4                        down for the second half of every 4 seconds
  paths: {/health: {status: 503}}
what a reply can be told: see tests/misbehaving/behaviour.py
other paths: GET /v1/models /health /version /metrics /books[?records][&bodies],
  POST /tokenize, POST /script (a new script as JSON)"""


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="python -m tests.fault_server",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = arguments.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0, help="0 takes a free one")
    add("--model", action="append", metavar="NAME", help="may be given more than once")
    add("--preset", choices=PRESETS, default=None, metavar="NAME", help=", ".join(PRESETS))
    add("--script", metavar="FILE|YAML", help="a script, over the preset")
    add("--default", metavar="YAML", help="what an ordinary reply is like, over the script's")
    add("--seed", type=int, default=None, help="decides which requests a share draws")
    add("--service-time", type=float, default=0.0, metavar="SECONDS")
    add("--slots", type=int, default=None, help="requests at once; the rest queue")
    add("--max-model-len", type=int, default=32768, metavar="TOKENS")
    add("--no-bodies", action="store_true", help="keep no bodies and headers, to save memory")
    add("--records", action="store_true", help="print every request at the end, too")
    return arguments


def scenario_told(options: argparse.Namespace) -> Scenario:
    """The scenario that the options describe."""
    told: dict[str, Any] = load(options.script) if options.script else {}
    told.setdefault("preset", options.preset or "healthy")
    if options.preset:
        told["preset"] = options.preset
    if options.seed is not None:
        told["seed"] = options.seed
    if options.default:
        told["default"] = {**(told.get("default") or {}), **load(options.default)}
    return scenario_of(told)


def main() -> None:
    arguments = parser()
    options = arguments.parse_args()
    try:
        scenario = scenario_told(options)
    except (ValueError, TypeError, OSError) as mistake:
        arguments.error(str(mistake))
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    allow_connections(MOST_CONNECTIONS)
    server = MisbehavingServer(
        scenario,
        models=tuple(options.model or ["small", "big"]),
        host=options.host,
        port=options.port,
        service_time=options.service_time,
        slots=options.slots,
        max_model_len=options.max_model_len,
        keep_bodies=not options.no_bodies,
    )
    with server:
        print(json.dumps({"url": server.url, "pid": os.getpid()}), flush=True)
        stop.wait()
    books = server.books.summary()
    if options.records:
        books["records"] = server.books.dump()
    json.dump(books, sys.stdout, indent=2)
    print(flush=True)


if __name__ == "__main__":
    main()
