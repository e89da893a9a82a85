"""`a2r batch` as a command: outputs, exit codes, signals and errors."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fault_server import Behavior, FaultServer
from tests.support.preloaded_python import python

pytestmark = pytest.mark.integration

SAMPLES = 4


def write(folder: Path, url: str, count: int) -> list[str]:
    """The arguments of a batch over questions and a config that are written to a folder."""
    rows = [{"question": f"number {n}?", "gold": "5"} for n in range(count)]
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    role = {"model": "small", "endpoints": [url], "samples": SAMPLES, "concurrency": 8}
    config = {"kind": "math", "explorer": role, "stop": {"lossless": False}}
    (folder / "mine.yaml").write_text(json.dumps(config))
    files = [str(folder / name) for name in ("questions.jsonl", "mine.yaml", "bank")]
    return ["batch", files[0], "--config", files[1], "--out", files[2]]


def run(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python(), "-m", "a2r", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def counts(completed: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(completed.stdout)
    return document


def answering(text: str = "So it is \\boxed{5}", **values: Any) -> Behavior:
    return Behavior(text=text, tokens=4, **values)


def test_the_counts_as_a_table_and_as_json(tmp_path: Path) -> None:
    with FaultServer(answering()) as server:
        arguments = write(tmp_path, server.url, 7)
        table = run(*arguments)
        document = run(*arguments, "--json")
        log = server.request_log
        assert table.returncode == document.returncode == 0, table.stderr
        assert "questions          7" in table.stdout
        assert "correct            7 of 7 (100.0%)" in table.stdout
        assert counts(document)["usage"]["calls"] == log.arrived == 7 * SAMPLES
        assert counts(document)["usage"]["completion_tokens"] == log.generated
        assert (counts(document)["correct"], counts(document)["asked"]) == (7, 0)


def test_questions_from_standard_input(tmp_path: Path) -> None:
    with FaultServer(answering()) as server:
        arguments = write(tmp_path, server.url, 0)
        arguments[1] = "-"
        completed = run(*arguments, "--json", stdin='{"question": "a?"}\n"b?"\n')
    assert completed.returncode == 0, completed.stderr
    assert counts(completed)["statuses"] == {"answered": 2}


def test_a_question_without_an_answer_is_exit_code_4(tmp_path: Path) -> None:
    with FaultServer(answering("I do not know.")) as server:
        completed = run(*write(tmp_path, server.url, 2), "--json")
    assert completed.returncode == 4, completed.stderr
    assert counts(completed)["statuses"] == {"unanswered": 2}


def test_an_exhausted_budget_is_exit_code_4(tmp_path: Path) -> None:
    with FaultServer(answering()) as server:
        arguments = write(tmp_path, server.url, 500)
        completed = run(*arguments, "--json", "--budget", "tokens=2000")
    assert completed.returncode == 4
    assert "a2r: budget.session.tokens is exhausted" in completed.stderr
    assert 0 < counts(completed)["questions"] < 500


def test_an_unreachable_endpoint_is_exit_code_3(tmp_path: Path) -> None:
    arguments = write(tmp_path, "http://127.0.0.1:9/v1", 3)
    completed = run(*arguments, "--endpoint-wait", "0", "--set", "explorer.retries=0")
    assert completed.returncode == 3, completed.stderr
    assert "a2r: explorer: no endpoint can be reached" in completed.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--budget", "tokens"], "expected one of tokens=N"),
        (["--budget", "money=3"], "expected one of tokens=N"),
        (["--budget", "cost=much"], "budget.session.cost"),
        (["--map", "quest=q"], "unknown field 'quest'"),
        (["--format", "xml"], "use one of jsonl, csv, tsv, parquet"),
        (["--out", "/dev/null/bank"], "cannot be written"),
        (["--config", "none"], "none"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_2(
    tmp_path: Path, options: list[str], message: str
) -> None:
    completed = run(*write(tmp_path, "http://127.0.0.1:9/v1", 3), *options)
    assert completed.returncode == 2
    (line,) = completed.stderr.splitlines()
    assert line.startswith("a2r: ")
    assert message in line


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    arguments = write(tmp_path, "http://127.0.0.1:9/v1", 3)
    arguments[1] += "x"
    completed = run(*arguments, "--format", "jsonl")
    assert completed.returncode == 2
    assert "questions.jsonlx: cannot be read: No such file or directory" in completed.stderr


def test_a_missing_package_is_named_before_anything_is_asked(tmp_path: Path) -> None:
    with FaultServer(answering()) as server:
        arguments = write(tmp_path, server.url, 3)
        program = "import sys; sys.modules['zstandard'] = None; from a2r.cli import main; main()"
        completed = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert server.request_log.arrived == 0
    assert completed.returncode == 2
    assert completed.stderr == (
        "a2r: zstandard is not installed: pip install 'a2r-reasoning[batch]'\n"
    )


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with FaultServer(answering(first_token_delay=30.0)) as server:
        arguments = write(tmp_path, server.url, 3)
        first = subprocess.Popen([sys.executable, "-m", "a2r", *arguments])
        try:
            server.request_log.wait(lambda log: log.arrived > 0)
            second = run(*arguments)
        finally:
            first.kill()
            first.wait()
    assert second.returncode == 2
    assert f"process {first.pid}" in second.stderr


def start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "a2r", *arguments, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_finishes_what_runs(tmp_path: Path) -> None:
    with FaultServer(answering(first_token_delay=0.5)) as server:
        arguments = [*write(tmp_path, server.url, 50), "--max-in-flight", "2"]
        process = start(arguments)
        server.request_log.wait(lambda log: log.arrived >= 2 * SAMPLES)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
        assert process.returncode == 130, errors
        stored = json.loads(output)["questions"]
        assert 2 <= stored < 50
        assert server.request_log.arrived == stored * SAMPLES
        assert server.request_log.cancelled == 0
        assert "finishing 2 running questions" in errors
        assert "Traceback" not in errors


@pytest.mark.parametrize("signals", [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM]])
def test_a_second_ctrl_c_stops_at_once_and_the_rest_continues(
    tmp_path: Path, signals: list[signal.Signals]
) -> None:
    with FaultServer(answering(first_token_delay=60.0)) as server:
        arguments = [*write(tmp_path, server.url, 4), "--max-in-flight", "2"]
        process = start(arguments)
        server.request_log.wait(lambda log: log.arrived >= 2 * SAMPLES)
        assert process.stderr is not None
        for number, sent in enumerate(signals):
            process.send_signal(sent)
            if number + 1 < len(signals):
                while "finishing" not in process.stderr.readline():
                    pass
        _, errors = process.communicate()
        assert process.returncode == 130, errors
        assert "Traceback" not in errors
        server.request_log.wait(lambda log: log.outstanding == 0)
        assert server.request_log.cancelled == 2 * SAMPLES
        cancelled = server.request_log.arrived
    with FaultServer(answering()) as server:
        write(tmp_path, server.url, 4)
        completed = run(*arguments, "--json")
    assert completed.returncode == 0, completed.stderr
    assert counts(completed)["usage"]["calls"] == 4 * SAMPLES + cancelled
