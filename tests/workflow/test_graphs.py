"""The shipped graphs against the fake server: the calls and the results."""

from __future__ import annotations

from typing import Any

import pytest

from a2r import A2R
from a2r.errors import NoAnswerError
from a2r.events import GateDecided, RunFinished, SynthesisDelta, SynthesisRestarted
from a2r.workflow.graph_loader import graph_names
from tests.support.fake_openai import ScriptedReply, boxed, config_for, fake_openai, replies

pytestmark = pytest.mark.integration


def long(answer: str) -> ScriptedReply:
    steps = " ".join(f"Step {n} of the way to {answer} is done." for n in range(60))
    return ScriptedReply(text=f"{steps} So the answer is \\boxed{{{answer}}}.")


SEVERAL_SAMPLES = [name for name in graph_names() if name != "single"]
DISAGREEING = [boxed("4"), boxed("5"), boxed("4"), boxed("6")]


def test_the_shipped_graphs() -> None:
    assert graph_names() == ["a2r", "cascade", "rounds", "select", "self_consistency", "single"]


@pytest.mark.parametrize("graph", SEVERAL_SAMPLES)
async def test_agreement_skips_the_second_stage(graph: str) -> None:
    with fake_openai(replies(small=boxed("4"))) as server:
        # Where no synthesis can follow, a decided vote gives up the samples that still run.
        config = config_for(server.url, graph=graph, stop__lossless=False)
        result = await A2R(config).aask("2+2?")
    assert (result.answer, result.method, result.usage.synthesizer.calls) == ("4", "unanimous", 0)
    assert [report.decision for report in result.decisions] == ["accept"]


@pytest.mark.parametrize(
    ("judgment", "answer", "method"),
    [
        ("Both err.\nJudgment: 1", None, "selected"),
        ("Judgment: **2**", None, "selected"),
        ("**Judgment**: Candidate 3", None, "selected"),
        ("So it is \\boxed{6}.", "6", "selected"),
        ("So it is \\boxed{3}.", "4", "majority_fallback"),
        ("I choose solution 2.", None, "selected"),
        ("Candidate 1 boxes \\boxed{3}.\nJudgment: candidate number 2", None, "selected"),
        ("Both give \\boxed{4}.\nTherefore candidate 1 is right.", None, "selected"),
        ("Candidate 1 says \\boxed{3}, which is wrong.\nJudgment: none", "4", "majority_fallback"),
        ("Judgment: none of them", "4", "majority_fallback"),
        ("Judgment: 9", "4", "majority_fallback"),
    ],
)
async def test_select_takes_the_sample_that_the_judge_chooses(
    judgment: str, answer: str | None, method: str
) -> None:
    with fake_openai(replies(small=DISAGREEING, big=ScriptedReply(text=judgment))) as server:
        result = await A2R(config_for(server.url, graph="select")).aask("2+2?")
    assert (result.method, len(server.request_log.calls("big"))) == (method, 1)
    if answer is not None:
        assert result.answer == answer
        return
    [choice] = result.synthesis
    assert choice.selected is not None
    chosen = result.samples[choice.selected]
    assert (result.answer, result.text) == (chosen.answer, chosen.text)
    prompt = server.request_log.calls("big")[0]["messages"][0]["content"]
    last_line = judgment.rpartition("\n")[2]
    number = next(int(sign) for sign in last_line if sign.isdigit())
    assert f"<reference number={number}>\n{chosen.text}" in prompt


async def test_the_judge_may_have_seen_fewer_references_than_were_packed() -> None:
    crowd = [long("10"), long("11"), long("10"), long("13")]

    def judge(body: dict[str, Any], _: int) -> ScriptedReply:
        if body["model"] == "small":
            return crowd[body["seed"]]
        blocks = body["messages"][0]["content"].split("<reference number=")[1:]
        return ScriptedReply(
            text=f"Judgment: {next(b for b in blocks if 'boxed{13}' in b).split('>')[0]}"
        )

    for question in ("0+1?", "1+1?", "2+1?", "3+1?", "4+1?"):
        with fake_openai(judge, context=1100) as server:
            result = await A2R(config_for(server.url, graph="select")).aask(question)
        assert len(server.request_log.calls("big")) > 1
        assert (result.answer, result.method) == ("13", "selected")
        assert result.text == crowd[3].text


