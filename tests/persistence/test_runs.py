"""Runs in a store: its location, its queries, and its errors."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from a2r import A2R
from a2r.errors import ConfigError, MissingExtraError, RunNotFoundError, StoreError
from a2r.persistence import (
    default_store,
    find_run,
    last_run,
    list_runs,
    open_store,
    workflow_checkpointer,
)
from a2r.persistence.database import display_name, exists, is_store
from a2r.persistence.snapshots import SHIPPED_GRAPHS, nodes_metadata
from a2r.result import Result, Sample
from a2r.usage import Usage, UsageByRole
from a2r.workflow.graph_loader import build_graph, graph_names
from a2r.workflow.state import Input, State
from tests.support.fake_openai import config_for
from tests.support.stored_runs import until_committed

RESULT = Result(
    question="",
    answer="4",
    kind="math",
    method="single",
    text="",
    agreement=1.0,
    clusters=[],
    samples=[],
    gate=None,
    decisions=[],
    synthesis=[],
    usage=UsageByRole(explorer=Usage(), synthesizer=Usage(), total=Usage()),
    savings=None,
    seconds=1.0,
    run_id="",
    config="",
    warnings=[],
)


def on(thread: str, **metadata: str) -> Any:
    return {"configurable": {"thread_id": thread}, "metadata": metadata}


def make_workflow(saver: Any, *, samples: int = 2, hang: asyncio.Event | None = None) -> Any:
    """A graph with the state of the shipped graphs, without calls."""
    count = iter(range(1000))

    async def prepare(state: State) -> dict[str, Any]:
        question = state.get("question")
        if question == "Broken?":
            raise ValueError("it broke")
        number = next(count)
        task = {"run_id": f"{number}abc{number}", "question": question, "history": []}
        return {
            "question": None,
            "task": {**task, "started_at": 1000.0 + number},
            "samples": None,
            "result": {},
        }

    async def explore(task: Any) -> dict[str, Any]:
        if hang is not None and task["index"] == samples - 1:
            await hang.wait()
        return {"samples": [Sample(index=task["index"], status="answered").model_dump()]}

    async def finalize(state: State) -> dict[str, Any]:
        return {"result": RESULT.model_dump(mode="json")}

    graph = StateGraph(State, input_schema=Input)
    for node in (prepare, explore, finalize):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "prepare")
    sends = [Send("explore", {"index": index}) for index in range(samples)]
    graph.add_conditional_edges("prepare", lambda _: sends, ["explore"])
    graph.add_edge("explore", "finalize")
    graph.add_edge("finalize", END)
    return graph.compile(checkpointer=saver)


async def test_runs_are_listed_once_newest_first() -> None:
    saver = InMemorySaver()
    graph = make_workflow(saver)
    for thread, question in (("one", "1?"), ("two", "2?"), ("one", "3?")):
        await graph.ainvoke({"question": question}, on(thread, a2r_graph="mine"))
    runs = await list_runs(saver)
    summaries = [(run.thread, run.question, run.state, len(run.samples)) for run in runs]
    assert summaries == [
        ("one", "3?", "finished", 2),
        ("two", "2?", "finished", 2),
        ("one", "1?", "finished", 2),
    ]
    assert [run.run_id for run in runs] == ["2abc2", "1abc1", "0abc0"]
    assert runs[0].summary()["method"] == "single"
    assert runs[0].graph == "mine"


async def test_an_interrupted_run_shows_committed_samples_and_next_nodes() -> None:
    saver, forever = InMemorySaver(), asyncio.Event()
    graph = make_workflow(saver, samples=3, hang=forever)
    task = asyncio.create_task(graph.ainvoke({"question": "1?"}, on("t"), durability="sync"))
    await until_committed(saver, "t", 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    run = await last_run(saver, "t")
    assert run is not None
    assert (run.state, run.next, run.error) == ("unfinished", ("explore x1",), None)
    assert [sample.index for sample in run.samples] == [0, 1]
    # Another question on the thread: the first run cannot be resumed.
    forever.set()
    await graph.ainvoke({"question": "2?"}, on("t"))
    assert [run.state for run in await list_runs(saver)] == ["finished", "abandoned"]


async def test_a_failed_run_has_its_error() -> None:
    saver = InMemorySaver()
    graph = make_workflow(saver)
    await graph.ainvoke({"question": "1?"}, on("t", a2r_graph="a2r"))
    with pytest.raises(ValueError, match="it broke"):
        await graph.ainvoke({"question": "Broken?"}, on("t", a2r_graph="a2r"))
    broken = await last_run(saver, "t")
    assert broken is not None
    # `prepare` has not finished: the values of the previous run are not shown.
    assert (broken.state, broken.run_id, broken.question) == ("failed", None, "Broken?")
    assert (broken.samples, broken.result) == ((), None)
    assert "it broke" in (broken.error or "")
    assert [run.question for run in await list_runs(saver)] == ["Broken?", "1?"]


async def test_threads_of_other_graphs_are_not_listed() -> None:
    saver = InMemorySaver()
    graph = StateGraph(dict)
    graph.add_node("node", lambda _: {"question": "mine", "task": "other"})
    graph.add_edge(START, "node")
    await graph.compile(checkpointer=saver).ainvoke({"question": "x"}, on("other"))
    await make_workflow(saver).ainvoke({"question": "1?"}, on("ours"))
    assert [run.thread for run in await list_runs(saver)] == ["ours"]
    assert await last_run(saver, "other") is None


async def test_a_run_is_selected_by_id_prefix_or_thread() -> None:
    saver = InMemorySaver()
    graph = make_workflow(saver)
    for number in range(11):
        await graph.ainvoke({"question": f"{number}?"}, on(f"thread-{number}"))
    assert (await find_run(saver, "thread-3")).question == "3?"
    assert (await find_run(saver, "4abc4")).question == "4?"
    assert (await find_run(saver, "5a")).question == "5?"
    with pytest.raises(RunNotFoundError, match="2 run IDs begin with '1'"):
        await find_run(saver, "1")
    with pytest.raises(RunNotFoundError, match="did you mean 'thread-3'"):
        await find_run(saver, "thraed-3")


async def test_a_new_store_is_private_and_creates_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "runs.sqlite"
    assert not exists(path)
    async with open_store(path) as saver:
        await make_workflow(saver).ainvoke({"question": "1?"}, on("t"), durability="sync")
        modes = [stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()]
    assert modes == [0o600] * 3
    async with open_store(path) as saver:
        assert [run.question for run in await list_runs(saver)] == ["1?"]


@pytest.mark.parametrize("content", [b"no database" * 200, b"SQLite format 3\x00" + b"\xff" * 4000])
async def test_a_corrupt_file_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "runs.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"store of runs .*runs\.sqlite cannot be used"):
        async with open_store(path) as saver:
            await list_runs(saver)


async def test_corrupt_rows_are_a_clear_error(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s") as saver:
        await make_workflow(saver).ainvoke({"question": "1?"}, on("t"))
        connection: Any = saver
        await connection.conn.execute("UPDATE checkpoints SET checkpoint = x'c1ff'")
        with pytest.raises(StoreError, match="damaged"):
            await list_runs(saver)
        with pytest.raises(StoreError, match=r"thread 't': .*damaged"):
            await last_run(saver, "t")


@pytest.mark.parametrize("name", ["", "\x00", "file/below"])
async def test_a_location_that_cannot_be_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be opened"):
        async with open_store(f"{tmp_path}/{name}"):
            pass


@pytest.mark.parametrize(
    ("location", "module", "extra"),
    [
        ("runs.sqlite", "langgraph.checkpoint.sqlite.aio", "runs"),
        ("postgres://user:pw@host/db", "langgraph.checkpoint.postgres.aio", "postgres"),
        ("postgresql://host/db", "psycopg", "postgres"),
    ],
)
async def test_a_missing_package_names_the_extra(
    location: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingExtraError, match=rf"a2r-reasoning\[{extra}\]"):
        async with open_store(location):
            pass


def test_the_default_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A2R_RUNS", raising=False)
    assert default_store().endswith("a2r/runs.sqlite")
    monkeypatch.setenv("A2R_RUNS", "postgresql://me:secret@host/db")
    assert default_store() == "postgresql://me:secret@host/db"
    assert exists(default_store())
    assert "secret" not in display_name(default_store())


async def test_runs_that_cannot_be_resumed(tmp_path: Path) -> None:
    config = config_for("http://nowhere.invalid/v1")
    with pytest.raises(RunNotFoundError, match="requires a checkpointer"):
        await A2R(config).aresume(on("t"))
    solver = A2R(config, checkpointer=tmp_path / "s")
    with pytest.raises(RunNotFoundError, match="and a thread_id"):
        await solver.aresume({})
    with pytest.raises(RunNotFoundError, match="no run on thread 't'"):
        await solver.aresume(on("t"))
    with pytest.raises(RunNotFoundError, match="no run on thread 't'"):
        _ = [event async for event in solver.astream(None, on("t"))]


async def test_a_run_of_another_graph_is_not_resumed() -> None:
    saver, forever = InMemorySaver(), asyncio.Event()
    pending = make_workflow(saver, hang=forever).ainvoke(
        {"question": "1?"}, on("t", a2r_graph="cascade")
    )
    task = asyncio.create_task(pending)
    await until_committed(saver, "t", 0)
    task.cancel()
    solver = A2R(config_for("http://nowhere.invalid/v1"), checkpointer=saver)
    with pytest.raises(ConfigError, match=r"graph 'cascade', .* has 'a2r': resume it with graph="):
        await solver.aresume(on("t"))


async def test_an_async_store_is_rejected_in_synchronous_code(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s") as saver:
        solver = A2R(config_for("http://nowhere.invalid/v1"), checkpointer=saver)
        with pytest.raises(StoreError, match="async-only checkpointer"):
            await asyncio.to_thread(solver.ask, "1?", on("t"))
        with pytest.raises(StoreError, match="async-only checkpointer"):
            solver.resume(on("t"))


def test_an_unknown_home_directory_is_a_clear_error() -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        exists("~nobody-of-this-name/runs.sqlite")


def test_a_database_of_another_application_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "theirs.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE theirs (x)")
        database.commit()
    before = path.read_bytes()
    assert not is_store(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["theirs.sqlite"]


@pytest.mark.parametrize("graph", graph_names())
def test_a_reader_knows_the_nodes_of_every_shipped_graph(graph: str) -> None:
    nodes = build_graph(config_for("http://nowhere.invalid/v1", graph=graph)).nodes
    assert graph in SHIPPED_GRAPHS
    assert nodes_metadata(nodes) == {}


CUSTOM_GRAPH = """
import asyncio
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from a2r.nodes import cluster, extract, finalize, gate, prepare
from a2r.workflow.state import Context, Input, Output, State, next_wave

