"""`ChatA2R` without a server: its construction, and LangChain's standard unit tests."""

from __future__ import annotations

import re
from typing import Any, TypedDict

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.runnables import ConfigurableField, RunnableLambda
from langchain_tests.unit_tests import ChatModelUnitTests
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from pydantic import BaseModel, Field

from a2r import A2R
from a2r.errors import ConfigError, OptionError, QuestionError
from a2r.interfaces.langchain.chat_model import ChatA2R
from a2r.interfaces.langchain.chat_request import validate_messages
from a2r.interfaces.langchain.structured_output import response_format, with_structured_output
from a2r.usage import Usage
from a2r.workflow.outcome import message_usage
from a2r.workflow.runnable_config import isolated_config
from tests.support.fake_openai import config_for

NOWHERE = config_for("http://127.0.0.1:9/v1")
CALL = {"name": "add", "args": {}, "id": "1"}


class TestStandard(ChatModelUnitTests):
    """LangChain's standard unit tests of a chat model."""

    chat_model_class = ChatA2R
    has_tool_calling = False
    supports_model_override = False

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {"temperature": 0, "max_tokens": 100, "stop": []}

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"config": NOWHERE}

    @pytest.mark.xfail(strict=True, reason="asks for method='function_calling', too")
    def test_with_structured_output(self, model: Any, schema: Any) -> None:
        super().test_with_structured_output(model, schema)


def test_a_model_is_made_from_a_config_or_shares_a_solver() -> None:
    solver = A2R(NOWHERE, checkpointer=InMemorySaver())
    shared = ChatA2R(solver=solver, overrides={"graph": "self_consistency", "explorer.samples": 9})
    assert shared.solver.workflow.models.ledger is solver.workflow.models.ledger
    assert shared.solver.config.config.graph == "self_consistency"
    assert solver.config.config.explorer.samples == 4
    assert ChatA2R("tiny").model_name == ChatA2R(config="tiny").model_name == "tiny"
    with pytest.raises(ConfigError, match="not both"):
        ChatA2R("tiny", solver=solver)
    with pytest.raises(ConfigError, match="did you mean"):
        ChatA2R("tinny")
    with pytest.raises(OptionError, match=r"temprature.*did you mean 'temperature'"):
        ChatA2R(NOWHERE, temprature=1)


def test_the_name_and_the_identifying_parameters() -> None:
    model = ChatA2R("tiny", samples=3)
    assert model._llm_type == "a2r"
    known = model.asdict()
    assert (known["_type"], known["model_name"], known["samples"]) == ("a2r", "tiny", 3)
    other = ChatA2R("tiny", overrides={"gate.quorum": 1.0}, samples=3).asdict()
    assert known == ChatA2R("tiny", samples=3).asdict()
    assert known != other
    assert model._get_ls_params(stop=["."]) == {
        "ls_provider": "a2r",
        "ls_model_name": "tiny",
        "ls_model_type": "chat",
        "ls_stop": ["."],
    }
    assert "solver" not in repr(model)


def test_a_field_can_be_made_configurable_and_the_models_stay_shared() -> None:
    model = ChatA2R(NOWHERE)
    runnable: Any = model.configurable_fields(samples=ConfigurableField(id="samples"))
    made, _ = runnable.prepare({"configurable": {"samples": 2}})
    assert made.samples == 2
    assert made.solver.workflow.models.ledger is model.solver.workflow.models.ledger


HI = HumanMessage("Hi")


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([], "no messages: a chat has to end with a human message"),
        ([HI, AIMessage("Hello")], "the last message is of type ai"),
        ([HI, SystemMessage("Be brief.")], "the last message is of type system"),
        ([HI, AIMessage("", tool_calls=[CALL]), HI], "tool calls; ChatA2R does not call tools"),
        ([HI, ToolMessage("4", tool_call_id="1")], "use A2R as a tool of another model"),
        ([ChatMessage("Hi", role="user")], "ChatMessage is not supported"),
    ],
)
def test_a_chat_without_a_question_is_rejected(messages: list[BaseMessage], error: str) -> None:
    with pytest.raises(QuestionError, match=error):
        validate_messages(messages)
    with pytest.raises(QuestionError, match=error):
        ChatA2R(NOWHERE).invoke(messages)


def test_an_image_is_rejected_before_any_request() -> None:
    picture = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}
    with pytest.raises(QuestionError, match="only text is supported"):
        ChatA2R(NOWHERE).invoke([HumanMessage([picture])])


