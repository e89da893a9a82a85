"""A2R in LangChain agents and LangGraph graphs, as a tool and as a model."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel

from a2r import A2R, Result, as_tool
from a2r.errors import NoAnswerError
from a2r.events import RunFinished, parse_event
from a2r.interfaces.langchain.chat_model import ChatA2R
from tests.support.fake_openai import ScriptedReply, boxed, config_for, fake_openai, replies

pytestmark = pytest.mark.integration

DISAGREEING = [boxed("4"), boxed("5"), boxed("4"), boxed("6")]
SOLUTION = "I think so.\n\\boxed{5}"
QUESTION: Any = {"messages": [("user", "What is 2+2?")]}
THREAD: Any = {"configurable": {"thread_id": "t"}}


class Scripted(GenericFakeChatModel):
    """A model that calls the tool once, and then repeats its output."""

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self


def make_agent(tool: Any, **options: Any) -> Any:
    call = {"name": tool.name, "args": {"question": "2+2?"}, "id": "1", "type": "tool_call"}
    scripted = iter([AIMessage("", tool_calls=[call]), AIMessage("It is 4.")])
    return create_agent(Scripted(messages=scripted), tools=[tool], **options)


def collect_events(output: dict[str, Any]) -> ToolMessage:
    return next(m for m in output["messages"] if isinstance(m, ToolMessage))


def test_the_tool_describes_its_arguments_and_its_purpose() -> None:
    shown = convert_to_openai_tool(as_tool("tiny"))["function"]
    assert shown["name"] == "solve"
    assert shown["description"].startswith("Solve a hard, self-contained question")
    assert shown["parameters"]["required"] == ["question"]
    question = shown["parameters"]["properties"]["question"]
    assert question["type"] == "string"
    assert "sees nothing else" in question["description"]
    named = convert_to_openai_tool(as_tool("tiny", name="sum", description="Adds."))["function"]
    assert (named["name"], named["description"]) == ("sum", "Adds.")


async def test_an_agent_uses_the_tool_asynchronously() -> None:
    with fake_openai(replies(small=boxed("4"))) as server:
        output = await make_agent(as_tool(config_for(server.url))).ainvoke(QUESTION)
    assert collect_events(output).text.startswith("Answer: 4 (unanimous, agreement 100%)")
    assert collect_events(output).artifact.answer == "4"
    assert output["messages"][-1].text == "It is 4."


async def test_the_progress_of_the_tool_is_streamed(tmp_path: Path) -> None:
    with fake_openai(replies(small=boxed("4"))) as server:
        tool = as_tool(config_for(server.url))
        options: Any = {"stream_mode": "custom", "subgraphs": True}
        native = [part async for part in make_agent(tool).astream(QUESTION, **options)]
        for parts in (native, list(make_agent(tool).stream(QUESTION, **options))):
            events = [parse_event(data) for _, data in parts]
            assert isinstance(events[-1], RunFinished)
            assert events[-1].result.answer == "4"


def test_an_agent_with_a_synchronous_store_can_use_the_tool_and_the_model(tmp_path: Path) -> None:
    with (
        fake_openai(replies(small=boxed("4"))) as server,
        SqliteSaver.from_conn_string(str(tmp_path / "agent.sqlite")) as store,
    ):
        solver = A2R(config_for(server.url), checkpointer=tmp_path / "runs.sqlite")
        agent = make_agent(as_tool(solver), checkpointer=store)
        agent.invoke(QUESTION, THREAD)
        event = collect_events(agent.get_state(THREAD).values)
        model = create_agent(ChatA2R(solver=solver), tools=[], checkpointer=store)
        thread: Any = {"configurable": {"thread_id": "other"}}
        assert model.invoke(QUESTION, thread)["messages"][-1].text.endswith("\\boxed{4}")
    assert Result.model_validate(event.artifact).answer == "4"


class Noticing(InMemorySaver):
    """Sets `stored` once a sample is stored."""

    def __init__(self) -> None:
        super().__init__()
        self.stored = asyncio.Event()

    async def aput_writes(self, config: Any, writes: Any, *task: Any) -> None:
        await super().aput_writes(config, writes, *task)
        if any(channel == "samples" for channel, _ in writes):
            self.stored.set()


async def test_a_resumed_agent_repeats_no_sample_of_its_tool() -> None:
    hanging = {1, 2, 3}

    def script(body: dict[str, Any], _: int) -> ScriptedReply:
        return ScriptedReply(hang=True) if body["seed"] in hanging else boxed("4")

    with fake_openai(script) as server:
        saver = Noticing()
        agent = make_agent(as_tool(config_for(server.url)), checkpointer=saver)
        run = asyncio.create_task(agent.ainvoke(QUESTION, THREAD))
        await server.request_log.until(lambda b: len(b.requests) == 4 and b.outstanding == 3)
        await saver.stored.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        await server.request_log.until(lambda log: log.outstanding == 0)
        hanging.clear()
        output = await agent.ainvoke(None, THREAD)
    assert output["messages"][-1].text == "It is 4."
    assert sorted(body["seed"] for body in server.request_log.requests[4:]) == [1, 2, 3]


async def test_the_tool_reports_an_exhausted_budget_to_the_model() -> None:
    with fake_openai(replies(small=boxed("4"))) as server:
        tool = as_tool(config_for(server.url, budget={"session": {"samples": 4}}))
        assert (await tool.ainvoke({"question": "2+2?"})).startswith("Answer: 4")
        again = await tool.ainvoke({"question": "2+3?"})
    assert again == (
        "No answer: the budget allows no sample: raise budget.question or budget.session"
    )


async def test_the_tool_reports_a_missing_answer_to_the_model() -> None:
    unsure = ScriptedReply(text="I do not know.")
    with fake_openai(replies(small=unsure, big=unsure)) as server:
        output = await as_tool(config_for(server.url)).ainvoke({"question": "2+2?"})
    assert output.startswith("No answer: the synthesizer gave no answer")
    assert "None" not in output


async def test_the_recursion_limit_of_a_chain_does_not_limit_the_waves_of_the_tool() -> None:
    with fake_openai(replies(small=[boxed(str(n)) for n in range(9)], big=boxed("5"))) as server:
        config = config_for(server.url, explorer__samples=None, explorer__waves=[1] * 9)
        chain = RunnableLambda(lambda question: {"question": question}) | as_tool(config)
        assert chain.invoke("2+2?").startswith("Answer: 5 (synthesized")
        assert (await chain.ainvoke("2+2?")).startswith("Answer: 5 (synthesized")


def make_graph(model: ChatA2R, **options: Any) -> Any:
    async def answer(state: MessagesState) -> dict[str, list[BaseMessage]]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    def answer_sync(state: MessagesState) -> dict[str, list[BaseMessage]]:
        return {"messages": [model.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", RunnableLambda(answer_sync, afunc=answer))
    graph.add_edge(START, "answer")
    return graph.compile(**options)


async def test_tokens_of_a_node_that_calls_the_model_are_streamed_once() -> None:
    with fake_openai(replies(small=DISAGREEING, big=boxed("5"))) as server:
        graph = make_graph(ChatA2R(config_for(server.url)))
        native = [part async for part in graph.astream(QUESTION, stream_mode="messages")]
        for parts in (native, list(graph.stream(QUESTION, stream_mode="messages"))):
            assert {metadata["langgraph_node"] for _, metadata in parts} == {"answer"}
            chunks = [chunk for chunk, _ in parts]
            assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
            assert "".join(chunk.content for chunk in chunks) == SOLUTION
            progress = [chunk.additional_kwargs.get("reasoning_content", "") for chunk in chunks]
            assert "votes: 2 for 4" in "".join(progress)
            assert sum(chunk.usage_metadata is not None for chunk in chunks) == 1


async def test_a_graph_resumed_after_an_error_starts_a_new_run() -> None:
    broken = ScriptedReply(status=400, error="not today")

    def script(_: dict[str, Any], number: int) -> ScriptedReply:
        return broken if number < 4 else boxed("4")

    with fake_openai(script) as server:
        graph = make_graph(ChatA2R(config_for(server.url)), checkpointer=InMemorySaver())
        with pytest.raises(NoAnswerError, match="not today"):
            await graph.ainvoke(QUESTION, THREAD)
        output = await graph.ainvoke(None, THREAD)
    assert output["messages"][-1].text.endswith("\\boxed{4}")
    assert len(server.request_log.requests) == 8


async def test_concurrent_questions_of_one_node_are_independent() -> None:
    def script(body: dict[str, Any], _: int) -> ScriptedReply:
        return boxed(body["messages"][-1]["content"].split("number ")[1][0])

    with fake_openai(script) as server:
        model = ChatA2R(config_for(server.url))

        async def answer(_: MessagesState) -> dict[str, list[BaseMessage]]:
            questions = [f"Say the number {n}." for n in range(3)]
            return {"messages": list(await model.abatch(questions))}

        graph = StateGraph(MessagesState)
        graph.add_node("answer", answer)
        graph.add_edge(START, "answer")
        output = await graph.compile(checkpointer=InMemorySaver()).ainvoke(QUESTION, THREAD)
    answers = [m.response_metadata["a2r"]["answer"] for m in output["messages"][1:]]
    assert answers == ["0", "1", "2"]


class Sum(BaseModel):
    """A sum."""

    total: int


def test_an_agent_without_tools_can_use_the_model() -> None:
    with fake_openai(replies(small=ScriptedReply(text='It is {"total": 4}'))) as server:
        model = ChatA2R(config_for(server.url, kind="auto"))
        output = create_agent(model, tools=[], system_prompt="Be kind.").invoke(QUESTION)
        structured = create_agent(model, tools=[], response_format=Sum).invoke(QUESTION)
        with pytest.raises(NotImplementedError, match="as_tool"):
            create_agent(model, tools=[as_tool("tiny")]).invoke(QUESTION)
    assert output["messages"][-1].text == 'It is {"total": 4}'
    assert server.request_log.requests[0]["messages"][0] == {
        "role": "system",
        "content": "Be kind.",
    }
    assert structured["structured_response"] == Sum(total=4)


async def test_a_question_asked_inside_a_chain_may_take_many_waves() -> None:
    says = [boxed(str(n)) for n in range(12)]
    with fake_openai(replies(small=says, big=boxed("5"))) as server:
        solver = A2R(config_for(server.url, explorer__samples=None, explorer__waves=[1] * 12))
        chain = RunnableLambda(lambda question: solver.ask(question).method)
        achain = RunnableLambda(solver.aask)
        assert chain.invoke("2+2?") == "synthesized"
        assert (await achain.ainvoke("2+2?")).method == "synthesized"


def test_a_synchronous_node_works_with_any_checkpointer(tmp_path: Path) -> None:
    def ask(state: dict[str, Any]) -> dict[str, Any]:
        return {"answer": solver.ask("2+2?").answer}

    class State(TypedDict):
        answer: str

    with (
        fake_openai(replies(small=boxed("4"))) as server,
        SqliteSaver.from_conn_string(str(tmp_path / "graph.sqlite")) as store,
    ):
        solver = A2R(config_for(server.url))
        graph = StateGraph(State)
        graph.add_node("ask", ask)
        graph.add_edge(START, "ask")
        compiled = graph.compile(checkpointer=store)
        output = compiled.invoke({"answer": ""}, {"configurable": {"thread_id": "t"}})
    assert output["answer"] == "4"
