"""`a2r serve` in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

MODEL = "load"


@contextmanager
def server(config: Mapping[str, Any]) -> Iterator[tuple[str, psutil.Process]]:
    """Serve a config as the model `load`; yield the URL and the process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{MODEL}.yaml"
        path.write_text(json.dumps(config))
        command = [sys.executable, "-m", "a2r", "serve", "--config", str(path), "--port", "0"]
        process = subprocess.Popen(
            [*command, "--log-format", "json"], stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        try:
            url = json.loads(process.stderr.readline())["url"]
            # The pipe has to be drained: a full one would block the server.
            reader = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
            yield url, psutil.Process(process.pid)
            process.terminate()
            process.wait()
            reader.wait()
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
