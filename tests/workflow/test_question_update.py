"""A question that `update_state` changes at an interrupt is read, or refused; never ignored."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from a2r import build_graph
from a2r.errors import QuestionError
from a2r.persistence import last_run
from tests.support.fake_openai import FakeOpenAI, boxed, config_for, fake_openai, replies

pytestmark = pytest.mark.integration

OLD, NEW = "What is 2 + 2?", "What is 3 + 3?"
THREAD: Any = {"configurable": {"thread_id": "t"}}
DISAGREE = [boxed("1"), boxed("2"), boxed("3"), boxed("4")]


def read(server: FakeOpenAI, model: str) -> set[str]:
    """Which of the two questions the calls of a model contain."""
    texts = [str(request["messages"]) for request in server.request_log.calls(model)]
    return {question for question in (OLD, NEW) for text in texts if question in text}


async def interrupted(graph: Any, before: str, graph_input: Any = None) -> None:
    await graph.ainvoke(graph_input or {"question": OLD}, THREAD, interrupt_before=[before])


@pytest.mark.parametrize(
    ("before", "as_node"),
    [
        ("extract", "explore"),
        ("cluster", None),
        ("gate", None),
        ("pack", None),
        ("synthesize", None),
    ],
)
async def test_the_synthesizer_reads_the_changed_question(before: str, as_node: str | None) -> None:
    saver = InMemorySaver()
    with fake_openai(replies(small=DISAGREE, big=boxed("6"))) as server:
        graph: Any = build_graph(config_for(server.url), checkpointer=saver)
        await interrupted(graph, before)
        await graph.aupdate_state(THREAD, {"question": NEW}, as_node)
        run = await last_run(saver, "t")
        assert run is not None
        assert (run.question, len(run.samples)) == (OLD, 4)
        output = await graph.ainvoke(None, THREAD)
    assert read(server, "small") == {OLD}
    assert read(server, "big") == {NEW}
    result = output["result"]
    assert (result["question"], result["answer"]) == (NEW, "6")
    assert "the question was changed after 4 samples" in result["warnings"]
    assert output["messages"][0].text == NEW
    assert len(output["messages"]) == 2
    values = (await graph.aget_state(THREAD)).values
    assert values["question"] is None
    assert values["task"]["question"] == NEW


async def test_the_message_of_the_question_can_be_changed() -> None:
    with fake_openai(replies(small=DISAGREE, big=boxed("6"))) as server:
        graph: Any = build_graph(config_for(server.url), checkpointer=InMemorySaver())
        await interrupted(graph, "pack", {"messages": [("system", "Be brief."), ("user", OLD)]})
        [_, message] = (await graph.aget_state(THREAD)).values["messages"]
        await graph.aupdate_state(THREAD, {"messages": [HumanMessage(NEW, id=message.id)]})
        output = await graph.ainvoke(None, THREAD)
    assert read(server, "big") == {NEW}
    assert output["result"]["question"] == NEW
    assert [m.text for m in output["messages"]][:2] == ["Be brief.", NEW]


@pytest.mark.parametrize("rule", ["always", "unanimous"])
async def test_samples_read_a_question_that_is_changed_before_them(rule: str) -> None:
    with fake_openai(replies(small=boxed("6"), big=boxed("6"))) as server:
        config = config_for(server.url) | {"gate": {"rule": rule}}
        graph: Any = build_graph(config, checkpointer=InMemorySaver())
        await interrupted(graph, "explore")
        await graph.aupdate_state(THREAD, {"question": NEW})
        output = await graph.ainvoke(None, THREAD)
    assert read(server, "small") == {NEW}
    assert OLD not in read(server, "big")
    assert output["result"]["question"] == NEW
    assert output["result"]["warnings"] == []


async def test_a_judge_reads_the_changed_question() -> None:
    with fake_openai(replies(small=DISAGREE, big=boxed("Judgment: 1"))) as server:
        config = config_for(server.url) | {"graph": "select"}
        graph: Any = build_graph(config, checkpointer=InMemorySaver())
        await interrupted(graph, "select")
        await graph.aupdate_state(THREAD, {"question": NEW})
        output = await graph.ainvoke(None, THREAD)
    assert read(server, "big") == {NEW}
    assert output["result"]["question"] == NEW


@pytest.mark.parametrize(
    ("config", "before", "as_node"),
    [
        ({}, "finalize", "synthesize"),
        ({"graph": "self_consistency"}, "gate", None),
        ({"gate": {"rule": "never"}}, "finalize", None),
    ],
)
async def test_a_change_that_no_model_reads_is_refused(
    config: Any, before: str, as_node: str | None
) -> None:
    with fake_openai(replies(small=DISAGREE, big=boxed("6"))) as server:
        graph: Any = build_graph(config_for(server.url) | config, checkpointer=InMemorySaver())
        await interrupted(graph, before)
        await graph.aupdate_state(THREAD, {"question": NEW}, as_node)
        with pytest.raises(QuestionError, match="no model reads it"):
            await graph.ainvoke(None, THREAD)
        await graph.aupdate_state(THREAD, {"question": OLD}, as_node or "gate")
        output = await graph.ainvoke(None, THREAD)
    assert output["result"]["question"] == OLD


async def test_a_change_after_the_synthesis_repeats_it() -> None:
    with fake_openai(replies(small=DISAGREE, big=boxed("6"))) as server:
        graph: Any = build_graph(config_for(server.url), checkpointer=InMemorySaver())
        await interrupted(graph, "finalize")
        await graph.aupdate_state(THREAD, {"question": NEW})
        output = await graph.ainvoke(None, THREAD)
    assert read(server, "big") == {OLD, NEW}
    assert output["result"]["question"] == NEW


async def test_a_change_between_waves_is_refused() -> None:
    with fake_openai(replies(small=DISAGREE, big=boxed("6"))) as server:
        config = config_for(server.url)
        config["explorer"] = {**config["explorer"], "waves": [2, 2]}
        del config["explorer"]["samples"]
        graph: Any = build_graph(config, checkpointer=InMemorySaver())
        await interrupted(graph, "gate")
        await graph.aupdate_state(THREAD, {"question": NEW})
        with pytest.raises(QuestionError, match="after 2 samples, which answer the earlier one"):
            await graph.ainvoke(None, THREAD)


@pytest.mark.parametrize("question", ["", "  ", 5])
async def test_an_invalid_question_is_refused(question: Any) -> None:
    with fake_openai(replies(small=DISAGREE, big=boxed("6"))) as server:
        graph: Any = build_graph(config_for(server.url), checkpointer=InMemorySaver())
        await interrupted(graph, "pack")
        await graph.aupdate_state(THREAD, {"question": question})
        with pytest.raises(QuestionError, match="the question is"):
            await graph.ainvoke(None, THREAD)


async def test_the_next_question_of_the_thread_starts_clean() -> None:
    with fake_openai(replies(small=DISAGREE, big=boxed("6"))) as server:
        graph: Any = build_graph(config_for(server.url), checkpointer=InMemorySaver())
        await interrupted(graph, "synthesize")
        await graph.aupdate_state(THREAD, {"question": NEW})
        await graph.ainvoke(None, THREAD)
        output = await graph.ainvoke({"messages": [("user", OLD)]}, THREAD)
    assert output["result"]["question"] == OLD
    assert output["result"]["warnings"] == []
