"""Persisted runs by the command line and the library, against servers with a request log."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from langgraph.checkpoint.memory import InMemorySaver

from a2r import A2R
from a2r.errors import ConfigError, NoAnswerError
from a2r.events import RunFinished, SampleFinished
from a2r.persistence import list_runs, open_store
from tests.fault_server import Behavior, FaultServer
from tests.support.counting_server import CountingServer, find_keys
from tests.support.fake_openai import ScriptedReply, boxed, config_for, fake_openai, replies
from tests.support.fork_server import CompletedCommand, run_command, start_command
from tests.support.preloaded_python import python
from tests.support.stored_runs import until_committed

pytestmark = pytest.mark.integration

DISAGREEING = [boxed("4"), boxed("5"), boxed("4"), boxed("6")]
HANG = ScriptedReply(hang=True)
ON: Any = {"configurable": {"thread_id": "t"}}


class Shell:
    """`a2r` with a config and a store."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "runs.sqlite"
        self.config = folder / "mine.yaml"

    def serve(self, url: str, **changes: Any) -> None:
        self.config.write_text(yaml.safe_dump(config_for(url, **changes)))

    def ask(self, *arguments: str) -> CompletedCommand:
        return run_command("ask", *self._options(arguments), "-c", str(self.config))

    def a2r(self, *arguments: str) -> CompletedCommand:
        return run_command(*self._options(arguments))

    def _options(self, arguments: tuple[str, ...]) -> list[str]:
        return [*arguments, "--store", str(self.store)]

    def runs(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = json.loads(self.a2r("runs", "--json").out)
        return listed

    def committed(self, expected: int) -> None:
        """Wait until so many samples are in the store."""

        def count_samples() -> int:
            with closing(sqlite3.connect(self.store, timeout=30)) as store:
                rows = store.execute("SELECT count(*) FROM writes WHERE channel = 'samples'")
                [(count,)] = rows.fetchall()
                return int(count)

        # `prepare` also writes to the channel, to clear it.
        wait(lambda: count_samples() == expected + 1)


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "the samples were never stored"
        time.sleep(0.01)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_a_run_is_persisted_listed_and_shown(shell: Shell) -> None:
    with fake_openai(replies(small=DISAGREEING, big=boxed("5"))) as server:
        shell.serve(server.url)
        first_run = shell.ask("2+2?\x1b[31m", "--thread", "first")
    assert (first_run.code, first_run.out) == (0, "5\n"), first_run.err
    [run] = shell.runs()
    assert (run["thread"], run["state"], run["samples"]) == ("first", "finished", 4)
    assert (run["method"], run["answer"], run["config"]) == ("synthesized", "5", "mine")
    assert (run["graph"], run["tokens"]) == ("a2r", 75)
    table = shell.a2r("runs").out.splitlines()
    assert table[0].split()[:4] == ["thread", "run", "when", "state"]
    assert "2+2? [31m" in table[1]
    for name in ("first", run["run_id"], run["run_id"][:6]):
        shown = shell.a2r("show", name).out
        titles = "question, wave 0,   sample 0,   sample 3, gate, round 0,   synthesis 0, method"
        places = [shown.index(f"\n{title} ") for title in f"{titles}, answer, total".split(", ")]
        assert places == sorted(places)
        assert "4 references" in shown
        assert "\x1b" not in shown
    result = json.loads(shell.a2r("show", "first", "--json").out)
    assert (result["answer"], result["run_id"]) == ("5", run["run_id"])


def test_a_finished_run_is_printed_again_without_calls(shell: Shell) -> None:
    with fake_openai(replies(small=boxed("4"))) as server:
        shell.serve(server.url)
        first = shell.ask("2+2?", "--thread", "t", "--resume", "--json")
    # The server has stopped, so that no request can succeed.
    again = shell.ask("2+2?", "--thread", "t", "--resume", "--json")
    without = shell.ask("--thread", "t", "--resume")
    assert (again.code, again.out) == (0, first.out), again.err
    assert (without.code, without.out) == (0, "4\n")


def test_two_questions_on_a_thread_are_two_runs(shell: Shell) -> None:
    with fake_openai(replies(small=boxed("4"))) as server:
        shell.serve(server.url)
        assert shell.ask("2+2?", "--thread", "t").code == 0
        assert shell.ask("1+3?", "--thread", "t", "--resume").code == 0
        assert shell.ask("1+3?", "--thread", "t").code == 0
        assert shell.ask("1+3?", "--thread", "u", "--resume").code == 0
        assert len(server.request_log.requests) == 16
    listed = [(run["thread"], run["question"]) for run in shell.runs()]
    assert listed == [("u", "1+3?"), ("t", "1+3?"), ("t", "1+3?"), ("t", "2+2?")]
    shown = shell.a2r("show", shell.runs()[3]["run_id"])
    assert "2+2?" in shown.out
    deleted = shell.a2r("runs", "--delete", "t")
    assert (deleted.code, [run["thread"] for run in shell.runs()]) == (0, ["u"])
    assert b"2+2?" not in shell.store.read_bytes()


def test_a_killed_process_leaves_its_committed_samples(shell: Shell) -> None:
    held = {"last"}
    with CountingServer(hold=lambda call: call.seed == 3 and bool(held)) as server:
        shell.serve(server.url)
        command = [sys.executable, "-m", "a2r", "ask", "2+2?", "--thread", "t"]
        options = ["--store", str(shell.store), "-c", str(shell.config)]
        process = subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)
        assert server.request_log.until(lambda ledger: len(ledger.calls) == 4)
        shell.committed(3)
        process.kill()
        process.wait()
        [run] = shell.runs()
        assert (run["state"], run["next"], run["samples"]) == ("unfinished", ["explore x1"], 3)
        assert "unfinished" in shell.a2r("runs").out
        shown = shell.a2r("show", "t")
        assert "next: explore x1" in shown.out
        parts = json.loads(shell.a2r("show", "t", "--json").out)
        assert [sample["index"] for sample in parts["samples"]] == [0, 1, 2]
        held.clear()
        resumed = shell.ask("--resume")
        assert resumed.code == 0, resumed.err
        # Only the uncommitted calls: the fourth sample, and the synthesis.
        requested = [(call.model, call.seed) for call in server.request_log.calls[4:]]
    assert requested == [("small", 3), ("big", 7)]
    assert "run resumed" in resumed.err
    assert "samples=3" in resumed.err
    assert [run["state"] for run in shell.runs()] == ["finished"]


