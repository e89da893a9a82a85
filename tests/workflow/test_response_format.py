"""A response format: the requests and prompts that have it, and nonconforming replies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler

from a2r import A2R, Result
from a2r.interfaces.chat import reply_content
from tests.support.fake_openai import FakeOpenAI, ScriptedReply, config_for, fake_openai, replies

pytestmark = pytest.mark.integration

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer", "description": "{question} or {references}"}},
    "required": ["n"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": SCHEMA}}
ANY_OBJECT = {"type": "json_object"}


def says(value: Any) -> ScriptedReply:
    return ScriptedReply(text=f"I think so.\n```json\n{json.dumps(value)}\n```")


GOOD, OTHER, BAD = says({"n": 4}), says({"n": 5}), says({"m": 4})
WRITTEN = ScriptedReply(text='{"n": 5}')


def solver(server: FakeOpenAI, wanted: Any = FORMAT, **changes: Any) -> A2R:
    changes = {"kind": "auto", "answers__response_format": wanted} | changes
    return A2R(config_for(server.url, **changes))


def parse_answer(result: Result) -> Any:
    return None if result.answer is None else json.loads(result.answer)


def prompt(request: dict[str, Any]) -> str:
    content = request["messages"][-1]["content"]
    assert isinstance(content, str)
    return content


@pytest.mark.parametrize("callbacks", [False, True])
@pytest.mark.parametrize(
    "wanted",
    [
        FORMAT,
        ANY_OBJECT,
        {"type": "json_schema", "json_schema": {"schema": {}}, "vendor": {"x": None}},
        {"type": "json_schema", "json_schema": {"name": "any", "schema": True}},
    ],
)
def test_the_synthesizer_gets_the_format_and_the_explorer_a_prompt(
    wanted: dict[str, Any], callbacks: bool
) -> None:
    config: Any = {"callbacks": [AsyncCallbackHandler()]} if callbacks else None
    with fake_openai(replies(small=[GOOD, OTHER], big=WRITTEN)) as server:
        result = solver(server, wanted).ask("What is {format}?", config)
    explorer, (synthesizer,) = server.request_log.calls("small"), server.request_log.calls("big")
    assert synthesizer["response_format"] == wanted
    assert all("response_format" not in request for request in explorer)
    schema = json.dumps(wanted.get("json_schema", {}).get("schema", {"type": "object"}))
    for request in (*explorer, synthesizer):
        assert prompt(request).count(f"JSON Schema:\n{schema}") == 1
        assert "What is {format}?" in prompt(request)
    assert (parse_answer(result), result.method, result.kind) == ({"n": 5}, "synthesized", "json")
    assert reply_content(result, answer_alone=True) == result.answer


def test_nonconforming_samples_abstain() -> None:
    with fake_openai(replies(small=[GOOD, BAD, GOOD, GOOD])) as server:
        result = solver(server).ask("How many?")
    assert [sample.status for sample in result.samples] == [
        "answered",
        "abstained",
        "answered",
        "answered",
    ]
    assert (parse_answer(result), result.method) == ({"n": 4}, "unanimous")


def test_agreement_on_nonconforming_json_is_not_unanimous() -> None:
    with fake_openai(replies(small=BAD, big=WRITTEN)) as server:
        result = solver(server).ask("How many?")
    assert (result.method, result.clusters) == ("synthesized", [])
    assert parse_answer(result) == {"n": 5}


def test_a_nonconforming_synthesis_is_ignored() -> None:
    with fake_openai(
        replies(small=[GOOD, OTHER, GOOD], big=ScriptedReply(text='{"n": "5"}'))
    ) as server:
        result = solver(server).ask("How many?")
    assert (parse_answer(result), result.method) == ({"n": 4}, "majority_fallback")
    assert result.synthesis[0].status == "abstained"


def test_without_conforming_text_there_is_no_answer() -> None:
    with fake_openai(replies(small=BAD, big=BAD)) as server:
        result = solver(server).ask("How many?")
    assert (result.answer, result.method) == (None, None)
    assert reply_content(result, answer_alone=True) == ""


@pytest.mark.parametrize("changes", [{"graph": "self_consistency"}, {"synthesizer": None}])
def test_without_synthesis_the_explorer_gets_the_format(changes: dict[str, Any]) -> None:
    with fake_openai(replies(small=[WRITTEN, GOOD, says({"n": 5}), OTHER])) as server:
        result = solver(server, stop__lossless=False, **changes).ask("How many?")
    assert [request["response_format"] for request in server.request_log.requests] == [FORMAT] * 4
    assert (parse_answer(result), result.method) == ({"n": 5}, "majority")


def test_a_judge_does_not_get_the_format_and_selects_conforming_text() -> None:
    with fake_openai(replies(small=[GOOD, OTHER], big=ScriptedReply(text="Judgment: 1"))) as server:
        result = solver(server, graph="select").ask("How many?")
    assert "response_format" not in server.request_log.calls("big")[0]
    assert result.method == "selected"
    assert parse_answer(result) in ({"n": 4}, {"n": 5})


@pytest.mark.parametrize("judgment", range(1, 5))
def test_nonconforming_text_cannot_be_selected(judgment: int) -> None:
    judge = ScriptedReply(text=f"Judgment: {judgment}")
    with fake_openai(replies(small=[GOOD, OTHER, BAD, BAD], big=judge)) as server:
        result = solver(server, graph="select").ask("How many?")
    assert parse_answer(result) in ({"n": 4}, {"n": 5})


def test_every_synthesis_of_rounds_gets_the_format() -> None:
    rounds = {"graph": "rounds", "synthesis__rounds": [2, 1]}
    with fake_openai(replies(small=[GOOD, OTHER], big=[GOOD, OTHER, WRITTEN])) as server:
        result = solver(server, **rounds).ask("How many?")
    assert [request["response_format"] for request in server.request_log.calls("big")] == [
        FORMAT
    ] * 3
    assert (parse_answer(result), result.method) == ({"n": 5}, "synthesized")


def test_a_cascade_uses_the_format_only_for_the_synthesis() -> None:
    big = [GOOD, OTHER, WRITTEN]
    with fake_openai(replies(small=[GOOD, OTHER], big=big)) as server:
        made = solver(server, graph="cascade", explorer__samples=2, cascade__waves=[2])
        result = made.ask("How many?")
    formats = [request.get("response_format") for request in server.request_log.calls("big")]
    assert (formats, parse_answer(result)) == ([None, None, FORMAT], {"n": 5})


def test_an_explicit_kind_other_than_json_disables_the_format() -> None:
    small = [ScriptedReply(text=f"\\boxed{{{n}}}") for n in (4, 5)]
    with fake_openai(replies(small=small, big=ScriptedReply(text="\\boxed{5}"))) as server:
        result = solver(server, kind="math").ask("How many?")
    assert all("response_format" not in request for request in server.request_log.requests)
    assert not any("Schema" in prompt(request) for request in server.request_log.requests)
    assert result.answer == "5"


def test_the_format_can_be_set_for_a_question() -> None:
    overrides = {"answers.response_format": FORMAT, "kind": "json"}
    with fake_openai(replies(small=[GOOD, OTHER], big=WRITTEN)) as server:
        made = solver(server, None, kind="math")
        result = made.ask("How many?", overrides=overrides)
    assert server.request_log.calls("big")[0]["response_format"] == FORMAT
    assert parse_answer(result) == {"n": 5}


@pytest.mark.parametrize("callbacks", [False, True])
def test_the_format_overrides_the_sampling_parameters(callbacks: bool) -> None:
    config: Any = {"callbacks": [AsyncCallbackHandler()]} if callbacks else None
    extra_body = {"response_format": ANY_OBJECT, "top_k": 5}
    with fake_openai(replies(small=[GOOD, OTHER], big=WRITTEN)) as server:
        solver(server, synthesizer__sampling__extra_body=extra_body).ask("How many?", config)
    (request,) = server.request_log.calls("big")
    assert (request["response_format"], request["top_k"]) == (FORMAT, 5)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 300 + "]" * 300,
        '{"n":' * 400 + "1" + "}" * 400,
        '{"n": "\\ud800"}',
        '{"\\ud800": 1}',
        '{"n": NaN}',
        '{"n": 1e999}',
        f'{{"n": {"9" * 5000}.5}}',
        "[" * 5000,
    ],
    ids=lambda text: text[:12],
)
def test_a_hostile_sample_abstains_without_failing_the_run(text: str) -> None:
    with fake_openai(replies(small=[ScriptedReply(text=text), GOOD, GOOD, GOOD])) as server:
        result = solver(server).ask("How many?")
    assert result.samples[0].status == "abstained"
    assert (parse_answer(result), result.method) == ({"n": 4}, "unanimous")


def test_a_hostile_synthesis_falls_back() -> None:
    big = ScriptedReply(text="[" * 300 + "]" * 300)
    with fake_openai(replies(small=[GOOD, OTHER, GOOD], big=big)) as server:
        result = solver(server).ask("How many?")
    assert (parse_answer(result), result.method) == ({"n": 4}, "majority_fallback")