def test_unsupported_features_are_rejected_with_an_alternative() -> None:
    model = ChatA2R(NOWHERE)
    with pytest.raises(NotImplementedError, match="as_tool"):
        model.bind_tools([lambda x: x])
    with pytest.raises(NotImplementedError, match="as_tool"):
        model.invoke("2+2?", tools=[CALL])
    with pytest.raises(OptionError, match="no option 'sampels'; did you mean 'samples'"):
        model.invoke("2+2?", sampels=2)
    with pytest.raises(ConfigError, match=r"explorer\.samples"):
        model.invoke("2+2?", samples=0)
    with pytest.raises(OptionError, match=r"option max_tokens: .* valid integer.*, got 'few'"):
        model.invoke("2+2?", max_tokens="few")
    with pytest.raises(OptionError, match=r"option response_format: .* dictionary"):
        model.invoke("2+2?", response_format=Sum)
    with pytest.raises(ConfigError, match="response_format"):
        model.invoke("2+2?", response_format={"type": "xml"})
    with pytest.raises(ValueError, match="use 'json_schema' or 'json_mode'"):
        model.with_structured_output(Sum, method="function_calling")
    with pytest.raises(ValueError, match="unsupported arguments: tools"):
        model.with_structured_output(Sum, tools=[])
    with pytest.raises(ValueError, match="needs a schema"):
        model.with_structured_output()


def test_an_unknown_usage_is_none() -> None:
    known = Usage(prompt_tokens=3, completion_tokens=4, reasoning_tokens=None)
    assert message_usage(known) == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    thinking = message_usage(Usage(prompt_tokens=3, completion_tokens=4, reasoning_tokens=2))
    assert thinking is not None
    assert thinking["output_token_details"] == {"reasoning": 2}
    assert message_usage(Usage(prompt_tokens=None, completion_tokens=4)) is None
    assert message_usage(Usage(prompt_tokens=3, completion_tokens=None)) is None


class Sum(BaseModel):
    """A sum."""

    total: int = Field(description="the total")


class SumDict(TypedDict):
    """A sum."""

    total: int


FUNCTION = {
    "name": "Sum",
    "parameters": {"type": "object", "properties": {"total": {"type": "integer"}}},
}


def test_a_title_becomes_a_name_that_openai_accepts() -> None:
    long = response_format({"title": "My title, with ünits " * 5}, "json_schema", strict=None)
    assert re.fullmatch("My_title__with__nits_[A-Za-z0-9_-]{43}", long["json_schema"]["name"])
    bare = response_format({"type": "object"}, "json_schema", strict=None)
    assert bare["json_schema"]["name"] == "answer"


@pytest.mark.parametrize("schema", [Sum, SumDict, Sum.model_json_schema(), FUNCTION])
def test_every_kind_of_schema_becomes_a_response_format(schema: Any) -> None:
    converted = response_format(schema, "json_schema", strict=True)
    assert converted["type"] == "json_schema"
    assert converted["json_schema"]["name"] in ("Sum", "SumDict")
    assert converted["json_schema"]["strict"] is True
    assert converted["json_schema"]["schema"]["properties"]["total"]["type"] == "integer"


def test_a_schema_that_is_not_an_object_is_unchanged() -> None:
    numbers = {"type": "array", "items": {"type": "number"}}
    assert response_format(numbers, "json_schema")["json_schema"] == {
        "name": "answer",
        "schema": numbers,
    }
    assert response_format(None, "json_mode") == {"type": "json_object"}


def writes(text: str, warnings: tuple[str, ...] = ()) -> RunnableLambda[Any, AIMessage]:
    metadata = {"finish_reason": "length", "a2r": {"warnings": list(warnings)}}
    return RunnableLambda(lambda _: AIMessage(text, response_metadata=metadata))


def test_no_answer_is_an_error_or_an_entry_in_the_metadata() -> None:
    none = writes("", ("all samples were cut off",))
    why = r"no answer conforms.*\(finish reason length: all samples were cut off\)"
    with pytest.raises(OutputParserException, match=why):
        with_structured_output(none, Sum, include_raw=False).invoke("q")
    raw = with_structured_output(none, Sum, include_raw=True).invoke("q")
    assert raw["raw"].text == ""
    assert raw["parsed"] is None
    assert "no answer conforms" in str(raw["parsing_error"])
    right = with_structured_output(writes('{"total": 4}'), Sum, include_raw=True).invoke("q")
    assert (right["parsed"], right["parsing_error"]) == (Sum(total=4), None)
    assert with_structured_output(writes('{"total": 4}'), None, include_raw=False).invoke("q") == {
        "total": 4
    }


def test_a_nested_run_does_not_use_the_checkpointer_of_its_parent() -> None:
    configs: list[Any] = []

    def note(_: MessagesState) -> dict[str, Any]:
        configs.extend([isolated_config(), isolated_config(inherit_checkpointer=True)])
        return {}

    graph = StateGraph(MessagesState)
    graph.add_node("note", note)
    graph.add_edge(START, "note")
    graph.add_edge("note", END)
    thread: Any = {"configurable": {"thread_id": "t"}}
    graph.compile(checkpointer=InMemorySaver()).invoke({"messages": []}, thread)
    isolated, inherited = configs
    assert list(isolated["configurable"].values()) == [None]
    assert "configurable" not in inherited
    assert "configurable" not in isolated_config()
    assert isolated["recursion_limit"] == inherited["recursion_limit"] > 1000
