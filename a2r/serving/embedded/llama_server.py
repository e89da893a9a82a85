"""The process that serves one model of the embedded engine.

The engine runs `python -m a2r.serving.embedded.llama_server SETTINGS`. The process prints its
address as one line of JSON after the model is loaded. It exits when its standard input is closed or
its parent process has exited.
"""

from __future__ import annotations

import json
import os
import select
import sys

PARENT_CHECK_SECONDS = 1.0


def main() -> None:
    """Serve the model in the JSON settings of the first argument until the parent exits."""
    import xllamacpp

    parent = os.getppid()
    settings = json.loads(sys.argv[1])
    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.model_alias = settings["alias"]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = settings["slots"]
    params.n_ctx = settings["slots"] * settings["context"]
    params.endpoint_metrics = True
    if settings["threads"] is not None:
        params.cpuparams.n_threads = settings["threads"]
    server = xllamacpp.Server(params)
    print(json.dumps({"address": server.listening_address}), flush=True)
    while os.getppid() == parent:
        ready, _, _ = select.select([sys.stdin], [], [], PARENT_CHECK_SECONDS)
        if ready and not os.read(sys.stdin.fileno(), 1):
            break
    # A regular shutdown of llama.cpp would wait for running requests, which nobody needs any more.
    os._exit(0)


if __name__ == "__main__":
    main()
