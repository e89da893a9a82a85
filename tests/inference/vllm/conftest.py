from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.inference.vllm.prepare import Prepared, prepare
from tests.inference.vllm.servers import Replica, Servers, still_running

NAME = "SmolLM2-135M-Instruct"
STARTUP_SECONDS = 120.0
SHUTDOWN_SECONDS = 30.0
# By default, every replica binds to the first core of a small machine. A cache of one
# gigabyte has room for 46 000 tokens.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
}
# On CPUs, this vLLM crashes on a seeded request whose prompt is split over steps ("CPU
# Generator does not use offset").
FLAGS = {"enforce-eager": True, "enable-chunked-prefill": False}


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Two replicas of vLLM that serve both roles, started by `a2r up` from a config."""
    folder = tmp_path_factory.mktemp("vllm")
    file, log = folder / "vllm.yaml", folder / "up.log"
    ports = _free_ports(2)
    # JSON is YAML.
    file.write_text(json.dumps(_config(prepare(), ports)), "utf-8")
    replicas = [Replica(port=port) for port in ports]
    with log.open("w") as stderr:
        up = subprocess.Popen(
            [sys.executable, "-m", "a2r", "up", str(file), "--logs", str(folder)],
            env={k: v for k, v in os.environ.items() if not k.startswith(("A2R_", "OPENAI_"))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    try:
        served = _addresses(up, lines=2 * len(replicas))
        if served != {replica.endpoint for replica in replicas}:
            pytest.fail(f"a2r up served {served}:\n{log.read_text('utf-8')[-4000:]}")
        yield Servers(file=file, replicas=replicas)
    finally:
        left = _stop(up)
    assert not left, f"a2r up left processes behind: {left}"
    assert up.returncode == 0, log.read_text("utf-8")[-4000:]


def _config(prepared: Prepared, ports: list[int]) -> dict[str, Any]:
    role = {
        "model": NAME,
        "sampling": {"temperature": 0.7, "max_tokens": 200, "seed": 0},
        "vllm": {
            "model": str(prepared.model),
            "python": str(prepared.python),
            "ports": ports,
            "max_model_len": 2048,
            "dtype": "bfloat16",
            "flags": FLAGS,
            "env": ENVIRONMENT,
            "startup": STARTUP_SECONDS,
        },
    }
    deadline = {"question": 120}
    explorer = {**role, "samples": 4}
    return {"kind": "text", "explorer": explorer, "synthesizer": role, "deadline": deadline}


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _addresses(up: subprocess.Popen[str], *, lines: int) -> set[str]:
    """The addresses that `a2r up` prints once all servers are healthy, one for each role."""
    assert up.stdout is not None
    output = [up.stdout.readline() for _ in range(lines)]
    return {word for line in output for word in line.split()[-1:]}


def _stop(up: subprocess.Popen[str]) -> list[psutil.Process]:
    """Stop `a2r up` with SIGINT; kill and return the processes that it left behind."""
    started = psutil.Process(up.pid).children(recursive=True) if up.poll() is None else []
    up.send_signal(signal.SIGINT)
    try:
        up.wait(SHUTDOWN_SECONDS)
    except subprocess.TimeoutExpired:
        up.kill()
        up.wait()
    left = still_running(started)
    for process in left:
        process.kill()
    return left
