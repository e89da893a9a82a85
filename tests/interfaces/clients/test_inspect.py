"""Inspect with the server: a task of three samples, and its score."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import Setup, Start, import_client
from tests.support.fake_openai import ScriptedReply, boxed
from tests.support.serving import MODEL

inspect_ai = import_client("inspect_ai")
dataset = import_client("inspect_ai.dataset")
scorer = import_client("inspect_ai.scorer")
pytestmark = [pytest.mark.integration, pytest.mark.clients]
SUMS = [(12, 30), (20, 22), (7, 8)]
UNANIMOUSLY_WRONG, SYNTHESIZED = (7, 8), (20, 22)


def script(body: dict[str, Any], _: int) -> ScriptedReply:
    """One sum is wrong in all samples, one only in some: the synthesizer is right about it."""
    match = re.search(r"What is (\d+) \+ (\d+)\?", body["messages"][-1]["content"])
    assert match is not None
    terms = (int(match[1]), int(match[2]))
    if terms == UNANIMOUSLY_WRONG:
        return boxed("16")
    disagrees = terms == SYNTHESIZED and body["model"] == "small"
    return boxed(str(sum(terms) + (body["seed"] % 4 if disagrees else 0)))


def evaluate(setup: Setup, folder: Path, model: str = MODEL, **options: Any) -> Any:
    samples = [dataset.Sample(input=f"What is {a} + {b}?", target=str(a + b)) for a, b in SUMS]
    task = inspect_ai.Task(dataset=samples, scorer=scorer.match(location="any"))
    (log,) = inspect_ai.eval(
        task,
        model=f"openai-api/solver/{model}",
        model_base_url=setup.server.url,
        log_dir=str(folder / "logs"),
        display="none",
        max_retries=0,
        **options,
    )
    return log


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLVER_API_KEY", "none")


@pytest.mark.parametrize("stream", [False, True])
def test_a_score(start: Start, tmp_path: Path, stream: bool) -> None:
    setup = start(script)
    log = evaluate(
        setup, tmp_path, model_args={"stream": stream}, temperature=0.3, extra_body={"top_k": 5}
    )
    assert log.status == "success"
    assert log.results.scores[0].metrics["accuracy"].value == pytest.approx(2 / 3)
    assert (len(setup.explorer), len(setup.synthesizer)) == (4 * len(SUMS), 1)
    assert {call["top_k"] for call in setup.explorer} == {5}
    (usage,) = log.stats.model_usage.values()
    assert usage.total_tokens == (4 * len(SUMS) + 1) * 15


def test_a_response_schema(start: Start, tmp_path: Path) -> None:
    setup = start(lambda *_: ScriptedReply(text='```json\n{"total": 42}\n```'))
    schema = inspect_ai.model.ResponseSchema(
        name="total",
        json_schema={"type": "object", "properties": {"total": {"type": "integer"}}},
    )
    log = evaluate(setup, tmp_path, response_schema=schema)
    assert {sample.output.completion for sample in log.samples} == {'{"total": 42}'}


def test_an_unknown_model(agreeing: Setup, tmp_path: Path) -> None:
    log = evaluate(agreeing, tmp_path, f"{MODEL}e")
    assert log.status == "error"
    assert f"did you mean '{MODEL}'" in log.error.message
    assert agreeing.explorer == []
