"""All forms of questions; arguments of the wrong type are `A2RError`s."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
)
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue
from langgraph.checkpoint.memory import InMemorySaver

from a2r import A2R, ChatA2R, answers, as_tool, build_graph, load_config
from a2r.errors import A2RError, ConfigError, OptionError, QuestionError, StoreError
from a2r.persistence import find_run, last_run, list_runs, open_store
from a2r.workflow.inputs import split_history, to_graph_input
from tests.support.fake_openai import boxed, config_for, fake_openai, replies

NOWHERE = config_for("http://127.0.0.1:9/v1")
QUESTION = "What is 2 + 2?"


def stable_id(value: object) -> str:
    """The same ID in all processes: a repr may hold an address."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


@pytest.mark.parametrize(
    "chat",
    [
        [{"role": "user", "content": QUESTION}],
        {"role": "user", "content": QUESTION},
        [("user", QUESTION)],
        ("user", QUESTION),
        ("human", QUESTION),
        [["user", QUESTION]],
        [QUESTION],
        HumanMessage(QUESTION),
        HumanMessageChunk(QUESTION),
        (HumanMessage(QUESTION),),
        ChatMessage(role="user", content=QUESTION),
        StringPromptValue(text=QUESTION),
        ChatPromptValue(messages=[HumanMessage(QUESTION)]),
        [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}],
        [{"type": "human", "content": QUESTION}],
    ],
    ids=stable_id,
)
def test_a_chat_may_have_any_form(chat: Any) -> None:
    assert split_history(to_graph_input(chat)["messages"])[:2] == (QUESTION, [])


def test_the_forms_may_be_mixed() -> None:
    chat: Any = [
        {"role": "system", "content": "Be brief."},
        ("user", "1 + 1?"),
        AIMessage("2"),
        "And 1 + 2?",
        ChatMessage(role="assistant", content="3"),
        {"role": "user", "content": QUESTION},
    ]
    question, history, _ = split_history(to_graph_input(chat)["messages"])
    assert question == QUESTION
    assert [(message["role"], message["content"]) for message in history] == [
        ("system", "Be brief."),
        ("user", "1 + 1?"),
        ("assistant", "2"),
        ("user", "And 1 + 2?"),
        ("assistant", "3"),
    ]


def test_two_texts_are_two_messages() -> None:
    chat: Any = ("What is 1 + 1?", QUESTION)
    question, history, _ = split_history(to_graph_input(chat)["messages"])
    assert (question, history) == (QUESTION, [{"role": "user", "content": "What is 1 + 1?"}])


def test_a_graph_ignores_messages_of_unknown_roles_in_the_history() -> None:
    chat = [ChatMessage(role="critic", content="no"), SystemMessage("s"), HumanMessage(QUESTION)]
    assert split_history(chat)[:2] == (QUESTION, [{"role": "system", "content": "s"}])


@pytest.mark.parametrize(
    ("chat", "error"),
    [
        (None, "got NoneType; a question is a text"),
        (5, "got int"),
        (b"2 + 2?", "got bytes"),
        (iter([QUESTION]), "a question is a text"),
        ([5], "message 1 is no chat message: got int"),
        ([QUESTION, ("user", "a", "b")], "message 2 is no chat message: got tuple"),
        ({}, "its role is missing"),
        ([{"role": "user"}], "its content is missing"),
        ([{"role": "x", "content": "a"}], "its role is 'x'"),
        ({"role": 5, "content": "a"}, "its role is int"),
        ([{"role": "user", "content": 5}], "its content int"),
        ([{"role": "user", "content": "a", "name": 5}], "its field 'name' does not fit"),
        ([{"role": "assistant", "content": "a", "tool_calls": [{"id": 1}]}], "no chat message"),
        ([RemoveMessage("1"), HumanMessage(QUESTION)], "of type RemoveMessage"),
        ([ChatMessage(role="critic", content="no"), QUESTION], "its role is 'critic'"),
        ([], "no question"),
        ([AIMessage("4")], "no user message"),
        (HumanMessage([{"type": "image_url", "image_url": "u"}]), "only text is supported"),
    ],
    ids=stable_id,
)
def test_other_questions_are_rejected(chat: Any, error: str) -> None:
    with pytest.raises(QuestionError, match=error):
        A2R(NOWHERE).ask(chat)