def test_a_recovered_sample_is_stored_and_not_recovered_again(shell: Shell) -> None:
    held = {"last"}

    def script(body: dict[str, Any], _: int) -> Behavior:
        if body["messages"][-1]["role"] == "assistant":
            return Behavior(text=" 42")
        if body["seed"] == 1 and held:
            return Behavior(hang="before_headers")
        return Behavior(text="I have added both numbers.")

    with FaultServer(script) as server:
        shell.serve(server.url, answers={"recover": True}, explorer__samples=2)
        command = [sys.executable, "-m", "a2r", "ask", "12+30?", "--thread", "t"]
        options = ["--store", str(shell.store), "-c", str(shell.config)]
        process = subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)
        server.request_log.wait(lambda log: log.arrived == 3, 60)
        shell.committed(1)
        process.kill()
        process.wait()
        calls = server.request_log.arrived
        assert "42 (recovered)" in shell.a2r("show", "t").out
        held.clear()
        resumed = shell.ask("--thread", "t", "--resume", "--json")
        requested = [
            (body["seed"], body.get("continue_final_message", False))
            for body in server.request_log.requests[calls:]
        ]
    assert resumed.code == 0, resumed.err
    assert requested == [(1, False), (1, True)]
    result = json.loads(resumed.out)
    assert [sample["recovery"]["status"] for sample in result["samples"]] == ["answered"] * 2
    assert result["usage"]["total"]["calls"] == 4
    shown = shell.a2r("show", "t").out
    assert "recovered   2 of 2 missing answers; of the total: 2 calls" in shown


