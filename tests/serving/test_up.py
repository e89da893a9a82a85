"""`a2r up` as a process, with a stub of vLLM: see `stub_vllm`."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from a2r.serving.vllm import process_guard as guard
from tests.support.preloaded_python import python
from tests.support.up import SECONDS, Setup, Up, eventually, runs

pytestmark = pytest.mark.integration

OUT_OF_MEMORY = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 350.00 MiB."
GENERIC = "RuntimeError: Engine core initialization failed. See root cause above."


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path)
    yield made
    made.kill_remaining()


@pytest.fixture
def up(setup: Setup) -> Iterator[Callable[..., Up]]:
    running: list[Up] = []

    def start(path: Path, *arguments: str, **variables: str) -> Up:
        running.append(Up(setup, path, *arguments, **variables))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
        each.exit_code()


def test_addresses_are_printed_when_all_are_healthy_and_ctrl_c_stops_all(
    setup: Setup, up: Callable[..., Up]
) -> None:
    running = up(setup.config(STUB_CHILDREN="1"))
    running.until("Ctrl-C to stop")
    small, big = setup.ports
    eventually(lambda: len(running.stdout) == 2)
    assert running.stdout == [
        f"explorer     small  http://127.0.0.1:{small}/v1",
        f"synthesizer  big    http://127.0.0.1:{big}/v1",
    ]
    starts = [
        line for line in running.stderr if "server starting" in line or "server healthy" in line
    ]
    assert ["healthy" in line for line in starts] == [False, True, False, True]
    assert len(setup.processes()) == 6
    assert not setup.is_clean()
    running.process.send_signal(signal.SIGINT)
    assert running.exit_code() == 0
    assert setup.is_clean()
    command, message = setup.log("synthesizer").splitlines()[1:3]
    assert f"-m vllm.entrypoints.openai.api_server --model big --port {big}" in command
    assert "args:" in message


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_shut_down_cleanly(
    setup: Setup, up: Callable[..., Up], number: signal.Signals
) -> None:
    running = up(setup.config())
    running.until("Ctrl-C to stop")
    running.process.send_signal(number)
    assert running.exit_code() == 0
    assert setup.is_clean()


def test_kill_9_leaves_no_process(setup: Setup, up: Callable[..., Up]) -> None:
    running = up(setup.config(STUB_CHILDREN="1"), interpreter=sys.executable)
    running.until("Ctrl-C to stop")
    running.process.kill()
    running.exit_code()
    eventually(setup.is_clean)


def test_kill_9_of_a_guard_restarts_its_server(setup: Setup, up: Callable[..., Up]) -> None:
    running = up(setup.config(STUB_CHILDREN="1"))
    running.until("Ctrl-C to stop")
    [first] = setup.processes(f"{setup.ports[0]}-server")
    parent = psutil.Process(first).parent()
    assert parent is not None
    group = [p for p in parent.children(recursive=True) if os.getpgid(p.pid) == parent.pid]
    assert len(group) == 2
    parent.kill()
    assert psutil.wait_procs(group, SECONDS)[1] == []
    running.until("server healthy")
    assert len(setup.processes(f"{setup.ports[0]}-server")) == 2
    running.process.send_signal(signal.SIGINT)
    assert running.exit_code() == 0


def test_a_guard_passes_on_the_exit_code_of_its_server() -> None:
    for command, code in (
        ([sys.executable, "-c", "raise SystemExit(7)"], 7),
        ([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], 137),
        (["/no/such/program"], 127),
    ):
        process = subprocess.Popen(
            [sys.executable, "-I", guard.__file__, "5", *command],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.wait(SECONDS) == code
        assert process.stdin is not None
        process.stdin.close()


def test_ctrl_c_before_all_are_healthy_is_exit_code_130(
    setup: Setup, up: Callable[..., Up]
) -> None:
    running = up(setup.config(STUB_ILL="1", STUB_CHILDREN="1"))
    running.until("server starting")
    eventually(lambda: len(setup.processes()) == 3)
    running.process.send_signal(signal.SIGINT)
    assert running.exit_code() == 130
    assert running.stdout == []
    assert running.stderr[-1] == "a2r: interrupted"
    assert setup.is_clean()


def test_a_second_ctrl_c_kills_unresponsive_servers(setup: Setup, up: Callable[..., Up]) -> None:
    running = up(setup.config(STUB_DEAF="1", STUB_CHILDREN="1"))
    running.until("Ctrl-C to stop")
    running.process.send_signal(signal.SIGINT)
    running.until("stopping servers")
    started = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    assert running.exit_code() == 130
    assert time.monotonic() - started < 10
    assert setup.is_clean()


def test_a_server_that_exits_is_restarted(setup: Setup, up: Callable[..., Up]) -> None:
    running = up(setup.config(STUB_CHILDREN="1"))
    running.until("Ctrl-C to stop")
    [first] = setup.processes(f"{setup.ports[0]}-server")
    children = [pid for pid in setup.processes(str(setup.ports[0])) if pid != first]
    os.kill(first, signal.SIGKILL)
    running.until("server healthy")
    assert not any(map(runs, [first, *children]))
    died = next(line for line in running.stderr if "server died" in line)
    assert "was killed by SIGKILL" in died
    assert "restart 1 of 3" in died
    assert "a2r up: restart 1 of 3" in setup.log("explorer")
    running.process.send_signal(signal.SIGINT)
    assert running.exit_code() == 0
    assert setup.is_clean()


def test_restarts_are_bounded(setup: Setup, up: Callable[..., Up]) -> None:
    say = setup.folder / "say"
    say.write_text(f"{OUT_OF_MEMORY}\n{GENERIC}")
    path = setup.config(explorer={"restarts": 1}, STUB_SAY=str(say), STUB_LATER="1")
    running = up(path)
    running.until("Ctrl-C to stop")
    os.kill(setup.processes(str(setup.ports[0]))[0], signal.SIGKILL)
    assert running.exit_code() == 3
    last = running.stderr[-1]
    assert "exited with code 1 before it was healthy: torch.OutOfMemoryError: CUDA" in last
    assert "after 1 restarts" in last
    assert GENERIC not in last
    assert setup.is_clean()


def test_a_server_that_was_never_healthy_is_not_restarted(
    setup: Setup, up: Callable[..., Up]
) -> None:
    say = setup.folder / "say"
    say.write_text(f"{OUT_OF_MEMORY}\n{GENERIC}")
    running = up(setup.config(STUB_SAY=str(say)))
    assert running.exit_code() == 3
    assert running.stdout == []
    small = setup.ports[0]
    assert running.stderr[-1] == (
        f"a2r: explorer (small, port {small}) exited with code 1 before it was healthy: "
        f"{OUT_OF_MEMORY} [log: {setup.logs}/explorer-{small}.log]"
    )
    assert sum("server starting" in line for line in running.stderr) == 1
    assert not (setup.logs / f"synthesizer-{setup.ports[1]}.log").exists()


def test_a_failing_server_stops_the_earlier_ones(setup: Setup, up: Callable[..., Up]) -> None:
    say = setup.folder / "say"
    say.write_text("OSError: big is not a local folder and is not a valid model identifier")
    path = setup.config(STUB_CHILDREN="1")
    config = yaml.safe_load(path.read_text())
    config["synthesizer"]["vllm"]["env"]["STUB_SAY"] = str(say)
    path.write_text(yaml.safe_dump(config))
    running = up(path)
    assert running.exit_code() == 3
    assert "OSError: big is not a local folder" in running.stderr[-1]
    assert (
        "the model was found neither as a folder, nor in the cache, nor on the hub"
        in running.stderr[-1]
    )
    assert setup.is_clean()


def test_a_startup_timeout(setup: Setup, up: Callable[..., Up]) -> None:
    running = up(setup.config(explorer={"startup": 1}, STUB_ILL="1"))
    assert running.exit_code() == 3
    assert "was not healthy within 1 s: last log line: args:" in running.stderr[-1]
    assert setup.is_clean()


def test_a_port_in_use_is_reported_before_anything_starts(
    setup: Setup, up: Callable[..., Up]
) -> None:
    path = setup.config()
    with socket.create_server(("127.0.0.1", setup.ports[1])):
        running = up(path)
        assert running.exit_code() == 3
    assert f"synthesizer (big, port {setup.ports[1]}): port" in running.stderr[-1]
    assert "port in use" in running.stderr[-1]
    assert "synthesizer.vllm.port" in running.stderr[-1]
    assert setup.processes() == []


@pytest.mark.parametrize(
    ("explorer", "message"),
    [
        ({"python": "/no/such/python"}, "explorer.vllm.python: /no/such/python is not executable"),
        ({"model": "small", "python": "no-such-python"}, "no-such-python is not executable"),
        ({"api_key_env": "NOT_SET_AT_ALL"}, "names NOT_SET_AT_ALL, which is not set"),
    ],
)
def test_a_missing_program_or_model_is_a_config_error(
    setup: Setup, up: Callable[..., Up], explorer: dict[str, Any], message: str
) -> None:
    running = up(setup.config(explorer=explorer))
    assert running.exit_code() == 2
    assert message in running.stderr[-1]
    assert setup.processes() == []


def test_a_missing_folder_is_a_config_error(setup: Setup, up: Callable[..., Up]) -> None:
    running = up(setup.config(), "--set", "explorer.vllm.model=./nowhere")
    assert running.exit_code() == 2
    assert f"explorer.vllm: the model {setup.folder}/nowhere does not exist" in running.stderr[-1]


def test_an_interpreter_without_vllm_is_reported(setup: Setup, up: Callable[..., Up]) -> None:
    running = up(setup.config(), "--set", "explorer.vllm.env.PYTHONPATH=/nowhere")
    assert running.exit_code() == 3
    assert "No module named 'vllm'" in running.stderr[-1]
    assert "vllm.python" in running.stderr[-1]


def test_a_key_reaches_the_server_and_nothing_else(setup: Setup, up: Callable[..., Up]) -> None:
    path = setup.config(explorer={"api_key_env": "MY_KEY"})
    running = up(path, MY_KEY="sk-very-secret")
    running.until("Ctrl-C to stop")
    arguments = [psutil.Process(pid).cmdline() for pid in setup.processes()]
    guards = [psutil.Process(pid).parent() for pid in setup.processes()]
    assert "secret" not in repr([arguments, [each.cmdline() for each in guards if each]])
    running.process.send_signal(signal.SIGTERM)
    assert running.exit_code() == 0
    output = [*running.stdout, *running.stderr, setup.log("explorer")]
    assert "secret" not in "".join(output)
    assert 'VLLM_API_KEY="$MY_KEY"' in setup.log("explorer")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"VLLM_API_KEY": "k"}, "set explorer.api_key_env=VLLM_API_KEY"),
        ({"STUB_MODEL": "another"}, "lists another instead"),
    ],
)
def test_a_server_with_another_model(
    setup: Setup, up: Callable[..., Up], variables: dict[str, str], message: str
) -> None:
    running = up(setup.config(), **variables)
    assert running.exit_code() == 3
    assert message in running.stderr[-1]
    assert setup.is_clean()


def test_a_log_folder_that_cannot_be_written(setup: Setup, up: Callable[..., Up]) -> None:
    setup.logs.write_text("a file")
    running = up(setup.config())
    assert running.exit_code() == 3
    assert str(setup.logs) in running.stderr[-1]
    assert setup.processes() == []


def test_logs_as_json(setup: Setup, up: Callable[..., Up]) -> None:
    running = up(setup.config(), "--log-format", "json")
    running.until("Ctrl-C to stop")
    running.process.send_signal(signal.SIGINT)
    assert running.exit_code() == 0
    events = [json.loads(line) for line in running.stderr]
    assert events[0]["event"] == "server starting"
    assert events[0]["server"] == "explorer"


def test_a_terminal_shows_the_startup(setup: Setup) -> None:
    ours, theirs = pty.openpty()
    path = setup.config()
    process = subprocess.Popen(
        [python(), "-m", "a2r", "up", str(path), "--logs", str(setup.logs)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**os.environ, "COLUMNS": "120"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.close(theirs)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGINT)
    assert process.wait(SECONDS) == 0
    process.stdout.close()
    seen = b""
    while select.select([ours], [], [], 1)[0]:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    screen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    assert "big" in lines[1]
    for word in ("last log line", "explorer", "synthesizer", "waiting", "healthy", "args:"):
        assert word in screen


def test_dry_run_and_compose_start_nothing(setup: Setup, up: Callable[..., Up]) -> None:
    path = setup.config()
    dry = up(path, "--dry-run")
    assert dry.exit_code() == 0
    assert dry.stdout[0] == (
        f"# explorer (small, port {setup.ports[0]}): http://127.0.0.1:{setup.ports[0]}/v1"
    )
    assert f"--model big --port {setup.ports[1]} --host 127.0.0.1" in dry.stdout[3]
    composed = up(path, "--emit", "compose")
    assert composed.exit_code() == 0
    services = yaml.safe_load("\n".join(composed.stdout))["services"]
    assert list(services) == ["explorer", "synthesizer"]
    assert setup.processes() == []
    assert not setup.logs.exists()


def test_the_embedded_engine_needs_no_server(setup: Setup, up: Callable[..., Up]) -> None:
    path = setup.folder / "local.yaml"
    path.write_text("explorer: {model: m, endpoints: [embedded]}")
    running = up(path)
    assert (running.exit_code(), running.stdout) == (0, [])
    assert "nothing to start" in running.stderr[-1]


def test_a_missing_section_and_unmatched_endpoints(setup: Setup, up: Callable[..., Up]) -> None:
    without = up(setup.config(), "--set", "explorer.vllm=null", "--set", "synthesizer=null")
    assert without.exit_code() == 2
    stray = up(setup.config(), "--set", "explorer.endpoints=[http://elsewhere/v1]")
    stray.until("Ctrl-C to stop")
    stray.process.send_signal(signal.SIGINT)
    assert stray.exit_code() == 0
    assert any("is not in explorer.endpoints" in line for line in stray.stderr)
