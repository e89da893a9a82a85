"""Runs that an earlier version stored, whose samples have the fields `how` and `fault`.

The store has a finished run (thread `finished`), a run killed while a sample was running
(`wave`), one killed while a synthesis was running (`round`, graph `rounds`), and a killed run
whose thread has a later run (`twice`). Its server answers as `script` does.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from a2r import A2R
from a2r.persistence import find_run, last_run, list_runs, open_store
from tests.support.fake_openai import FakeOpenAI, ScriptedReply, boxed, config_for
from tests.support.fork_server import run_command

pytestmark = pytest.mark.integration

STORE = Path(__file__).parent / "data" / "earlier_runs.sqlite.gz"
SAMPLES = [
    boxed("4"),
    ScriptedReply(text="So I get that the answer is 5."),
    ScriptedReply(status=500),
    boxed("6"),
]


def script(body: dict[str, Any], _: int) -> ScriptedReply:
    return boxed("5") if body["model"] == "big" else SAMPLES[body["seed"]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "runs.sqlite"
    path.write_bytes(gzip.decompress(STORE.read_bytes()))
    return path


async def test_runs_are_listed_with_samples_of_incomplete_steps(store: Path) -> None:
    async with open_store(store) as saver:
        runs = await list_runs(saver)
    summaries = [
        (run.thread, run.state, run.next, len(run.samples), len(run.syntheses)) for run in runs
    ]
    assert summaries == [
        ("twice", "finished", (), 2, 0),
        ("twice", "abandoned", ("explore x1",), 3, 0),
        ("round", "unfinished", ("synthesize x1",), 4, 1),
        ("wave", "unfinished", ("explore x1",), 3, 0),
        ("finished", "finished", (), 4, 1),
    ]
    assert {run.graph for run in runs} == {"a2r", "rounds", "self_consistency"}
    assert {run.config for run in runs} == {"mine"}


async def test_the_former_fields_how_and_fault_are_read(store: Path) -> None:
    async with open_store(store) as saver:
        run = await find_run(saver, "finished")
    assert run.result is not None
    methods = [sample.extraction_method for sample in run.result.samples]
    assert methods == ["boxed", "phrase", None, "boxed"]
    assert run.result.samples[2].error_type == "server_error"
    assert list(run.samples) == run.result.samples


def test_the_commands_list_and_show_them(store: Path) -> None:
    listed = run_command("runs", "--json", "--store", str(store))
    assert listed.code == 0, listed.err
    assert len(json.loads(listed.out)) == 5
    for thread, line in (
        ("finished", "method      synthesized"),
        ("wave", "unfinished, next: explore x1"),
        ("round", "unfinished, next: synthesize x1"),
    ):
        shown = run_command("show", thread, "--store", str(store))
        assert (shown.code, line in shown.out) == (0, True), shown.out


@pytest.mark.parametrize(
    ("thread", "graph", "changes", "calls"),
    [
        ("wave", "a2r", {}, [("small", 3), ("big", 7)]),
        ("round", "rounds", {"synthesis__rounds": [2, 1]}, [("big", 8), ("big", 9)]),
    ],
)
def test_a_run_resumes_on_another_endpoint_and_repeats_no_call(
    thread: str, graph: str, changes: Any, calls: list[tuple[str, int]], store: Path
) -> None:
    with FakeOpenAI(script) as server:
        config = store.with_name("mine.yaml")
        config.write_text(yaml.safe_dump(config_for(server.url, graph=graph, **changes)))
        options = ["--thread", thread, "--store", str(store), "-c", str(config)]
        resumed = run_command("ask", "--resume", *options)
        requests = [(body["model"], body["seed"]) for body in server.request_log.requests]
    assert (resumed.code, resumed.out) == (0, "5\n"), resumed.err
    assert requests == calls


async def test_a_run_resumes_from_python(store: Path) -> None:
    on: Any = {"configurable": {"thread_id": "wave"}}
    with FakeOpenAI(script) as server:
        async with open_store(store) as saver:
            result = await A2R(config_for(server.url), checkpointer=saver).aresume(on)
            run = await last_run(saver, "wave")
    assert (result.method, result.answer) == ("synthesized", "5")
    assert [sample.extraction_method for sample in result.samples] == [
        "boxed",
        "phrase",
        None,
        "boxed",
    ]
    assert run is not None
    assert run.result == result