def test_an_interrupted_run_resumes_and_may_be_killed_again(shell: Shell) -> None:
    held = [2, 3]
    with CountingServer(hold=lambda call: call.model == "small" and call.seed in held) as server:
        shell.serve(server.url)
        arguments = ["ask", "2+2?", "--thread", "t", "--resume", "--store", str(shell.store)]
        arguments += ["-c", str(shell.config)]
        process = start_command(arguments, shell.store.with_name("out"))
        assert server.request_log.until(lambda ledger: len(ledger.calls) == 4)
        shell.committed(2)
        process.terminate()
        process.join(60)
        assert process.exitcode == 130
        assert shell.runs()[0]["state"] == "unfinished"
        held.remove(2)
        process = start_command(arguments, shell.store.with_name("out"))
        assert server.request_log.until(lambda ledger: len(ledger.calls) == 6)
        shell.committed(3)
        process.kill()
        process.join(60)
        held.clear()
        assert shell.ask("2+2?", "--thread", "t", "--resume").code == 0
        requested = [(call.model, call.seed) for call in server.request_log.calls[6:]]
    assert requested == [("small", 3), ("big", 7)]


def test_a_dead_endpoint_fails_the_run_and_its_resumption(shell: Shell) -> None:
    with fake_openai(replies(small=ScriptedReply(status=500))) as server:
        shell.serve(server.url)
        first = shell.ask("2+2?", "--thread", "t")
        calls = len(server.request_log.requests)
        again = shell.ask("2+2?", "--thread", "t", "--resume")
        assert len(server.request_log.requests) == calls
        nothing = shell.ask("--resume")
        server.script = replies(small=boxed("4"))
        anew = shell.ask("2+2?", "--thread", "t")
    assert (first.code, again.code) == (4, 4)
    assert again.err.splitlines()[-1] == first.err.splitlines()[-1]
    assert (nothing.code, "no unfinished run" in nothing.err) == (2, True)
    assert (anew.code, anew.out) == (0, "4\n")
    new, old = shell.runs()
    assert (old["state"], "NoAnswerError" in old["error"]) == ("failed", True)
    assert new["state"] == "finished"
    assert "error" in shell.a2r("show", old["run_id"]).out


def test_a_terminal_shows_committed_samples_before_resuming(shell: Shell) -> None:
    held = {"last"}
    with CountingServer(hold=lambda call: call.seed == 3 and bool(held)) as server:
        shell.serve(server.url)
        arguments = ["ask", "2+2?", "--thread", "t", "--resume", "--store", str(shell.store)]
        arguments += ["-c", str(shell.config)]
        process = start_command(arguments, shell.store.with_name("out"))
        assert server.request_log.until(lambda ledger: len(ledger.calls) == 4)
        shell.committed(3)
        process.kill()
        process.join(60)
        held.clear()
        child, terminal = pty.fork()
        if child == 0:
            os.execv(python(), [python(), "-m", "a2r", *arguments])
        shown = read_terminal(terminal)
        assert os.waitpid(child, 0)[1] == 0
    assert "resumed     thread t, 3 samples and 0 syntheses stored, next: explore x1" in shown
    # The table has all four samples, one of them sampled now.
    assert len(server.request_log.calls) == 4 + 1 + 1
    assert all(f"\n{index} " in shown for index in range(4))
    assert "synthesized" in shown


def read_terminal(terminal: int) -> str:
    shown = b""
    with suppress(OSError):
        while data := os.read(terminal, 4096):
            shown += data
    return shown.decode()