@pytest.mark.integration
def test_chats_reach_the_model() -> None:
    chat: Any = [("system", "Be brief."), {"role": "user", "content": QUESTION}]
    with fake_openai(replies(small=boxed("4"))) as server:
        solver = A2R(config_for(server.url))
        assert solver.ask(chat).answer == "4"
        batch = solver.batch([QUESTION, chat, HumanMessage(QUESTION)])
    assert [result.answer for result in batch if not isinstance(result, Exception)] == ["4"] * 3
    roles = [
        [message["role"] for message in body["messages"]] for body in server.request_log.requests
    ]
    assert roles.count(["system", "user"]) == 8
    assert roles.count(["user"]) == 8


@pytest.mark.parametrize(
    "questions",
    ["abc", b"abc", None, 5, HumanMessage(QUESTION), {"role": "user", "content": QUESTION}, {"a"}],
    ids=stable_id,
)
def test_a_batch_takes_a_list(questions: Any) -> None:
    with pytest.raises(QuestionError, match="a batch is a list of questions"):
        A2R(NOWHERE).batch(questions)


def test_a_batch_can_return_the_errors_of_its_questions() -> None:
    questions: Any = [5, {"role": "x", "content": "a"}]
    errors = A2R(NOWHERE).batch(questions, return_exceptions=True)
    assert [type(error) for error in errors] == [QuestionError, QuestionError]


BAD_CONFIGS: list[Any] = [
    5,
    "sums",
    {"configurable": 5},
    {"tags": "abc"},
    {"tags": [5]},
    {"callbacks": 5},
    {"callbacks": [5]},
    {"metadata": [1]},
    {"recursion_limit": "x"},
    {"max_concurrency": "x"},
    {"max_concurrency": -1},
    {"recursion_limit": 0},
    {"run_id": 5},
    {"run_name": 5},
    {1: 2},
    {"configurable": {1: 2}},
]


@pytest.mark.parametrize("config", BAD_CONFIGS, ids=stable_id)
def test_a_runnable_config_of_the_wrong_type(config: Any) -> None:
    solver = A2R(NOWHERE, checkpointer=InMemorySaver())
    for call in (lambda: solver.ask(QUESTION, config), lambda: solver.resume(config)):
        with pytest.raises(ConfigError, match="config"):
            call()


@pytest.mark.parametrize("overrides", [[1], "explorer.samples=8", [], 0, ()], ids=stable_id)
@pytest.mark.parametrize(
    "call",
    [
        lambda overrides: A2R(NOWHERE, overrides=overrides),
        lambda overrides: A2R(A2R(NOWHERE).workflow, overrides=overrides),
        lambda overrides: A2R(A2R(NOWHERE).config, overrides=overrides),
        lambda overrides: A2R(NOWHERE).ask(QUESTION, overrides=overrides),
        lambda overrides: A2R(NOWHERE).batch([], overrides=overrides),
        lambda overrides: ChatA2R(NOWHERE, overrides=overrides),
        lambda overrides: load_config("local", overrides=overrides),
    ],
)
def test_overrides_of_the_wrong_type(call: Callable[[Any], object], overrides: Any) -> None:
    with pytest.raises(ConfigError, match="overrides are a mapping"):
        call(overrides)


async def _open(store: Any) -> None:
    async with open_store(store):
        pass