async def test_the_selected_text_is_complete_even_if_the_judge_saw_a_part() -> None:
    essays = [ScriptedReply(text=f"Version {n}. " + "It rained all day. " * 300) for n in range(4)]
    with fake_openai(replies(small=essays, big=ScriptedReply(text="Judgment: 2"))) as server:
        config = config_for(server.url, graph="select", kind="text", references__context=2000)
        result = await A2R(config).aask("Write an essay on rain.")
    assert "[…]" in server.request_log.calls("big")[0]["messages"][0]["content"]
    assert result.answer == result.text == result.samples[result.synthesis[0].selected or 0].text


async def test_several_judges_vote() -> None:
    # The same answer in two references: a vote for either is a vote for it.
    says = [boxed("4"), boxed("4"), boxed("5"), boxed("5")]
    judges = [ScriptedReply(text=f"Judgment: {n}") for n in (1, 2, 3)]
    with fake_openai(replies(small=says, big=judges)) as server:
        config = config_for(server.url, graph="select", synthesizer__samples=3)
        config["references"] = {"order": "votes"}
        result = await A2R(config).aask("2+2?")
    assert (result.method, len(result.synthesis)) == ("selected", 3)
    votes = [attempt.answer for attempt in result.synthesis]
    assert result.answer == max(set(votes), key=votes.count)


async def test_rounds_synthesize_over_the_syntheses_of_the_round_before() -> None:
    big = [boxed(n) for n in ("10", "11", "10")] + [boxed("12")]
    with fake_openai(replies(small=DISAGREEING, big=big)) as server:
        config = config_for(server.url, graph="rounds", synthesis__rounds=[3, 1])
        result = await A2R(config).aask("2+2?")
    requests = server.request_log.calls("big")
    prompts = [request["messages"][0]["content"] for request in requests]
    assert [prompt.count("<reference number=") for prompt in prompts] == [4, 4, 4, 3]
    assert "\\boxed{10}" in prompts[3]
    assert "\\boxed{6}" not in prompts[3]
    assert [request["seed"] for request in requests[:3]] == [7, 8, 9]
    assert requests[3]["seed"] == 10
    assert (result.answer, result.method) == ("12", "synthesized")
    assert [(s.round, s.index) for s in result.synthesis] == [(0, 0), (0, 1), (0, 2), (1, 0)]


async def test_a_failed_round_leaves_the_previous_one() -> None:
    big = [boxed("10"), boxed("11"), boxed("10"), ScriptedReply(status=400)]
    with fake_openai(replies(small=DISAGREEING, big=big)) as server:
        config = config_for(server.url, graph="rounds", synthesis__rounds=[3, 1])
        result = await A2R(config).aask("2+2?")
    assert (result.answer, result.method) == ("10", "synthesized")
    assert any("round 1 failed, round 0 answers" in warning for warning in result.warnings)


def cascade(url: str, **changes: Any) -> dict[str, Any]:
    return config_for(url, graph="cascade", explorer__samples=2, **changes)


async def test_a_cascade_uses_the_bigger_model_only_after_disagreement() -> None:
    says = [boxed("4"), boxed("5")]
    with fake_openai(replies(small=says, big=boxed("7"))) as server:
        config = cascade(server.url, cascade={"votes": "synthesizer", "temperature": 0.9})
        result = await A2R(config).aask("2+2?")
    calls = server.request_log.calls("big")
    assert [request["temperature"] for request in calls] == [0.9, 0.9]
    assert "reference" not in calls[0]["messages"][0]["content"]
    assert (result.answer, result.method) == ("7", "unanimous")
    assert [(s.role, s.answer) for s in result.samples] == [
        ("explorer", "4"),
        ("explorer", "5"),
        ("synthesizer", "7"),
        ("synthesizer", "7"),
    ]
    assert [report.decision for report in result.decisions] == ["sample_more", "accept"]
    assert (result.usage.explorer.calls, result.usage.synthesizer.calls) == (2, 2)


