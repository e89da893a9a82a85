"""The commands and programs of docs/server.md run as written, except for the port."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest

from a2r.interfaces.http.model_registry import ModelRegistry
from a2r.interfaces.http.settings import Override
from a2r.interfaces.openai_server.metrics import Metrics
from a2r.interfaces.openai_server.request_models import (
    OPTION_HEADERS,
    A2ROptions,
    ChatCompletionRequest,
)
from a2r.interfaces.openai_server.request_queue import ConcurrencyLimiter
from tests.support.fake_openai import FakeOpenAI, ScriptedReply, boxed, config_for
from tests.support.preloaded_python import python, search_path

pytestmark = pytest.mark.integration

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "server.md").read_text()
PORT = "8000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


CONSOLE = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]


def script(body: dict[str, Any], _: int) -> ScriptedReply:
    return boxed("42")


@contextmanager
def serving(command: str, folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run the server of a command of the page on a free port; yield the port."""
    command = command.replace(f" --port {PORT}", "") + " --port 0 --log-format json"
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            event = json.loads(line)
            if event["event"] == "serving":
                break
        yield event["url"].rpartition(":")[2].removesuffix("/v1")
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_the_commands_and_programs_run(tmp_path: Path) -> None:
    serve, new_key, serve_with_keys = CONSOLE
    [program], [curl] = blocks("python"), blocks("bash")
    with FakeOpenAI(script, models=("small", "big", "qwen2.5-coder-1.5b-instruct")) as upstream:
        environment = {
            **os.environ,
            "A2R_EXPLORER__ENDPOINTS": json.dumps([upstream.url]),
            "A2R_STOP__LOSSLESS": "false",
            "A2R_SYNTHESIZER__ENDPOINTS": json.dumps([upstream.url]),
            "PATH": search_path(os.environ["PATH"]),
        }

        def run(*command: str) -> str:
            completed = subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert completed.returncode == 0, (command, completed.stderr)
            return completed.stdout

        with serving(serve, tmp_path, environment) as port:
            output = run(python(), "-c", program.replace(PORT, port))
            assert "unanimous 42" in output
            assert "sample 4 of 4 done" in output
            assert "gate: synthesize" in output
            reply = json.loads(run("bash", "-c", curl.replace(PORT, port)))
            assert reply["a2r"][0]["answer"] == "42"
        key = run("bash", "-c", new_key).strip()
        with serving(serve_with_keys, tmp_path, environment) as port:
            refused = json.loads(run("bash", "-c", curl.replace(PORT, port)))
            assert refused["error"]["type"] == "invalid_request_error"
            with_key = curl.replace(PORT, port).rstrip() + f" -H 'Authorization: Bearer {key}'"
            assert json.loads(run("bash", "-c", with_key))["choices"]


def test_every_field_option_and_metric_is_documented() -> None:
    missing = {name for name in ChatCompletionRequest.model_fields if f"`{name}`" not in PAGE}
    assert not missing
    assert set(get_args(Override)) == set(A2ROptions.model_fields) == set(OPTION_HEADERS)
    for name, header in OPTION_HEADERS.items():
        assert f"`{name}`" in PAGE
        assert f"`{header}`" in PAGE.lower()
    registry = ModelRegistry.from_configs([config_for("http://127.0.0.1:9/v1")])
    registry.workflow("custom")
    metrics = Metrics(registry, ConcurrencyLimiter(capacity=1, queue=1)).registry.collect()
    for metric in metrics:
        suffix = "_total" if metric.type == "counter" else ""
        assert f"`{metric.name}{suffix}`" in PAGE
