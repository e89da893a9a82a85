"""The tools of `a2r mcp` with the SDK's client: both transports, both protocol eras."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import jsonschema
import pytest

from tests.support.fake_openai import ScriptedReply, boxed, replies
from tests.support.mcp import McpSetup, called, failed, make_setup, read, schemas
from tests.support.mcp_client import ERAS, Client, MCPError

pytestmark = pytest.mark.integration

DISAGREEING = [boxed("4"), boxed("5"), boxed("4"), boxed("6")]
TRANSPORTS = [(transport, era) for transport in ("stdio", "http") for era in ERAS]
QUESTION = {"question": "What is 2 + 2?"}
Connecting = AbstractAsyncContextManager[Client]


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[McpSetup]:
    with make_setup(tmp_path_factory.mktemp("mcp")) as made:
        yield made


@pytest.fixture(params=TRANSPORTS, ids="-".join)
def every_client(request: pytest.FixtureRequest, setup: McpSetup) -> Connecting:
    return setup.client(*request.param)


@pytest.fixture(params=[TRANSPORTS[len(ERAS) - 1], TRANSPORTS[len(ERAS)]], ids="-".join)
def client(request: pytest.FixtureRequest, setup: McpSetup) -> Connecting:
    return setup.client(*request.param)


async def test_solve(setup: McpSetup, every_client: Connecting) -> None:
    log = setup.script(replies(small=DISAGREEING, big=boxed("5")))
    async with every_client as mcp:
        solved = await called(mcp, "solve", QUESTION)
        run = await read(mcp, f"a2r://runs/{solved['run_id']}")
        single = await called(mcp, "solve", QUESTION | {"samples": 1, "setup": "two"})
    assert solved == {
        "answer": "5",
        "method": "synthesized",
        "agreement": 0.5,
        "agreement_samples": 4,
        "solution": "I think so.\n\\boxed{5}",
        "kind": "math",
        "clusters": [
            {"answer": "4", "votes": 2},
            {"answer": "5", "votes": 1},
            {"answer": "6", "votes": 1},
        ],
        "samples": 4,
        "tokens": 5 * 15,
        "cost": None,
        "warnings": [],
        "run_id": run["run_id"],
    }
    assert (run["question"], len(run["samples"])) == (QUESTION["question"], 4)
    assert run["synthesis"][0]["text"] == solved["solution"]
    assert (single["method"], single["samples"], single["answer"]) == ("single", 1, "4")
    assert [request["seed"] for request in log.calls("small")].count(0) == 2
    assert len(log.requests) == 6


async def test_answers(client: Connecting) -> None:
    async with client as mcp:
        same = await called(mcp, "compare_answers", {"a": r"2\sqrt{2}", "b": r"\sqrt{8}"})
        other = await called(mcp, "compare_answers", {"a": "A", "b": "B", "kind": "choice"})
        groups = await called(mcp, "cluster_answers", {"answers": ["1", "1/2", None, "0.5"]})
        none = await called(mcp, "cluster_answers", {"answers": []})
        wrong = await failed(mcp, "compare_answers", {"a": "1", "b": "2", "kind": "poem"})
    assert same == {"same": True, "undecided": False}
    assert other == {"same": False, "undecided": False}
    assert groups["clusters"] == [
        {"answer": "1/2", "votes": 2, "positions": [1, 3], "undecided": False},
        {"answer": "1", "votes": 1, "positions": [0], "undecided": False},
    ]
    assert none == {"clusters": []}
    assert wrong == ["kind: input should be 'auto', 'math', 'choice', 'text', 'json' or 'code'"]


async def test_the_tools_are_described_to_clients(
    client: Connecting,
) -> None:
    async with client as mcp:
        tools = await schemas(mcp)
        assert mcp.instructions is not None
    assert list(tools) == ["solve", "compare_answers", "cluster_answers"]
    assert "Slow" in tools["solve"].description
    arguments = tools["solve"].input_schema["properties"]
    assert tools["solve"].input_schema["required"] == ["question"]
    assert "mine, two" in arguments["setup"]["description"]
    assert arguments["samples"]["anyOf"][0] == {"minimum": 1, "maximum": 8, "type": "integer"}
    for tool in tools.values():
        assert tool.annotations.read_only_hint
        jsonschema.Draft202012Validator.check_schema(tool.output_schema)
        for argument in tool.input_schema["properties"].values():
            assert argument.get("description") or argument["title"] in ("A", "B")


async def test_progress(setup: McpSetup, every_client: Connecting) -> None:
    setup.script(replies(small=DISAGREEING, big=boxed("5")))
    notifications: list[tuple[float, float | None, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        notifications.append((progress, total, message))

    async with every_client as mcp:
        await called(mcp, "solve", QUESTION, progress_callback=on_progress)
    values = [value for value, _, _ in notifications]
    assert values == sorted(set(values))
    assert {total for _, total, _ in notifications} == {5.0}
    assert notifications[0] == (0.0, 5.0, "sampling (up to 4)")
    assert notifications[-1] == (5.0, 5.0, "synthesized: answer 5")
    messages = [str(message) for _, _, message in notifications]
    assert [value for value in values if value == int(value)] == [0, 1, 2, 3, 4, 5]
    assert any(message.startswith("sample 4 of 4 done") for message in messages)
    assert "votes: 2 for 4, 1 for 5, 1 for 6" in messages
    assert any(message.startswith("gate: synthesize") for message in messages)


async def test_cancelling_a_tool_call_cancels_its_model_calls(
    setup: McpSetup, every_client: Connecting
) -> None:
    log = setup.script(lambda *_: ScriptedReply(hang=True))
    async with every_client as mcp:
        calling = asyncio.create_task(mcp.call_tool("solve", QUESTION))
        await log.until(lambda b: len(b.requests) == 4)
        calling.cancel()
        await log.until(lambda b: b.cancelled == 4)
        with pytest.raises(MCPError, match=r"(?i)timed out"):
            await mcp.call_tool("solve", QUESTION, read_timeout_seconds=0.5)
        await log.until(lambda b: b.outstanding == 0)
        assert log.cancelled == len(log.requests)
        setup.script(replies(small=boxed("4")))
        assert (await called(mcp, "solve", QUESTION))["method"] == "unanimous"


async def test_a_client_may_leave_during_a_call(setup: McpSetup, every_client: Connecting) -> None:
    log = setup.script(lambda *_: ScriptedReply(hang=True))
    async with every_client as mcp:
        calling = asyncio.create_task(mcp.call_tool("solve", QUESTION))
        await log.until(lambda b: len(b.requests) == 4)
    calling.cancel()
    (error,) = await asyncio.gather(calling, return_exceptions=True)
    assert isinstance(error, BaseException)
    await log.until(lambda b: b.cancelled == 4)


async def test_ten_concurrent_calls(setup: McpSetup, every_client: Connecting) -> None:
    def script(body: dict[str, Any], _: int) -> ScriptedReply:
        return boxed(body["messages"][-1]["content"].split()[2])

    log = setup.script(script)
    async with every_client as mcp:
        questions = [{"question": f"What is {n} + 0?"} for n in range(10)]
        results = await asyncio.gather(*(called(mcp, "solve", each) for each in questions))
    assert [each["answer"] for each in results] == [str(n) for n in range(10)]
    assert len({each["run_id"] for each in results}) == 10
    assert len(log.requests) == 40


async def test_invalid_arguments_are_a_one_line_error(setup: McpSetup, client: Connecting) -> None:
    log = setup.script(replies(small=boxed("4")))
    async with client as mcp:
        assert await failed(mcp, "solve", {"question": " \n"}) == ["the question is empty"]
        for config in (
            "another",
            "../mine.yaml",
            str(setup.folder / "mine.yaml"),
            "",
            "mine/select",
        ):
            said = f"unknown config {config!r}: use one of mine, two"
            assert await failed(mcp, "solve", QUESTION | {"setup": config}) == [said]
        assert await failed(mcp, "solve", QUESTION | {"samples": 9}) == [
            "samples: input should be less than or equal to 8"
        ]
        assert await failed(mcp, "solve", {}) == ["question: field required"]
        assert await failed(mcp, "solved", {}) == ["unknown tool 'solved'; did you mean 'solve'?"]
        assert await failed(mcp, "cluster_answers", {"answers": ["1", 2]}) == [
            "answers.1: input should be a valid string"
        ]
    assert log.requests == []


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("solve", {"config": "two"}, "unknown argument 'config'; did you mean 'setup'?"),
        ("solve", {"config": None}, "unknown argument 'config'; did you mean 'setup'?"),
        ("solve", {"sample": 2}, "unknown argument 'sample'; did you mean 'samples'?"),
        (
            "solve",
            {"temperature": 1},
            "unknown argument 'temperature'; known: question, samples, setup",
        ),
        ("compare_answers", {"kinds": "math"}, "unknown argument 'kinds'; did you mean 'kind'?"),
    ],
)
async def test_unknown_arguments_are_refused(
    setup: McpSetup, client: Connecting, tool: str, arguments: dict[str, Any], message: str
) -> None:
    log = setup.script(replies(small=boxed("4")))
    async with client as mcp:
        schema = (await schemas(mcp))[tool].input_schema
        required = dict.fromkeys(schema["required"], "4")
        assert await failed(mcp, tool, required | arguments) == [message]
    assert schema["additionalProperties"] is False
    assert log.requests == []


async def test_arguments_as_json_text_are_decoded(setup: McpSetup, client: Connecting) -> None:
    setup.script(replies(small=boxed("4")))
    async with client as mcp:
        solved = await called_unchecked(
            mcp, "solve", QUESTION | {"setup": "null", "samples": "2", "question": "null"}
        )
        run = await read(mcp, f"a2r://runs/{solved['run_id']}")
        groups = await called_unchecked(mcp, "cluster_answers", {"answers": '["1/2", null, "0.5"]'})
    assert (run["question"], run["config"], len(run["samples"])) == ("null", "mine", 2)
    assert groups["clusters"][0]["positions"] == [0, 2]


async def called_unchecked(client: Client, name: str, arguments: dict[str, Any]) -> Any:
    """The structured output of a tool for arguments that its schema does not have."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error
    return result.structured_content