async def test_a_cascade_synthesizes_if_the_bigger_model_disagrees_too() -> None:
    big = [boxed("5"), boxed("6"), boxed("8")]
    with fake_openai(replies(small=[boxed("4"), boxed("5")], big=big)) as server:
        result = await A2R(cascade(server.url, references__roles="synthesizer")).aask("2+2?")
    requests = server.request_log.calls("big")
    assert len(requests) == 3
    assert requests[2]["messages"][0]["content"].count("<reference number=") == 2
    assert (result.answer, result.method) == ("8", "synthesized")
    # The small model's vote for 5 and the bigger one's are votes for the same answer.
    assert result.clusters[0].samples == [1, 2]


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize(
    ("changes", "answer", "samples"),
    [
        ({"gate__rule": "never", "cascade__waves": [4]}, "7", 7),
        ({"cascade": {"waves": [1], "votes": "synthesizer"}, "synthesis__rounds": []}, "7", 4),
        ({"gate__rule": "never", "cascade": {"waves": [2], "votes": "synthesizer"}}, "7", 5),
    ],
)
async def test_early_stopping_considers_votes_of_the_bigger_model(
    changes: dict[str, Any], answer: str, samples: int, lossless: bool
) -> None:
    small = [boxed("5"), boxed("5"), boxed("6")]
    with fake_openai(replies(small=small, big=boxed("7"))) as server:
        config = config_for(
            server.url, graph="cascade", explorer__samples=3, stop__lossless=lossless, **changes
        )
        result = await A2R(config).aask("2+2?")
    assert (result.answer, len(result.samples), result.synthesis) == (answer, samples, [])


async def test_the_bigger_model_breaks_ties_of_a_cascade() -> None:
    big = [boxed("7"), boxed("8")]
    with fake_openai(replies(small=boxed("5"), big=big)) as server:
        config = config_for(
            server.url,
            graph="cascade",
            explorer__samples=1,
            cascade__waves=[1, 1],
            synthesis__rounds=[],
        )
        result = await A2R(config).aask("2+2?")
    assert (result.answer, result.method) == ("7", "majority")
    assert len(result.samples) == 3
    assert result.warnings == ["3 answers are tied; using sample 1's"]


async def test_two_votes_of_the_bigger_model_agree_on_a_choice() -> None:
    small = [ScriptedReply(text=f"The answer is ({letter}).") for letter in "ABC"]
    choice = {"kind": "choice", "explorer__samples": 3, "cascade": {"votes": "synthesizer"}}
    with fake_openai(replies(small=small, big=ScriptedReply(text="The answer is (B)."))) as server:
        result = await A2R(config_for(server.url, graph="cascade", **choice)).aask("A, B or C?")
    assert (result.answer, result.method, len(server.request_log.calls("big"))) == (
        "B",
        "unanimous",
        2,
    )


async def test_an_open_question_is_answered_by_the_bigger_model() -> None:
    script = replies(
        small=ScriptedReply(text="A short essay."), big=ScriptedReply(text="A better essay.")
    )
    with fake_openai(script) as server:
        open_ = {"kind": "text", "synthesis__rounds": []}
        result = await A2R(cascade(server.url, **open_)).aask("Write an essay.")
    assert (result.text, result.answer) == ("A better essay.", "A better essay.")
    assert [sample.role for sample in result.samples] == ["explorer"] * 2 + ["synthesizer"] * 2


async def test_one_sample_of_the_bigger_model_is_not_agreement() -> None:
    small = [boxed("4"), boxed("5"), boxed("6")]
    with fake_openai(replies(small=small, big=boxed("7"))) as server:
        cascade = {"waves": [1], "votes": "synthesizer"}
        config = config_for(server.url, graph="cascade", explorer__samples=3, cascade=cascade)
        result = await A2R(config).aask("2+2?")
    assert result.method == "synthesized"
    assert result.warnings == []


async def test_only_the_rounds_graph_has_more_than_one_round() -> None:
    with fake_openai(replies(small=DISAGREEING, big=boxed("5"))) as server:
        config = config_for(server.url, synthesis__rounds=[2, 1])
        result = await A2R(config).aask("2+2?")
    assert [attempt.round for attempt in result.synthesis] == [0, 0]
    assert result.savings is not None
    assert (result.savings.fixed.syntheses, result.savings.saved.syntheses) == (2, 0)