async def draw(task, runtime):
    if task["index"] == 3:
        await asyncio.Event().wait()
    sample = {"index": task["index"], "status": "answered", "wave": 0, "role": "explorer"}
    return {"samples": [{**sample, "text": "4", "usage": {}}]}

async def check(state, runtime):
    await asyncio.Event().wait()

def build(workflow):
    graph = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    graph.add_node("prepare", workflow.node(prepare))
    graph.add_node("draw", workflow.node(draw))
    graph.add_node("check", workflow.node(check))
    graph.add_edge(START, FIRST)
    graph.add_edge("check", "prepare")
    graph.add_conditional_edges(
        "prepare", lambda state: [Send("draw", task) for task in next_wave(state)], ["draw"]
    )
    graph.add_edge("draw", END)
    return graph
"""


@pytest.mark.parametrize(
    ("first", "is_stored", "next_nodes", "samples"),
    [
        ("prepare", True, ("draw x1",), 3),
        ("check", True, ("check",), 0),
        # As earlier versions stored it: without the names of custom nodes.
        ("check", False, (), 0),
    ],
)
async def test_an_unfinished_run_of_a_custom_graph(
    first: str,
    is_stored: bool,
    next_nodes: tuple[str, ...],
    samples: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not is_stored:
        monkeypatch.setattr(workflow_checkpointer, "nodes_metadata", lambda _: {})
    path, saver = tmp_path / "mine.py", InMemorySaver()
    path.write_text(CUSTOM_GRAPH.replace("FIRST", repr(first)))
    config = config_for("http://nowhere.invalid/v1", graph=str(path))
    task = asyncio.create_task(A2R(config, checkpointer=saver).aask("1?", on("t")))
    async with asyncio.timeout(60):
        while True:
            run = await until_committed(saver, "t", samples)
            if run.next == next_nodes:
                break
            await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    [run] = await list_runs(saver)
    assert (run.state, run.next, run.question) == ("unfinished", next_nodes, "1?")
    assert (len(run.samples), run.error, run.graph) == (samples, None, str(path))