async def test_the_error_without_an_answer_names_the_status_of_the_samples(
    setup: McpSetup, client: Connecting
) -> None:
    setup.script(replies(small=ScriptedReply(status=400, error="the model is\nout to lunch")))
    async with client as mcp:
        said, where = await failed(mcp, "solve", QUESTION)
        run = await read(mcp, where.rpartition(" ")[2])
    assert said.startswith("none of 4 samples finished: 4 failed at http://127.0.0.1:")
    assert "out to lunch" in said
    assert [sample["status"] for sample in run["samples"]] == ["failed"] * 4


async def test_lone_surrogates_cause_no_error(setup: McpSetup, client: Connecting) -> None:
    said = [
        ScriptedReply(text="It is \ud83d.\n\\boxed{4}"),
        ScriptedReply(status=400, error="no \ud83d"),
    ]
    setup.script(replies(small=said))
    async with client as mcp:
        solved = await called(mcp, "solve", QUESTION | {"samples": 1})
        run = await read(mcp, f"a2r://runs/{solved['run_id']}")
        setup.script(replies(small=said[1]))
        error, where = await failed(mcp, "solve", QUESTION)
        assert len((await read(mcp, where.rpartition(" ")[2]))["samples"]) == 4
    assert solved["solution"] == run["text"] == "It is \ufffd.\n\\boxed{4}"
    assert "no \ufffd" in error
