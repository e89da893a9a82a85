"""The command line as a user sees it: stdout, stderr, exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fault_server import Behavior, FaultServer
from tests.support.fake_openai import ScriptedReply, boxed, config_for, fake_openai, replies
from tests.support.preloaded_python import python
from tests.support.processes import started

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
DISAGREEING = [boxed("4"), boxed("5"), boxed("4"), boxed("6")]


def a2r(*arguments: str, interpreter: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [interpreter or python(), "-m", "a2r", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


def write_config(folder: Path, config: dict[str, Any]) -> str:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def test_only_the_answer_goes_to_stdout(tmp_path: Path) -> None:
    with fake_openai(replies(small=DISAGREEING, big=boxed("5"))) as server:
        config = write_config(tmp_path, config_for(server.url))
        completed = a2r("ask", "2+2?", "-c", config, interpreter=sys.executable)
    assert (completed.returncode, completed.stdout) == (0, "5\n")
    assert "gate decided" in completed.stderr
    assert "I think so" not in completed.stderr
    assert "2+2?" not in completed.stderr


def test_the_solution_and_the_json(tmp_path: Path) -> None:
    with fake_openai(replies(small=DISAGREEING, big=boxed("5"))) as server:
        config = write_config(tmp_path, config_for(server.url))
        solution = a2r("ask", "2+2?", "-c", config, "--show", "solution")
        full = a2r("ask", "2+2?", "-c", config, "--json", "--set", "explorer.samples=2")
    assert solution.stdout == "I think so.\n\\boxed{5}\n"
    result = json.loads(full.stdout)
    assert (result["answer"], result["method"], len(result["samples"])) == ("5", "synthesized", 2)
    assert result["config"] == "mine"


def test_the_question_from_stdin_and_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("二加二?")
    with fake_openai(replies(small=boxed("4"))) as server:
        config = write_config(tmp_path, config_for(server.url))
        piped = a2r("ask", "-", "-c", config, input="one\x00two")
        named = a2r("ask", str(tmp_path / "q.txt"), "-c", config)
        option = a2r("ask", "--file", str(tmp_path / "q.txt"), "-c", config)
    assert (piped.stdout, named.stdout, option.stdout) == ("4\n", "4\n", "4\n")
    questions = [body["messages"][0]["content"] for body in server.request_log.requests]
    assert "one\x00two" in questions[0]
    assert "二加二?" in questions[4]
    assert "二加二?" in questions[8]


def test_a_fallback_is_an_answer_with_a_warning(tmp_path: Path) -> None:
    with fake_openai(replies(small=DISAGREEING, big=ScriptedReply(status=500))) as server:
        completed = a2r("ask", "2+2?", "-c", write_config(tmp_path, config_for(server.url)))
    assert (completed.returncode, completed.stdout) == (0, "4\n")
    assert "a2r: the synthesizer gave no answer" in completed.stderr


def test_an_endpoint_that_is_down_is_one_line_and_exit_code_3(tmp_path: Path) -> None:
    config = write_config(tmp_path, config_for("http://127.0.0.1:9/v1"))
    completed = a2r("ask", "2+2?", "-c", config)
    assert (completed.returncode, completed.stdout) == (3, "")
    assert completed.stderr.count("\n") == 1
    assert "explorer" in completed.stderr
    assert "http://127.0.0.1:9/v1" in completed.stderr


def test_no_answer_is_exit_code_4_with_the_partial_result(tmp_path: Path) -> None:
    cut = ScriptedReply(text="too long", finish_reason="length")
    with fake_openai(replies(small=cut)) as server:
        config = write_config(tmp_path, config_for(server.url))
        completed = a2r("ask", "2+2?", "-c", config, "--json")
    assert completed.returncode == 4
    result = json.loads(completed.stdout)
    assert (result["answer"], result["method"]) == (None, None)
    assert {sample["status"] for sample in result["samples"]} == {"truncated"}
    assert "none of 4 samples finished" in completed.stderr


def test_texts_without_an_answer_are_exit_code_4(tmp_path: Path) -> None:
    vague = ScriptedReply(text="Who knows.")
    with fake_openai(replies(small=vague, big=vague)) as server:
        completed = a2r("ask", "2+2?", "-c", write_config(tmp_path, config_for(server.url)))
    assert (completed.returncode, completed.stdout) == (4, "")
    assert "Traceback" not in completed.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ask", ""], "the question is empty"),
        (["ask"], "give one question"),
        (["ask", "q", "--config", "locl"], "did you mean 'local'?"),
        (["ask", "q", "--config", "/no/such.yaml"], "/no/such.yaml: cannot read file"),
        (["ask", "q", "--set", "explorer.sampels=3"], "did you mean 'explorer.samples'?"),
        (["ask", "q", "--set", "explorer.samples=many"], "explorer.samples: input should be"),
        (["ask", "q", "--set", "nonsense"], "expected key=value"),
        (["ask", "q", "--set", "explorer.model=nope"], "unknown model 'nope'"),
        (["ask", "q", "--frobnicate"], "No such option"),
        (["models", "pull", "smollm"], "smollm2-135m-instruct"),
        (["graph", "nope"], "unknown graph 'nope'"),
    ],
)
def test_usage_and_config_errors_are_exit_code_2(arguments: list[str], expected: str) -> None:
    completed = a2r(*arguments)
    assert (completed.returncode, completed.stdout) == (2, "")
    assert expected in completed.stderr
    assert "Traceback" not in completed.stderr


def test_invalid_utf8_on_stdin_is_a_usage_error() -> None:
    completed = subprocess.run(
        [python(), "-m", "a2r", "ask", "-"],
        input=b"\xff\xfe",
        capture_output=True,
        check=False,
    )
    assert completed.returncode == 2
    assert b"not UTF-8" in completed.stderr


def test_an_environment_variable_overrides_the_file_and_an_argument_both(tmp_path: Path) -> None:
    environment = {**os.environ, "A2R_EXPLORER__SAMPLES": "3"}
    config = write_config(tmp_path, config_for("http://x/v1"))
    shown = a2r("config", "show", config, env=environment).stdout
    assert "explorer.samples: 3  # A2R_EXPLORER__SAMPLES" in shown
    assert f"explorer.retries: 1  # {config}" in shown
    assert "gate.quorum: 0.5  # default" in shown
    shown = a2r("config", "show", config, "--set", "explorer.samples=5", env=environment).stdout
    assert "explorer.samples: 5  # --set" in shown
    assert yaml.safe_load(shown)["explorer.samples"] == 5


def test_an_unknown_variable_is_an_error() -> None:
    completed = a2r("config", "show", "tiny", env={**os.environ, "A2R_EXPLORER__SAMPELS": "3"})
    assert completed.returncode == 2
    assert "did you mean 'A2R_EXPLORER__SAMPLES'?" in completed.stderr


def test_the_other_commands() -> None:
    assert a2r("--version").stdout.startswith("a2r 0.")
    listed = a2r("config", "list").stdout
    for name in ("local", "local-efficient", "tiny", "a2r", "a2r-efficient", "self-consistency"):
        assert f"{name} " in listed
        assert a2r("config", "show", name).returncode == 0
    assert "Apache-2.0" in a2r("models").stdout


def test_help_names_the_default_config() -> None:
    shown = a2r("ask", "--help", env={**os.environ, "COLUMNS": "200"}).stdout
    assert "(default: A2R_CONFIG, else local)" in shown


def test_the_schema_fits_a_result(tmp_path: Path) -> None:
    import jsonschema

    schema = json.loads(a2r("schema").stdout)
    assert schema["$id"] == "urn:a2r:result:1"
    with fake_openai(replies(small=DISAGREEING, big=boxed("5"))) as server:
        config = write_config(tmp_path, config_for(server.url))
        result = json.loads(a2r("ask", "2+2?", "-c", config, "--json").stdout)
    jsonschema.validate(result, schema)
    # Results that were stored before have no `agreement_samples`.
    assert set(result) - {"schema_version", "agreement_samples"} <= set(schema["required"])
    assert set(schema["properties"]) == set(result)


def test_a_graph_is_printed_and_drawn(tmp_path: Path) -> None:
    completed = a2r("graph", "a2r", cwd=tmp_path)
    assert completed.returncode == 0
    assert "gate -.-> pack" in completed.stdout
    assert "pack -.-> synthesize" in completed.stdout
    assert (tmp_path / "a2r.png").read_bytes().startswith(b"\x89PNG")
    completed = a2r("graph", "self_consistency", "--png", "vote.png", cwd=tmp_path)
    assert "synthesize" not in completed.stdout
    assert (tmp_path / "vote.png").stat().st_size > 5000


def test_json_logs_have_the_bound_context_and_no_key(tmp_path: Path) -> None:
    environment = {**os.environ, "MY_KEY": "sk-secret"}
    with fake_openai(replies(small=boxed("4"))) as server:
        config = write_config(tmp_path, config_for(server.url, explorer__api_key_env="MY_KEY"))
        completed = a2r(
            *("ask", "2+2?", "-c", config, "--log-format", "json", "--log-level", "debug"),
            env=environment,
        )
    lines = [json.loads(line) for line in completed.stderr.splitlines()]
    finished = [line for line in lines if line["event"] == "sample finished"]
    assert {line["sample"] for line in finished} == {0, 1, 2, 3}
    assert all(line["role"] == "explorer" and line["run"] for line in finished)
    assert all(line["endpoint"] == server.url for line in finished)
    assert any(line["event"] == "sample text" for line in lines)
    assert "sk-secret" not in completed.stderr
    assert server.request_log.headers[0]["Authorization"] == "Bearer sk-secret"


def test_a_terminal_shows_live_progress(tmp_path: Path) -> None:
    big = ScriptedReply(text="My own solution. \\boxed{5}")
    with fake_openai(replies(small=DISAGREEING, big=big)) as server:
        config = write_config(tmp_path, config_for(server.url))
        stdout, shown, code = _on_a_terminal("ask", "2+2?", "-c", config)
    assert (stdout, code) == ("5\n", 0)
    for expected in ("answered", "tokens/s", "2 for 4 (samples 0, 2)", "gate", "synthesize:"):
        assert expected in shown
    assert "My own solution." in shown
    assert "5 calls" in shown
    assert "[info" not in shown


def _on_a_terminal(*arguments: str) -> tuple[str, str, int]:
    """stdout on a pipe, stderr on a pseudo-terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [python(), "-m", "a2r", *arguments],
        stdout=subprocess.PIPE,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(slave)
    shown = b""
    while select.select([master], [], [], 60)[0]:
        try:
            shown += os.read(master, 65536)
        except OSError:
            break
    os.close(master)
    stdout, _ = process.communicate(timeout=60)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    return stdout.decode(), plain, process.returncode


