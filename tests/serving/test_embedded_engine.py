"""The embedded engine with a real small model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from a2r import A2R, Result
from a2r.errors import EngineError, NoAnswerError
from a2r.inference.types import Request
from a2r.serving.embedded import Engine, ModelStore
from a2r.serving.embedded.model_store import default_model_folder
from a2r.workflow.answer_recovery import CUE
from a2r.workflow.graph_loader import graph_names
from tests.support.preloaded_python import python
from tests.support.processes import started

pytestmark = [pytest.mark.engine, pytest.mark.integration]

SMALL = {"explorer.samples": 2, "explorer.sampling.max_tokens": 24}


def ask(solver: A2R, question: str) -> Result:
    """The result, also of a run in which all replies of the small model are truncated."""
    try:
        return solver.ask(question)
    except NoAnswerError as error:
        return error.result


def engine_servers(process: psutil.Process) -> list[psutil.Process]:
    return [
        child
        for child in process.children()
        if "a2r.serving.embedded.llama_server" in child.cmdline()
    ]


def test_a_question_runs_on_one_server_for_both_roles_and_leaves_none_behind() -> None:
    current = psutil.Process()
    overrides = {**SMALL, "gate.rule": "always", "synthesizer.sampling.max_tokens": 24}
    with A2R("tiny", overrides=overrides) as solver:
        result = ask(solver, "What is 3+4?")
        [server] = engine_servers(current)
        assert [s.usage.completion_tokens for s in result.samples] != [None, None]
        assert all((s.usage.prompt_tokens or 0) > 10 for s in result.samples)
        assert {s.endpoint for s in result.samples} == {"embedded"}
    assert not server.is_running()


async def test_a_server_that_exited_is_restarted() -> None:
    with A2R("tiny", overrides=SMALL) as solver:
        models = solver.workflow.models
        request = Request(
            role="explorer",
            messages=[{"role": "user", "content": "Say hello."}],
            seed=0,
            timeout=120,
        )
        first = await models.complete(request)
        [server] = engine_servers(psutil.Process())
        server.kill()
        server.wait()
        second = await models.complete(request)
    assert (first.error, second.error) == (None, None)
    assert first.text == second.text


def test_an_invalid_model_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF but not really")
    engine = Engine(A2R("tiny").config.config.engine, ModelStore(folder=default_model_folder()))
    with pytest.raises(EngineError, match=r"could not load bad\.gguf"):
        asyncio.run(engine.base_url(str(tmp_path / "bad.gguf")))
    assert engine_servers(psutil.Process()) == []


@pytest.mark.parametrize("stream", [True, False])
def test_a_missing_answer_is_recovered_by_continuing_the_text(stream: bool) -> None:
    overrides = {
        **SMALL,
        "explorer.samples": 1,
        "kind": "math",
        "graph": "self_consistency",
        "explorer.stream": stream,
        "explorer.sampling.temperature": 0,
        "prompts.explorer.math": "{question}",
        "answers.recover": True,
    }
    with A2R("tiny", overrides=overrides) as solver:
        result = solver.ask("Say that you can count.")
        assert solver.usage == result.usage
    [sample] = result.samples
    assert sample.recovery is not None
    assert (sample.status, sample.recovery.status) == ("answered", "answered")
    assert result.answer == sample.answer
    # One request and one for the answer; a broken connection of the engine costs another one.
    assert result.usage.total.calls == sample.usage.calls >= 2
    # llama.cpp repeats the continued text without streaming; the sample has it once.
    text, cue, continued = sample.text.partition(CUE)
    assert (text, cue) == ("I can count.", CUE)
    assert continued.strip() == sample.recovery.text
    assert (sample.answer or "none") in continued
    whole, further = sample.usage, sample.recovery.usage
    assert 0 < (further.completion_tokens or 0) < (whole.completion_tokens or 0)
    assert (further.prompt_tokens or 0) * 2 > (whole.prompt_tokens or 0)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_server_outlives_its_parent(how: signal.Signals) -> None:
    code = (
        "from a2r import A2R; import asyncio, sys, time\n"
        "a = A2R('tiny'); asyncio.run(a.warm_up()); print('ready', flush=True); time.sleep(600)"
    )
    parent = started("-c", code)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    [server] = engine_servers(psutil.Process(parent.pid))
    parent.send_signal(how)
    parent.communicate(timeout=30)
    server.wait(timeout=30)


def test_the_command_line_end_to_end() -> None:
    command = [sys.executable, "-m", "a2r", "ask", "What is 3+4?", "--config", "tiny", "--json"]
    completed = subprocess.run(
        [*command, "--set", "explorer.sampling.max_tokens=48", "--set", "kind=text"],
        capture_output=True,
        text=True,
        env={**os.environ},
        check=False,
        timeout=240,
    )
    result = json.loads(completed.stdout)
    assert completed.returncode in (0, 4)
    assert len(result["samples"]) == 4
    assert result["usage"]["total"]["completion_tokens"] > 4
    assert result["config"] == "tiny"


@pytest.mark.parametrize("graph", graph_names())
def test_every_graph_runs_from_the_command_line(graph: str) -> None:
    settings = {
        "graph": graph,
        "kind": "text",
        "explorer.samples": 2,
        "gate.rule": "always",
        "synthesis.rounds": "[2, 1]" if graph == "rounds" else "[1]",
        "synthesizer.sampling.max_tokens": 48,
    }
    assignments = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = ("ask", "Say hello.", "-c", "tiny", "--json", *assignments)
    completed = subprocess.run(
        [python(), "-m", "a2r", *command], capture_output=True, text=True, check=False
    )
    result = Result.model_validate_json(completed.stdout)
    assert completed.returncode in (0, 4), completed.stderr
    assert len(result.samples) == {"cascade": 4, "single": 1}.get(graph, 2)
    finished = any(sample.finished for sample in result.samples)
    synthesizes = finished and graph not in ("self_consistency", "single")
    made = {"rounds": [0, 0, 1]}.get(graph, [0]) if synthesizes else []
    assert [attempt.round for attempt in result.synthesis] == made
    assert all(attempt.error is None for attempt in (*result.samples, *result.synthesis))
