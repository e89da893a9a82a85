"""A2R in parent graphs, threads and agents; callbacks and edited graphs."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph

from a2r import A2R, as_tool, build_graph
from a2r.errors import ConfigError
from tests.support.fake_openai import ScriptedReply, boxed, config_for, fake_openai, replies

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
DISAGREEING = [boxed("4"), boxed("5"), boxed("4"), boxed("6")]


def test_two_questions_on_one_thread_share_nothing(tmp_path: Path) -> None:
    def script(body: dict[str, Any], _: int) -> ScriptedReply:
        prompt = body["messages"][-1]["content"]
        if body["model"] == "big":
            return boxed("9")
        return boxed(str(body["seed"])) if "first" in prompt else boxed("7")

    with fake_openai(script) as server:
        graph = build_graph(config_for(server.url), checkpointer=InMemorySaver())
        thread: Any = {"configurable": {"thread_id": "t"}}
        first = graph.invoke({"question": "first question"}, thread)["result"]
        requests = len(server.request_log.requests)
        second = graph.invoke({"question": "second question"}, thread)["result"]
    assert (first["method"], second["method"]) == ("synthesized", "unanimous")
    assert (second["question"], second["answer"]) == ("second question", "7")
    assert len(second["samples"]) == 4
    assert (second["synthesis"], second["warnings"]) == ([], [])
    assert second["usage"]["total"]["calls"] == 4
    assert first["run_id"] != second["run_id"]
    for body in server.request_log.requests[requests:]:
        assert "first" not in str(body["messages"])


async def test_a_checkpoint_on_disk_holds_the_run(tmp_path: Path) -> None:
    with fake_openai(replies(small=DISAGREEING, big=boxed("5"))) as server:
        async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "runs.db")) as saver:
            solver = A2R(config_for(server.url), checkpointer=saver)
            thread: Any = {"configurable": {"thread_id": "t"}}
            result = await solver.aask("2+2?", thread)
            stored = await solver.graph.aget_state(thread)
    assert stored.values["result"] == result.model_dump(mode="json")


class Parent(TypedDict, total=False):
    question: str
    answer: str | None
    notes: Annotated[list[str], operator.add]


@dataclass
class ParentContext:
    samples: int = 99


@pytest.mark.parametrize("context", [None, ParentContext(), {"samples": 3, "a2r": "theirs"}])
async def test_a_subgraph_under_a_parent_with_any_context(context: Any) -> None:
    with fake_openai(replies(small=boxed("4"))) as server:
        schema = ParentContext if isinstance(context, ParentContext) else None
        parent = StateGraph(Parent, context_schema=schema)
        parent.add_node("solve", build_graph(config_for(server.url)))
        parent.add_edge(START, "solve")
        compiled = parent.compile()
        output = await compiled.ainvoke({"question": "2+2?"}, context=context)
        sync = compiled.invoke({"question": "2+2?"}, context=context)
    assert output["answer"] == sync["answer"] == "4"
    assert len(server.request_log.requests) == 8


def test_an_a2r_context_overrides_the_config_for_one_run() -> None:
    with fake_openai(replies(small=boxed("4"))) as server:
        graph = build_graph(config_for(server.url))
        short = graph.invoke({"question": "2+2?"}, context={"a2r": {"explorer.samples": 2}})
        plain = graph.invoke({"question": "2+2?"})
        with pytest.raises(ConfigError, match=r"explorer\.samples"):
            graph.invoke({"question": "2+2?"}, context={"a2r": {"explorer.sampels": 2}})
    assert len(short["result"]["samples"]) == 2
    assert len(plain["result"]["samples"]) == 4


def test_a_subgraph_of_a_messages_agent_gets_the_conversation() -> None:
    with fake_openai(replies(small=boxed("4"))) as server:
        parent = StateGraph(MessagesState)
        parent.add_node("a2r", build_graph(config_for(server.url)))
        parent.add_edge(START, "a2r")
        parent.add_edge("a2r", END)
        greeting = [SystemMessage("Be kind."), HumanMessage("Hi"), AIMessage("Hello")]
        chat = [*greeting, HumanMessage("2+2?")]
        output = parent.compile().invoke({"messages": chat})
    assert [message.type for message in output["messages"]] == [
        *["system", "human", "ai", "human"],
        "ai",
    ]
    assert output["messages"][-1].text.endswith("\\boxed{4}")
    assert output["messages"][-1].response_metadata["a2r"]["method"] == "unanimous"
    messages = server.request_log.requests[0]["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"]
    assert messages[0]["content"] == "Be kind."


def test_an_agent_uses_the_tool() -> None:
    call = {"name": "solve", "args": {"question": "2+2?"}, "id": "1", "type": "tool_call"}

    class Scripted(GenericFakeChatModel):
        def bind_tools(self, tools: Any, **_: Any) -> Any:
            return self

    model = Scripted(messages=iter([AIMessage("", tool_calls=[call]), AIMessage("It is 4.")]))
    with fake_openai(replies(small=boxed("4"))) as server:
        agent = create_agent(model, tools=[as_tool(config_for(server.url))])
        output = agent.invoke({"messages": [HumanMessage("What is 2+2?")]})
    message = next(m for m in output["messages"] if isinstance(m, ToolMessage))
    assert "Answer: 4 (unanimous, agreement 100%)" in message.text
    assert message.artifact.method == "unanimous"
    assert output["messages"][-1].text == "It is 4."


async def test_the_tool_reports_errors_to_the_model() -> None:
    tool = as_tool(config_for("http://127.0.0.1:9/v1", explorer__retries=0))
    assert "no endpoint can be reached" in await tool.ainvoke({"question": "2+2?"})
    assert "the question is empty" in await tool.ainvoke({"question": " "})


async def test_callbacks_tags_and_metadata_of_the_caller_reach_the_model_calls() -> None:
    seen: list[tuple[list[str] | None, Any]] = []

    class Handler(AsyncCallbackHandler):
        async def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            seen.append((kwargs.get("tags"), (kwargs.get("metadata") or {}).get("team")))

    config: Any = {"callbacks": [Handler()], "tags": ["mine"], "metadata": {"team": "blue"}}
    with fake_openai(replies(small=boxed("4"))) as server:
        await A2R(config_for(server.url)).aask("2+2?", config)
    assert len(seen) == 4
    assert all("mine" in (tags or []) and team == "blue" for tags, team in seen)


NEW_NODE = '''
async def veto(state, runtime):
    """Drop every cluster but the last."""
    return {"clusters": state["clusters"][-1:]}


def build('''


def test_editing_the_graph_file_changes_the_workflow(tmp_path: Path) -> None:
    source = (ROOT / "graphs" / "two_stage.py").read_text()
    edited = source.replace("\ndef build(", NEW_NODE, 1).replace(
        'graph.add_edge("cluster", "gate")',
        'graph.add_node("veto", workflow.node(veto))\n'
        '    graph.add_edge("cluster", "veto")\n'
        '    graph.add_edge("veto", "gate")',
    )
    assert edited != source
    (tmp_path / "my_flow.py").write_text(edited)
    with fake_openai(replies(small=DISAGREEING)) as server:
        config = config_for(server.url, graph="my_flow.py")
        import yaml

        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
        result = A2R(tmp_path / "mine.yaml").ask("2+2?")
    assert (result.method, result.answer) == ("unanimous", "6")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def build(workflow): return 1", "not a StateGraph"),
        ("import nowhere_at_all", "ModuleNotFoundError"),
        ("x = 1", "has no function build"),
        (
            "def build(workflow):\n  def veto(s, r): ...\n  workflow.node(veto)",
            "node veto: a node is an",
        ),
        ("def build(workflow): raise ValueError('no')", "ValueError: no"),
        ("def build(:", "SyntaxError"),
    ],
)
def test_a_broken_graph_file_is_a_config_error(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "bad.py").write_text(source)
    config = config_for("http://127.0.0.1:9/v1", graph=str(tmp_path / "bad.py"))
    with pytest.raises(ConfigError, match=message):
        A2R(config)


def test_an_unknown_graph_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'self_consistency'"):
        A2R(config_for("http://127.0.0.1:9/v1", graph="self-consistancy"))