WRONG: Any = 5
CALLS: dict[str, tuple[Callable[[], object], type[A2RError], str]] = {
    "config": (lambda: A2R(WRONG), ConfigError, "config is a config's name"),
    "solver as config": (lambda: A2R(A2R(NOWHERE)), ConfigError, "solver.workflow"),  # type: ignore[arg-type]
    "checkpointer": (lambda: A2R(NOWHERE, checkpointer=WRONG), ConfigError, "path or URL"),
    "thread": (
        lambda: A2R(NOWHERE, checkpointer=InMemorySaver()).ask(
            QUESTION, {"configurable": {"thread_id": [1]}}
        ),
        ConfigError,
        "a thread_id is a text",
    ),
    "no config": (lambda: A2R(NOWHERE).resume(None), A2RError, "thread_id"),  # type: ignore[arg-type]
    "return_exceptions": (
        lambda: A2R(NOWHERE).batch([], return_exceptions=WRONG),
        OptionError,
        "True or False",
    ),
    "graph": (lambda: build_graph(WRONG), ConfigError, "config is a config's name"),
    "empty graph config": (lambda: build_graph({}), ConfigError, "explorer"),
    "graph checkpointer": (
        lambda: build_graph(NOWHERE, checkpointer="runs.sqlite"),  # type: ignore[arg-type]
        ConfigError,
        "LangGraph checkpointer",
    ),
    "tool": (lambda: as_tool(WRONG), ConfigError, "config is a config's name"),
    "tool name": (lambda: as_tool(NOWHERE, name=WRONG), ConfigError, "name of a tool"),
    "tool text": (lambda: as_tool(NOWHERE, description=WRONG), ConfigError, "description"),
    "assignments": (lambda: load_config("local", assignments="a=b"), ConfigError, "list of"),
    "assignment": (lambda: load_config("local", assignments=[WRONG]), ConfigError, "key=value"),
    "chat solver": (lambda: ChatA2R(solver=WRONG), ConfigError, "solver is an A2R"),
    "chat field": (lambda: ChatA2R(NOWHERE, samples="x"), OptionError, "option samples"),
    "chat option": (lambda: ChatA2R(NOWHERE).invoke("q", gate=5), OptionError, "option gate"),
    "chat usage": (
        lambda: ChatA2R(NOWHERE).invoke("q", stream_usage="x"),
        OptionError,
        "stream_usage",
    ),
    "schema": (
        lambda: ChatA2R(NOWHERE).with_structured_output(WRONG),
        OptionError,
        "schema is a Pydantic class",
    ),
    "store": (lambda: asyncio.run(_open(WRONG)), StoreError, "path of a file or a URL"),
    "runs": (lambda: asyncio.run(list_runs(WRONG)), StoreError, "open_store"),
    "last run": (lambda: asyncio.run(last_run(WRONG, "t")), StoreError, "open_store"),
    "run": (
        lambda: asyncio.run(find_run(InMemorySaver(), WRONG)),
        StoreError,
        "a thread is a text",
    ),
    "answer text": (lambda: answers.extract(WRONG), A2RError, "text is a text, not int"),
    "answer question": (
        lambda: answers.extract("4", "math", WRONG),
        A2RError,
        "question is a text, not int",
    ),
    "settings": (lambda: answers.extract("4", settings=WRONG), A2RError, "Settings object"),
    "kind": (lambda: answers.extract("4", WRONG), A2RError, "unknown kind 5"),
    "infer_kind": (lambda: answers.infer_kind(WRONG), A2RError, "question is a text"),
    "infer_kind texts": (lambda: answers.infer_kind("q", "ab"), A2RError, "list of texts"),
    "equivalent": (lambda: answers.equivalent(WRONG, "4"), A2RError, "a is an Answer or a text"),
    "equivalent to none": (
        lambda: answers.equivalent("4", None),  # type: ignore[arg-type]
        A2RError,
        "b is an Answer or a text, not NoneType",
    ),
    "cluster": (lambda: answers.cluster("44"), A2RError, "answers are a list, not str"),
    "cluster item": (lambda: answers.cluster([None, WRONG]), A2RError, "answer 1 is an Answer"),
    "acluster": (lambda: asyncio.run(answers.acluster(WRONG)), A2RError, "answers are a list"),
    "grade": (lambda: answers.grade(WRONG, "4"), A2RError, "answer is an Answer or a text"),
    "gold": (lambda: answers.grade("4", WRONG), A2RError, "gold is an Answer or a text"),
    "seconds": (lambda: answers.Settings(compare_seconds="1"), A2RError, "is a number, not str"),  # type: ignore[arg-type]
    "not a number": (
        lambda: answers.Settings(compare_seconds=float("nan")),
        A2RError,
        "greater than 0",
    ),
    "digits": (lambda: answers.Settings(digits=1.5), A2RError, "whole number"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", CALLS)
def test_an_argument_of_the_wrong_type_is_an_a2r_error(name: str) -> None:
    call, error, message = CALLS[name]
    with pytest.raises(error, match=message):
        call()