def test_a_recovered_answer_is_in_the_display_the_result_and_the_bill(tmp_path: Path) -> None:
    def script(body: dict[str, Any], _: int) -> Behavior:
        if body["messages"][-1]["role"] == "assistant":
            return Behavior(text=" 42")
        return Behavior(text="I have added both numbers.")

    with FaultServer(script) as server:
        price = {"input": 1, "output": 1}
        changes = {"explorer__price": price, "synthesizer": None, "stop": {"lossless": False}}
        config = write_config(tmp_path, config_for(server.url, **changes))
        command = ["ask", "12+30?", "-c", config, "--set", "answers.recover=true"]
        stdout, shown, code = _on_a_terminal(*command)
        environment = {**os.environ, "A2R_ANSWERS__RECOVER": "true"}
        printed = a2r("ask", "12+30?", "-c", config, "--json", env=environment)
    assert (stdout, code) == ("42\n", 0)
    assert "42 (recovered)" in shown
    bill = re.search(r"^recovered +(.*)\r$", shown, re.MULTILINE)
    assert bill is not None
    assert bill[1].startswith("4 of 4 missing answers; of the total: 4 calls, ")
    assert bill[1].endswith("USD")
    samples = json.loads(printed.stdout)["samples"]
    assert {sample["recovery"]["status"] for sample in samples} == {"answered"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupt_closes_every_request(tmp_path: Path, number: signal.Signals) -> None:
    with fake_openai(replies(small=ScriptedReply(hang=True))) as server:
        config = write_config(tmp_path, config_for(server.url))
        process = started("-m", "a2r", "ask", "2+2?", "-c", config, interpreter=python())
        await server.request_log.until(lambda log: log.outstanding == 4)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
        await server.request_log.until(lambda log: log.outstanding == 0)
    assert (process.returncode, stdout) == (130, "")
    assert stderr.endswith("a2r: interrupted\n")
    assert "Traceback" not in stderr


def test_a_closed_pipe_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Python buffers the output of a pipe, unless this variable is set.
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with fake_openai(replies(small=boxed("4"))) as server:
        config = write_config(tmp_path, config_for(server.url))
        command = f"{sys.executable} -m a2r ask q -c {config} --json 2>err.txt | true"
        subprocess.run(command, shell=True, cwd=tmp_path, check=True, timeout=60)
    assert "Traceback" not in (tmp_path / "err.txt").read_text()
    assert "Broken" not in (tmp_path / "err.txt").read_text()


@pytest.mark.parametrize(
    ("redirect", "code", "stdout", "expected"),
    [
        ("- <&-", 2, "", "standard input is closed"),
        ("q -c nope 2>&-", 2, "", ""),
        ("q -c {config} 2>&-", 0, "4\n", ""),
        ("q -c {config} >/dev/full", 1, "", "No space left"),
        ("q -c ~nobody-here/x.yaml", 2, "", "nobody-here"),
    ],
)
def test_standard_streams_that_are_closed_or_full(
    tmp_path: Path,
    redirect: str,
    code: int,
    stdout: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with fake_openai(replies(small=boxed("4"))) as server:
        config = write_config(tmp_path, config_for(server.url))
        command = f"{sys.executable} -m a2r ask {redirect.format(config=config)}"
        completed = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60
        )
    assert (completed.returncode, completed.stdout) == (code, stdout)
    assert expected in completed.stderr
    assert "Traceback" not in completed.stderr
    assert "internal error" not in completed.stderr


def test_an_error_in_a_custom_node_names_its_location(tmp_path: Path) -> None:
    graph = (ROOT / "graphs" / "two_stage.py").read_text()
    graph = graph.replace("prepare, explore, extract", "prepare, explore, broken")
    graph = graph.replace('"extract"', '"broken"')
    graph += '\n\nasync def broken(state, runtime):\n    return {"clusters": state["nothing"]}\n'
    (tmp_path / "my_graph.py").write_text(graph)
    with fake_openai(replies(small=boxed("4"))) as server:
        config = write_config(tmp_path, config_for(server.url, graph="my_graph.py"))
        completed = a2r("ask", "2+2?", "-c", config)
    line = graph[: graph.index('state["nothing"]')].count("\n") + 1
    assert completed.returncode == 1
    assert (
        f"KeyError: 'nothing' at {tmp_path / 'my_graph.py'}:{line}, in broken" in completed.stderr
    )
    assert "Traceback" not in completed.stderr


def test_escape_sequences_of_a_server_do_not_reach_the_terminal(tmp_path: Path) -> None:
    hostile = ScriptedReply(status=400, error="\x1b]0;owned\x07\x1b[31mred")
    with fake_openai(replies(small=hostile)) as server:
        config = write_config(tmp_path, config_for(server.url))
        completed = a2r("ask", "q", "-c", config, "--log-level", "error")
    assert completed.returncode == 4
    assert "\x1b" not in completed.stderr
    assert "red" in completed.stderr
    with fake_openai(replies(small=ScriptedReply(text="\\boxed{4\x1b[31m}"))) as server:
        config = write_config(tmp_path, config_for(server.url))
        completed = a2r("ask", "q", "-c", config, "--show", "solution")
    assert "\x1b" not in completed.stdout
