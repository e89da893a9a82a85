"""The unmodified lm-eval with the server: a local task, and its expected score."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.fake_openai import RequestLog, ScriptedReply, boxed, fake_openai
from tests.support.serving import MODEL, hosted, written

pytestmark = pytest.mark.integration

SUMS = [(12, 30), (1, 1), (20, 22), (7, 8), (100, 1), (9, 9)]
UNANIMOUSLY_WRONG = "7 + 8"
SYNTHESIZED = ("20 + 22", "100 + 1")
TASK = {
    "task": "sums",
    "dataset_path": "json",
    "test_split": "test",
    "output_type": "generate_until",
    "doc_to_text": "What is {{terms}}?",
    "doc_to_target": "{{total}}",
    "generation_kwargs": {"until": ["\n\nQuestion:"], "do_sample": False, "max_gen_toks": 48},
    "filter_list": [
        {
            "name": "boxed",
            "filter": [
                {"function": "regex", "regex_pattern": r"boxed\{(\d+)\}"},
                {"function": "take_first"},
            ],
        }
    ],
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}


def script(body: dict[str, Any], _: int) -> ScriptedReply:
    """Reply correctly except for one sum; the synthesizer is correct if the samples differ."""
    match = re.search(r"What is (\d+) \+ (\d+)\?", body["messages"][-1]["content"])
    assert match is not None
    total, terms = int(match[1]) + int(match[2]), f"{match[1]} + {match[2]}"
    if terms == UNANIMOUSLY_WRONG:
        return boxed(str(total + 1))
    if terms in SYNTHESIZED and body["model"] == "small":
        return boxed(str(total + body["seed"] % 4))
    return boxed(str(total))


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """A folder with the task and its questions."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    questions = folder / "sums.jsonl"
    rows = ({"terms": f"{a} + {b}", "total": str(a + b)} for a, b in SUMS)
    questions.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    task = TASK | {"dataset_kwargs": {"data_files": {"test": str(questions)}}}
    (folder / "sums.yaml").write_text(yaml.safe_dump(task))
    return folder


def run_lm_eval(folder: Path, tasks: Path, url: str) -> dict[str, Any]:
    """The results file of lm-eval."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    places = {"HF_HOME": str(folder / "hf"), "XDG_CACHE_HOME": str(folder / "cache")}
    model = f"base_url={url}/chat/completions,model={MODEL},num_concurrent=4,max_retries=1"
    command = [
        *(sys.executable, "-m", "lm_eval", "run", "--model", "local-chat-completions"),
        *("--model_args", model, "--tasks", "sums", "--include_path", str(tasks)),
        *("--apply_chat_template", "--log_samples", "--output_path", str(folder / "results")),
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **offline, **places},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (path,) = (folder / "results").rglob("results_*.json")
    results: dict[str, Any] = json.loads(path.read_text())
    return results


def test_lm_eval_computes_the_expected_score(tmp_path: Path, tasks: Path) -> None:
    with fake_openai(script) as fake, hosted(written(tmp_path, fake.url)) as server:
        results = run_lm_eval(tmp_path, tasks, server.url)
        log = fake.request_log
    assert results["results"]["sums"]["exact_match,boxed"] == pytest.approx(5 / 6)
    assert results["n-samples"]["sums"] == {"original": 6, "effective": 6}
    check_calls(log)


def check_calls(log: RequestLog) -> None:
    assert len(log.calls("small")) == 4 * len(SUMS)
    assert len(log.calls("big")) == len(SYNTHESIZED)
    # The defaults of lm-eval: seed 1234, greedy decoding, the stop texts of the task.
    assert {call["seed"] for call in log.calls("small")} == {1234, 1235, 1236, 1237}
    assert {call["temperature"] for call in log.calls("big")} == {0}
    assert {call["temperature"] for call in log.calls("small")} == {0.5}
    assert {tuple(call["stop"]) for call in log.requests} == {("\n\nQuestion:",)}
