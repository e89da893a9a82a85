"""A stub of vLLM's server for tests of `a2r up`; STUB_… variables control its behavior.

It writes a file `PORT-ROLE-PID` to the folder STUB_PIDS for itself and each child process.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CHILD = "import time; time.sleep(1000)"


def record_pid(port: int, role: str, pid: int) -> None:
    (Path(os.environ["STUB_PIDS"]) / f"{port}-{role}-{pid}").touch()


def main() -> None:
    parser = argparse.ArgumentParser(prog="api_server.py")
    parser.add_argument("--model", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--served-model-name")
    options, _ = parser.parse_known_args()
    record_pid(options.port, "server", os.getpid())
    print(f"INFO 11-25 02:23:49 [stub.py:1] args: {sys.argv[1:]}", flush=True)
    if "STUB_DEAF" in os.environ:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "STUB_CHILDREN" in os.environ:
        for own_session in (False, True):
            child = subprocess.Popen([sys.executable, "-c", CHILD], start_new_session=own_session)
            record_pid(options.port, "child", child.pid)
    once = Path(os.environ["STUB_PIDS"]) / f"{options.port}-ran"
    if "STUB_SAY" in os.environ and ("STUB_LATER" not in os.environ or once.exists()):
        print(Path(os.environ["STUB_SAY"]).read_text(), file=sys.stderr, flush=True)
        sys.exit(1)
    once.touch()
    ThreadingHTTPServer((options.host, options.port), handler(options)).serve_forever()


def handler(options: argparse.Namespace) -> type[BaseHTTPRequestHandler]:
    name = os.environ.get("STUB_MODEL") or options.served_model_name or options.model
    key = os.environ.get("VLLM_API_KEY")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = 200, b""
            if self.path == "/health" and "STUB_ILL" in os.environ:
                status = 503
            if self.path == "/v1/models":
                body = json.dumps({"data": [{"id": name}]}).encode()
                if key and self.headers["Authorization"] != f"Bearer {key}":
                    status = 401
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


if __name__ == "__main__":
    main()
