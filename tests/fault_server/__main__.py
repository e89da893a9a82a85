"""`python -m tests.fault_server`: run one server; print its request log when it stops."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from typing import Any

from tests.fault_server.listener import allow_connections
from tests.fault_server.presets import PRESETS, load_scenario
from tests.fault_server.request_validation import APIS
from tests.fault_server.scenario import Scenario, load_mapping
from tests.fault_server.server import FaultServer

MAX_CONNECTIONS = 65536
DESCRIPTION = """\
Serve OpenAI's and vLLM's HTTP API, inject scripted faults, and log all requests.
Prints {"url": …, "pid": …} as a line of JSON when it is listening, and a summary of its request
log as JSON when it is stopped with SIGINT or SIGTERM."""

EPILOG = """\
script, YAML or JSON, from a file or inline (all keys are optional):
  preset: flaky                      the base of the script
  seed: 1
  default: {text: "\\\\boxed{42}", tokens: 8, token_delay: 0.01}
  rules:                             the first matching rule applies
    - {share: 0.1, status: 500, error: "EngineCore encountered an issue."}
    - {share: 0.05, reset: 3}        RST after three tokens
    - {first: 2, hang: before_headers}
    - {every: 10, model: small, finish_reason: length}
    - {between: [4, 8], usage: missing}
    - {seconds: [0, 0.3], period: 2, status: 429, retry_after: 1}
  down: [[5, 8], [20, null]]         seconds since the start; null: forever
  flapping: 4                        down for the second half of every 4 seconds
  paths: {/health: {status: 503}}
keys of a behavior: see tests/fault_server/behavior.py
other paths: GET /v1/models /health /version /metrics /requests[?records][&bodies],
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
    add("--port", type=int, default=0, help="0: any free port")
    add("--model", action="append", metavar="NAME", help="a served model; repeatable")
    add("--preset", choices=PRESETS, default=None, metavar="NAME", help=", ".join(PRESETS))
    add("--script", metavar="FILE|YAML", help="a script that overrides the preset")
    add("--default", metavar="YAML", help="the default behavior; overrides the script's")
    add("--seed", type=int, default=None, help="random seed of the rules with a share")
    add("--service-time", type=float, default=0.0, metavar="SECONDS")
    add(
        "--slots",
        type=int,
        default=None,
        help="maximum number of concurrent requests; the rest queue",
    )
    add("--max-model-len", type=int, default=32768, metavar="TOKENS")
    add("--api", choices=APIS, default="vllm", help="whose routes and request fields it knows")
    add("--no-bodies", action="store_true", help="do not store bodies and headers, to save memory")
    add("--records", action="store_true", help="print every request at the end")
    return arguments


def scenario_from_options(options: argparse.Namespace) -> Scenario:
    """Return the scenario of the command line options."""
    mapping: dict[str, Any] = load_mapping(options.script) if options.script else {}
    mapping.setdefault("preset", options.preset or "healthy")
    if options.preset:
        mapping["preset"] = options.preset
    if options.seed is not None:
        mapping["seed"] = options.seed
    if options.default:
        mapping["default"] = {**(mapping.get("default") or {}), **load_mapping(options.default)}
    return load_scenario(mapping)


def main() -> None:
    arguments = parser()
    options = arguments.parse_args()
    try:
        scenario = scenario_from_options(options)
    except (ValueError, TypeError, OSError) as error:
        arguments.error(str(error))
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    allow_connections(MAX_CONNECTIONS)
    server = FaultServer(
        scenario,
        models=tuple(options.model or ["small", "big"]),
        host=options.host,
        port=options.port,
        service_time=options.service_time,
        slots=options.slots,
        max_model_len=options.max_model_len,
        keep_bodies=not options.no_bodies,
        api=options.api,
    )
    with server:
        print(json.dumps({"url": server.url, "pid": os.getpid()}), flush=True)
        stop.wait()
    log = server.request_log.summary()
    if options.records:
        log["records"] = server.request_log.request_records()
    json.dump(log, sys.stdout, indent=2)
    print(flush=True)


if __name__ == "__main__":
    main()
