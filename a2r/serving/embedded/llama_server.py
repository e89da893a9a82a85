"""The process that serves one model: `python -m a2r.serving.embedded.llama_server`, started by the engine.

It prints one line of JSON with its address when the model is loaded, and ends when its standard
input does or its parent is gone, so that no server outlives the process that wanted it.
"""

from __future__ import annotations

import json
import os
import select
import sys

PARENT_CHECK_SECONDS = 1.0


def main() -> None:
    """Serve the model that the JSON argument describes until the parent ends."""
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
    # llama.cpp waits for running requests when it is taken down in order; nobody wants them.
    os._exit(0)


if __name__ == "__main__":
    main()