async def test_a_cascade_can_end_with_a_vote() -> None:
    big = [boxed("5"), boxed("6")]
    with fake_openai(replies(small=[boxed("4"), boxed("5")], big=big)) as server:
        result = await A2R(cascade(server.url, synthesis__rounds=[])).aask("2+2?")
    assert len(server.request_log.calls("big")) == 2
    assert (result.answer, result.method) == ("5", "majority")


@pytest.mark.parametrize("graph", graph_names())
async def test_a_second_question_on_a_thread_starts_with_empty_state(graph: str) -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    with fake_openai(
        replies(small=DISAGREEING, big=ScriptedReply(text="Judgment: 1 \\boxed{4}"))
    ) as server:
        solver = A2R(config_for(server.url, graph=graph), checkpointer=InMemorySaver())
        on = {"configurable": {"thread_id": "t"}}
        first = await solver.aask("2+2?", on)  # type: ignore[arg-type]
        second = await solver.aask("3+1?", on)  # type: ignore[arg-type]
    assert first.run_id != second.run_id
    for result in (first, second):
        assert len(result.samples) == {"cascade": 6, "single": 1}.get(graph, 4)
        assert len(result.synthesis) == (0 if graph in ("self_consistency", "single") else 1)
        assert len(result.decisions) == {"cascade": 2, "single": 0}.get(graph, 1)


async def test_a_repeated_synthesis_is_marked_as_restarted() -> None:
    broken = ScriptedReply(text="This will break off", reset=True)
    with fake_openai(replies(small=DISAGREEING, big=[broken, boxed("5")])) as server:
        solver = A2R(config_for(server.url))
        events = [event async for event in solver.astream("2+2?")]
    restarts = [n for n, event in enumerate(events) if isinstance(event, SynthesisRestarted)]
    assert len(restarts) == 1
    after = [e for e in events[restarts[0] :] if isinstance(e, SynthesisDelta)]
    assert "".join(event.text for event in after) == boxed("5").text
    assert isinstance(events[-1], RunFinished)
    assert any(isinstance(event, GateDecided) and event.gate.reason for event in events)


@pytest.mark.parametrize("changes", [{}, {"gate": {"rule": "always"}}, {"explorer__samples": 9}])
async def test_single_draws_one_plain_sample(changes: dict[str, Any]) -> None:
    reply = ScriptedReply(text="A title:\nThe Sum of Two Numbers")
    question = "Write a title for this chat: what is 2 + 2?"
    with fake_openai(replies(small=reply)) as server:
        result = await A2R(config_for(server.url, graph="single", **changes)).aask(question)
    [call] = server.request_log.requests
    assert call["messages"] == [{"role": "user", "content": question}]
    assert (result.text, result.method, result.kind) == (reply.text, "single", "text")
    assert (len(result.samples), result.synthesis, result.gate) == (1, [], None)
    assert result.usage.total.calls == 1
    assert result.savings is not None
    assert (result.savings.saved.samples, result.savings.saved.tokens) == (0, 0)


async def test_single_follows_a_response_format() -> None:
    schema = {"type": "object", "properties": {"title": {"type": "string"}}}
    json_schema = {"type": "json_schema", "json_schema": {"name": "title", "schema": schema}}
    changes = {"kind": "json", "answers": {"response_format": json_schema}}
    with fake_openai(replies(small=ScriptedReply(text='{"title": "Sums"}'))) as server:
        result = await A2R(config_for(server.url, graph="single", **changes)).aask("A title?")
    [call] = server.request_log.requests
    assert call["response_format"] == json_schema
    assert '"title"' in call["messages"][0]["content"]
    assert (result.answer, result.method, result.kind) == ('{"title": "Sums"}', "single", "json")


async def test_single_without_a_finished_sample_is_an_error() -> None:
    with (
        fake_openai(replies(small=ScriptedReply(status=400))) as server,
        pytest.raises(NoAnswerError) as raised,
    ):
        await A2R(config_for(server.url, graph="single")).aask("2+2?")
    assert [sample.status for sample in raised.value.result.samples] == ["failed"]