def test_runs_that_cannot_be_read_can_be_deleted(shell: Shell) -> None:
    with fake_openai(replies(small=boxed("4"))) as server:
        shell.serve(server.url)
        assert shell.ask("2+2?", "--thread", "t").code == 0
    with closing(sqlite3.connect(shell.store)) as store:
        store.execute("UPDATE checkpoints SET checkpoint = x'c1ff'")
        store.commit()
    for completed in (shell.a2r("runs"), shell.a2r("show", "t"), shell.ask("--resume")):
        assert (completed.code, "damaged" in completed.err) == (2, True), completed.err
    assert shell.a2r("runs", "--delete", "t").code == 0
    assert shell.runs() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ask", "--resume"], "nothing to resume: there is no store"),
        (["ask", "--resume", "--thread", "t"], "nothing to resume: there is no store"),
        (["ask", "q", "--thread", " "], "--thread needs an ID"),
        (["ask"], "give one question"),
        (["show", "x"], "no run 'x': there are no runs in"),
        (["runs", "--delete", "x"], "no runs in"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(
    arguments: list[str], message: str, shell: Shell
) -> None:
    completed = shell.a2r(*arguments)
    assert (completed.code, completed.out) == (2, "")
    assert message in completed.err
    assert completed.err.count("\n") == 1


def test_a_corrupt_store_is_one_line_and_exit_code_2(shell: Shell) -> None:
    shell.serve("http://127.0.0.1:9/v1")
    shell.store.write_bytes(b"not a database" * 100)
    for completed in (
        shell.ask("q", "--thread", "t"),
        shell.ask("--resume"),
        shell.a2r("runs"),
        shell.a2r("show", "t"),
    ):
        assert (completed.code, completed.out) == (2, "")
        assert "file is not a database" in completed.err
        assert completed.err.count("\n") == 1


def test_empty_lists_and_suggestions_for_misspelled_names(shell: Shell) -> None:
    listed = shell.a2r("runs")
    assert (listed.code, listed.out) == (0, "")
    assert "no runs in" in listed.err
    assert not shell.store.exists()
    with fake_openai(replies(small=boxed("4"))) as server:
        shell.serve(server.url)
        assert shell.ask("2+2?", "--thread", "groceries").code == 0
    for completed in (shell.a2r("show", "grocery"), shell.ask("--resume", "--thread", "grocery")):
        assert completed.code == 2
        assert "did you mean 'groceries'?" in completed.err


def test_several_processes_share_a_new_store(shell: Shell) -> None:
    with fake_openai(replies(small=DISAGREEING, big=boxed("5"))) as server:
        shell.serve(server.url)
        common = ["--store", str(shell.store), "-c", str(shell.config)]
        processes = [
            start_command(
                ["ask", "2+2?", "--thread", f"t{n}", *common], shell.store.with_name(f"out{n}")
            )
            for n in range(6)
        ]
        for process in processes:
            process.join(60)
    errors = [shell.store.with_name(f"out{n}.err").read_text() for n in range(6)]
    assert [process.exitcode for process in processes] == [0] * 6, errors
    assert sorted(run["thread"] for run in shell.runs()) == [f"t{n}" for n in range(6)]


def test_a_variable_sets_the_default_store(shell: Shell, tmp_path: Path) -> None:
    with fake_openai(replies(small=boxed("4"))) as server:
        shell.serve(server.url)
        path = str(tmp_path / "custom.sqlite")
        options = ["--thread", "t", "-c", str(shell.config)]
        assert run_command("ask", "2+2?", *options, A2R_RUNS=path).code == 0
    assert Path(path).exists()
    assert "finished" in run_command("runs", A2R_RUNS=path).out


async def hung(solver: A2R, log: Any, saver: Any, committed: int, on: Any = ON) -> None:
    """Ask a question; cancel it when `committed` samples are stored and the others hang."""
    task = asyncio.create_task(solver.aask("2+2?", on))
    await log.until(lambda it: it.outstanding == 4 - committed and len(it.requests) == 4)
    await until_committed(saver, "t", committed)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_run_is_resumed_and_streamed_from_python(tmp_path: Path) -> None:
    says = [boxed("4"), boxed("5"), boxed("4"), HANG]
    with fake_openai(replies(small=says, big=boxed("5"))) as server:
        async with open_store(tmp_path / "s") as saver:
            await hung(
                A2R(config_for(server.url), checkpointer=saver), server.request_log, saver, 3
            )
            says[3] = boxed("7")
            # A new object, as in another process.
            solver = A2R(config_for(server.url), checkpointer=saver)
            events = [event async for event in solver.astream(None, ON)]
            finished = [event.sample.index for event in events if isinstance(event, SampleFinished)]
            last = events[-1]
            assert finished == [3]
            assert isinstance(last, RunFinished)
            assert len(last.result.samples) == 4
            calls = len(server.request_log.requests)
            assert await solver.aresume(ON) == last.result
            assert [event async for event in solver.astream(None, ON)] == [last]
            assert len(server.request_log.requests) == calls == 4 + 1 + 1


async def test_a_run_resumed_a_day_later_has_its_full_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = [boxed("4"), boxed("4"), boxed("4"), HANG]
    with fake_openai(replies(small=says)) as server:
        config = config_for(server.url, deadline__question=30, budget__question={"seconds": 30})
        async with open_store(tmp_path / "s") as saver:
            with monkeypatch.context() as patch:
                yesterday = time.time() - 86_400
                patch.setattr(time, "time", lambda: yesterday)
                await hung(A2R(config, checkpointer=saver), server.request_log, saver, 3)
            says[3] = boxed("4")
            result = await A2R(config, checkpointer=saver).aresume(ON)
    assert [sample.status for sample in result.samples] == ["answered"] * 4
    assert (result.answer, result.warnings) == ("4", [])
    assert result.seconds > 86_000


async def test_usage_of_an_earlier_process_counts_for_the_budget(tmp_path: Path) -> None:
    says = [boxed("4"), boxed("5"), boxed("4"), HANG]
    with fake_openai(replies(small=says, big=boxed("5"))) as server:
        # A call takes 15 tokens: four samples are more than the budget, one is not.
        config = config_for(server.url, budget__question={"tokens": 50})
        async with open_store(tmp_path / "s") as saver:
            await hung(A2R(config, checkpointer=saver), server.request_log, saver, 3)
            says[3] = boxed("7")
            result = await A2R(config, checkpointer=saver).aresume(ON)
    assert server.request_log.calls("big") == []
    assert any("budget" in warning for warning in result.warnings)


def test_a_path_as_checkpointer_works_in_synchronous_code(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with fake_openai(replies(small=boxed("4"))) as server:
        solver = A2R(config_for(server.url), checkpointer=path)
        first = solver.ask("2+2?", ON)
        assert solver.resume(ON) == first
        assert A2R(config_for(server.url), checkpointer=str(path)).resume(ON) == first
        assert len(server.request_log.requests) == 4


async def test_concurrent_questions_share_a_store(tmp_path: Path) -> None:
    with fake_openai(replies(small=boxed("4"))) as server:
        solver = A2R(config_for(server.url), checkpointer=tmp_path / "runs.sqlite")
        threads: list[Any] = [{"configurable": {"thread_id": f"t{n}"}} for n in range(20)]
        await asyncio.gather(*(solver.aask("2+2?", on) for on in threads))
    async with open_store(tmp_path / "runs.sqlite") as saver:
        runs = await list_runs(saver)
    assert len(runs) == 20
    assert {run.state for run in runs} == {"finished"}


async def test_resuming_without_finished_samples_fails_in_the_same_way() -> None:
    with fake_openai(replies(small=ScriptedReply(status=500))) as server:
        solver = A2R(config_for(server.url), checkpointer=InMemorySaver())
        with pytest.raises(NoAnswerError) as first:
            await solver.aask("2+2?", ON)
        calls = len(server.request_log.requests)
        with pytest.raises(NoAnswerError) as second:
            await solver.aresume(ON)
    assert len(server.request_log.requests) == calls
    assert second.value.result.samples == first.value.result.samples


def test_finding_the_keys_in_a_reply() -> None:
    assert find_keys(b"x call 0123456789ab\ncall zz") == {"0123456789ab"}


LEFT = """
import asyncio, sys
from a2r import A2R
from a2r.events import GateDecided

async def main():
    solver = A2R(sys.argv[1], checkpointer=sys.argv[2])
    async for event in solver.astream("2+2?", {"configurable": {"thread_id": "t"}}):
        if isinstance(event, GateDecided):
            break

asyncio.run(main())
print("end")
"""


def test_an_abandoned_stream_does_not_keep_the_process_alive(tmp_path: Path) -> None:
    says = [boxed("4"), boxed("5"), boxed("6"), boxed("7")]
    with fake_openai(replies(small=says, big=ScriptedReply(hang=True))) as server:
        config = tmp_path / "c.yaml"
        config.write_text(json.dumps(config_for(server.url)))
        completed = subprocess.run(
            [python(), "-c", LEFT, str(config), str(tmp_path / "runs.sqlite")],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert (completed.returncode, completed.stdout) == (0, "end\n"), completed.stderr


async def test_a_bare_thread_name_is_rejected_with_a_hint() -> None:
    solver = A2R(config_for("http://127.0.0.1:9/v1"), checkpointer=InMemorySaver())
    with pytest.raises(ConfigError, match=r"configurable.*not .homework"):
        await solver.aask("2+2?", "homework")  # type: ignore[arg-type]
