"""`langgraph dev` serves the graphs; LangGraph's SDK works with them."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from langgraph_sdk import get_client, get_sync_client
from langgraph_sdk.client import LangGraphClient

from a2r.events import AnyEvent, RunFinished, SynthesisDelta, parse_event
from tests.support.fake_openai import RequestLog, ScriptedReply, boxed, config_for, replies
from tests.support.langgraph_server import ROOT, PausingServer, langgraph_dev
from tests.support.preloaded_python import python

pytestmark = pytest.mark.integration

PAGE = (ROOT / "docs" / "langgraph-server.md").read_text()
GRAPHS = ["a2r", "cascade", "rounds", "select", "self_consistency", "single"]
AGREEING = replies(small=boxed("4"))
DISAGREEING = replies(small=[boxed("4"), boxed("5"), boxed("6"), boxed("7")], big=boxed("9"))
QUESTION = {"question": "2+2?"}
TWO = {"a2r": {"explorer.samples": 2}}
ALL = {"a2r": {"stop.lossless": False}}
SCHEMA = {"type": "object", "properties": {"total": {"type": "integer"}}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def chat(*texts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text} for text in texts]}


def hanging(*seeds: int) -> Any:
    """A script in which these samples never end."""
    return lambda body, _: ScriptedReply(hang=True) if body["seed"] in seeds else boxed("4")


def seeds(upstream: PausingServer) -> list[int]:
    return sorted(body["seed"] for body in upstream.request_log.requests)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[PausingServer]:
    with PausingServer(AGREEING) as server:
        yield server


@pytest.fixture(scope="module")
def config(endpoint: PausingServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "served.yaml"
    path.write_text(yaml.safe_dump(config_for(endpoint.url)))
    return path


@pytest.fixture(scope="module")
def url(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    with langgraph_dev(folder, "--n-jobs-per-worker", "8", A2R_CONFIG=str(config)) as address:
        yield address


@pytest.fixture
def upstream(endpoint: PausingServer) -> Iterator[PausingServer]:
    """The endpoint with an empty request log; no call may be in flight at the end of a test."""
    endpoint.request_log, endpoint.script, endpoint.resume_event = RequestLog(), AGREEING, None
    yield endpoint
    log = endpoint.request_log
    with log.changed:
        assert log.changed.wait_for(lambda: log.outstanding == 0, timeout=10)


@pytest.fixture
async def client(url: str) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=url) as opened:
        yield opened


@pytest.fixture
async def thread(client: LangGraphClient) -> str:
    return str((await client.threads.create())["thread_id"])


async def collect_events(stream: AsyncIterator[Any]) -> list[AnyEvent]:
    return [event async for part in stream if (event := parse_event(part.data)) is not None]


async def until_two_samples_finished(stream: AsyncIterator[Any]) -> None:
    """Read a stream of updates until two samples are committed."""
    finished = 0
    async for part in stream:
        finished += "explore" in part.data
        if finished == 2:
            return


async def test_all_graphs_run_concurrently(
    client: LangGraphClient, upstream: PausingServer
) -> None:
    served = {assistant["graph_id"] for assistant in await client.assistants.search()}
    assert sorted(served) == GRAPHS
    waiting = [client.runs.wait(None, name, input=QUESTION, context=ALL) for name in GRAPHS]
    for output in await asyncio.gather(*waiting):
        method = "single" if len(output["result"]["samples"]) == 1 else "unanimous"
        assert (output["answer"], output["result"]["method"]) == ("4", method)


def test_the_synchronous_client(url: str, upstream: PausingServer) -> None:
    client = get_sync_client(url=url)
    parts = list(client.runs.stream(None, "a2r", input=QUESTION, stream_mode="custom"))
    last = parse_event(parts[-1].data)
    assert isinstance(last, RunFinished)
    assert last.result.answer == "4"


async def test_studio_gets_the_input_schema(client: LangGraphClient) -> None:
    [assistant] = await client.assistants.search(graph_id="a2r")
    schemas = await client.assistants.get_schemas(assistant["assistant_id"])
    assert set(schemas["input_schema"]["properties"]) == {"question", "messages"}
    assert set(schemas["output_schema"]["properties"]) == {"messages", "answer", "result"}
    assert "a2r" in schemas["context_schema"]["properties"]
    drawn = await client.assistants.get_graph(assistant["assistant_id"])
    assert {"explore", "gate", "synthesize"} <= {node["id"] for node in drawn["nodes"]}


async def test_a_context_applies_to_a_run_or_an_assistant(
    client: LangGraphClient, upstream: PausingServer, thread: str
) -> None:
    two = await client.runs.wait(thread, "a2r", input=QUESTION, context=TWO)
    four = await client.runs.wait(thread, "a2r", input=QUESTION)
    short = await client.assistants.create("a2r", context=TWO, name="short")
    named = await client.runs.wait(None, short["assistant_id"], input=QUESTION)
    sizes = [len(output["result"]["samples"]) for output in (two, four, named)]
    assert sizes == [2, 4, 2]


async def test_a_context_can_set_a_response_format(
    client: LangGraphClient, upstream: PausingServer
) -> None:
    upstream.script = lambda body, _: ScriptedReply(text='{"total": 4}')
    wanted = {"type": "json_schema", "json_schema": {"name": "sum", "schema": SCHEMA}}
    context = {"a2r": {"kind": "json", "answers.response_format": wanted}}
    output = await client.runs.wait(None, "a2r", input={"question": "2+2?"}, context=context)
    assert json.loads(output["answer"]) == {"total": 4}


async def test_a_config_can_set_a_response_format(upstream: PausingServer, tmp_path: Path) -> None:
    upstream.script = lambda body, _: ScriptedReply(text='{"total": 4}')
    wanted = {"type": "json_schema", "json_schema": {"name": "sum", "schema": SCHEMA}}
    config = config_for(upstream.url, kind="json", answers={"response_format": wanted})
    path = tmp_path / "json.yaml"
    path.write_text(yaml.safe_dump(config))
    with langgraph_dev(tmp_path, A2R_CONFIG=str(path)) as address:
        async with get_client(url=address) as client:
            output = await client.runs.wait(None, "select", input=QUESTION)
    assert json.loads(output["answer"]) == {"total": 4}


@pytest.mark.parametrize(
    ("run_input", "message"),
    [
        ({"context": {"a2r": {"explorer.sampels": 2}}}, r"unknown key.*explorer\.samples"),
        ({"context": {"a2r": {"graph": "cascade"}}}, "the context cannot change the graph"),
        ({"input": chat([IMAGE])}, "image_url.*only text is supported"),
    ],
)
async def test_errors_of_a_run_are_readable(
    client: LangGraphClient, upstream: PausingServer, run_input: dict[str, Any], message: str
) -> None:
    with pytest.raises(Exception, match=message):
        await client.runs.wait(None, "a2r", **{"input": QUESTION, **run_input})
    assert upstream.request_log.requests == []


async def test_a_run_without_an_answer_stores_its_samples(
    client: LangGraphClient, upstream: PausingServer, thread: str
) -> None:
    upstream.script = replies(small=ScriptedReply(status=400, error="no such model"))
    with pytest.raises(Exception, match=r"none of 4 samples finished.*no such model"):
        await client.runs.wait(thread, "a2r", input=QUESTION)
    assert (await client.threads.get(thread))["status"] == "error"
    samples = (await client.threads.get_state(thread))["values"]["samples"]
    assert [sample["status"] for sample in samples] == ["failed"] * 4


async def test_events_are_typed(
    client: LangGraphClient, upstream: PausingServer, thread: str
) -> None:
    upstream.script = DISAGREEING
    events = await collect_events(
        client.runs.stream(thread, "a2r", input=QUESTION, stream_mode="custom")
    )
    types = [event.type for event in events]
    assert types == [
        "run_started",
        *["sample_started"] * 4,
        *["sample_finished"] * 4,
        *["clustered", "gate_decided", "references_packed"],
        *["synthesis_started", "synthesis_finished", "finished"],
    ]
    last = events[-1]
    assert isinstance(last, RunFinished)
    assert last.result.method == "synthesized"
    state = await client.threads.get_state(thread)
    assert state["values"]["result"] == last.result.model_dump(mode="json")


async def test_a_streamed_run_reports_the_text_as_it_grows(
    client: LangGraphClient, upstream: PausingServer
) -> None:
    upstream.script = DISAGREEING
    config = {"configurable": {"a2r_watch": True, **TWO}}
    stream = client.runs.stream(None, "a2r", input=QUESTION, config=config, stream_mode="custom")
    events = await collect_events(stream)
    written = "".join(event.text for event in events if isinstance(event, SynthesisDelta))
    assert written == boxed("9").text
    assert "sample_progress" in {event.type for event in events}
    assert len(upstream.request_log.calls("small")) == 2


async def test_nodes_and_tokens_are_streamed(
    client: LangGraphClient, upstream: PausingServer, thread: str
) -> None:
    upstream.script = DISAGREEING
    modes: Any = ["updates", "messages-tuple"]
    nodes: list[str] = []
    texts: dict[tuple[str, str], str] = {}
    async for part in client.runs.stream(thread, "a2r", input=QUESTION, stream_mode=modes):
        if part.event == "updates":
            nodes += part.data
        if part.event == "messages":
            message, about = part.data
            call = (about["langgraph_node"], message["id"])
            texts[call] = texts.get(call, "") + message["content"]
    assert nodes[:5] == ["prepare", *["explore"] * 4]
    assert nodes[5:] == ["extract", "cluster", "gate", "pack", "synthesize", "finalize"]
    written = sorted((node, text) for (node, _), text in texts.items())
    assert written == [
        *(("explore", boxed(answer).text) for answer in "4567"),
        ("finalize", boxed("9").text),
        ("prepare", "2+2?"),
        ("synthesize", boxed("9").text),
    ]


async def test_tokens_are_streamed_during_generation(
    client: LangGraphClient, upstream: PausingServer
) -> None:
    upstream.resume_event = threading.Event()
    seen = []
    stream = client.runs.stream(None, "a2r", input=QUESTION, context=TWO, stream_mode="messages")
    async for part in stream:
        if part.event == "messages/partial":
            seen.append(part.data[0]["content"])
            upstream.resume_event.set()
    text = boxed("4").text
    assert seen[0] == text[: len(text) // 2]
    assert text in seen


async def test_a_thread_stores_the_chat_and_resets_the_other_state(
    client: LangGraphClient, upstream: PausingServer, thread: str
) -> None:
    upstream.script = DISAGREEING
    first = await client.runs.wait(thread, "a2r", input=chat("First?"))
    upstream.script = AGREEING
    second = await client.runs.wait(thread, "a2r", input=chat("Second?"))
    assert (first["result"]["method"], second["result"]["method"]) == ("synthesized", "unanimous")
    assert (second["result"]["synthesis"], second["result"]["usage"]["total"]["calls"]) == ([], 4)
    messages = upstream.request_log.requests[-1]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[1]["content"] == boxed("9").text

    third = await client.runs.wait(thread, "a2r", input={"question": "Third?"})
    assert len(upstream.request_log.requests[-1]["messages"]) == 1
    assert [message["type"] for message in third["messages"]] == ["human", "ai"] * 3
    state = await client.threads.get_state(thread)
    assert state["values"]["messages"] == third["messages"]
    assert state["next"] == []
    history = await client.threads.get_history(thread, limit=100)
    assert [checkpoint["next"] for checkpoint in history].count(["gate"]) == 3


async def test_joining_a_background_run(
    client: LangGraphClient, upstream: PausingServer, thread: str
) -> None:
    run = await client.runs.create(thread, "a2r", input=QUESTION)
    output = await client.runs.join(thread, run["run_id"])
    assert output["answer"] == "4"
    assert (await client.runs.get(thread, run["run_id"]))["status"] == "success"


async def test_concurrent_runs_are_independent(
    client: LangGraphClient, upstream: PausingServer
) -> None:
    upstream.resume_event = threading.Event()
    upstream.script = lambda body, _: boxed(body["messages"][0]["content"][0])
    numbers = [str(number) for number in range(6)]
    waiting = asyncio.gather(
        *(client.runs.wait(None, "a2r", input={"question": f"{n}+0?"}) for n in numbers)
    )
    await upstream.request_log.until(lambda log: log.outstanding == 6 * 4)
    upstream.resume_event.set()
    assert [output["answer"] for output in await waiting] == numbers


async def test_a_cancelled_run_resumes_without_repeated_calls(
    client: LangGraphClient, upstream: PausingServer, thread: str
) -> None:
    upstream.script = hanging(2, 3)
    await until_two_samples_finished(
        client.runs.stream(thread, "a2r", input=QUESTION, stream_mode="updates")
    )
    [run] = await client.runs.list(thread)
    await client.runs.cancel(thread, run["run_id"], wait=True, action="interrupt")
    await upstream.request_log.until(lambda log: log.outstanding == 0)
    assert upstream.request_log.cancelled == 2
    assert (await client.runs.get(thread, run["run_id"]))["status"] == "interrupted"
    assert (await client.threads.get_state(thread))["next"] == ["explore", "explore"]

    upstream.script = AGREEING
    output = await client.runs.wait(thread, "a2r", input=None)
    assert [sample["status"] for sample in output["result"]["samples"]] == ["answered"] * 4
    assert seeds(upstream) == [0, 1, 2, 2, 3, 3]
    assert await client.runs.wait(thread, "a2r", input=None) == output
    assert len(upstream.request_log.requests) == 6


async def test_a_disconnect_cancels_the_calls_if_requested(
    client: LangGraphClient, upstream: PausingServer
) -> None:
    upstream.script = hanging(0, 1, 2, 3)
    waits = client.runs.wait(None, "a2r", input=QUESTION, on_disconnect="cancel")
    stream = client.runs.stream(
        None, "a2r", input=QUESTION, stream_mode="custom", on_disconnect="cancel"
    )
    leaving = [asyncio.create_task(request) for request in (waits, collect_events(stream))]
    await upstream.request_log.until(lambda log: log.outstanding == 8)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    await upstream.request_log.until(lambda log: log.outstanding == 0)
    assert upstream.request_log.cancelled == 8


async def test_a_run_stops_at_a_breakpoint(
    client: LangGraphClient, upstream: PausingServer, thread: str
) -> None:
    await client.runs.wait(thread, "a2r", input=QUESTION, interrupt_before=["gate"])
    state = await client.threads.get_state(thread)
    assert state["next"] == ["gate"]
    assert [group["votes"] for group in state["values"]["clusters"]] == [4]
    output = await client.runs.wait(thread, "a2r", input=None)
    assert (output["answer"], len(upstream.request_log.requests)) == ("4", 4)


async def test_a_restarted_server_resumes_its_runs(
    upstream: PausingServer, config: Path, tmp_path: Path
) -> None:
    """Use the langgraph.json and the command of the page."""
    [described] = map(json.loads, blocks("json"))
    assert (
        described["graphs"].items()
        <= json.loads((ROOT / "langgraph.json").read_text())["graphs"].items()
    )
    described["env"]["A2R_CONFIG"] = str(config)
    graphs = tmp_path / "langgraph.json"
    graphs.write_text(json.dumps(described))
    [flags] = re.findall(r"^A2R_CONFIG=\S+ langgraph dev (.*)", blocks("bash")[0], re.MULTILINE)
    upstream.script = hanging(2, 3)
    with langgraph_dev(tmp_path, *shlex.split(flags), graphs=graphs) as address:
        async with get_client(url=address) as client:
            thread = (await client.threads.create())["thread_id"]
            await until_two_samples_finished(
                client.runs.stream(thread, "a2r", input=QUESTION, stream_mode="updates")
            )
            [run] = await client.runs.list(thread)
    await upstream.request_log.until(lambda log: log.outstanding == 0)
    upstream.script = AGREEING
    with langgraph_dev(tmp_path, *shlex.split(flags), graphs=graphs) as address:
        async with get_client(url=address) as client:
            output = await client.runs.join(thread, run["run_id"])
    assert output["answer"] == "4"
    assert seeds(upstream) == [0, 1, 2, 2, 3, 3]


def test_the_programs_of_the_page_run(url: str, upstream: PausingServer, tmp_path: Path) -> None:
    seeds: list[int] = []

    def script(body: dict[str, Any], _: int) -> ScriptedReply:
        if "14 + 28" not in body["messages"][0]["content"]:
            return boxed("42")
        seeds.append(body["seed"])
        return ScriptedReply(hang=True) if body["seed"] and len(seeds) <= 4 else boxed("42")

    upstream.script = script
    completed = [
        subprocess.run(
            [python(), "-c", program.replace("http://127.0.0.1:2024", url)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        for program in blocks("python")
    ]
    assert [(program.returncode, program.stderr) for program in completed] == [(0, "")] * 2
    session, resumed = (program.stdout.splitlines() for program in completed)
    assert session[0] == "42 unanimous"
    assert session[1].startswith("accept because")
    assert session[2:4] == ["42 by 2 calls", "human What is 13 + 29?"]
    assert resumed == ["42", str([(index, "answered") for index in range(4)])]
    assert sorted(seeds) == [0, 1, 1, 2, 2, 3, 3]
