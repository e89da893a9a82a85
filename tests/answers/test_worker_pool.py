"""The worker processes of symbolic comparisons: isolation of hostile input, and cleanup."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from a2r.answers import Settings, acluster, cluster, equivalent, extract
from a2r.answers.sandbox.worker_pool import WorkerPool, get_worker_pool
from tests.support.adversarial import PAYLOADS, adversarial_texts

pytestmark = pytest.mark.integration

SAME = r"equivalent(r'\frac{1}{\sqrt{2}}', r'\frac{\sqrt{2}}{2}')"
SCRIPT = f"from a2r.answers import equivalent; print({SAME})"


def descendants() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.fixture(autouse=True)
def pool() -> Iterator[None]:
    """Start and finish each test without workers."""
    get_worker_pool(Settings()).close()
    yield
    get_worker_pool(Settings()).close()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([sys.executable, "-c", SCRIPT], id="python -c"),
        pytest.param([sys.executable, "-"], id="a script on stdin"),
    ],
)
def test_a_program_without_a_main_guard_compares(command: list[str]) -> None:
    done = subprocess.run(command, input=SCRIPT, capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_a_script_file_compares(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert (done.stdout.strip(), done.stderr) == ("True", "")


@pytest.mark.parametrize("name", ["mpmath", "hashlib", "json", "sympy"])
def test_files_in_the_working_directory_are_never_executed(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text("open('run', 'w')")
    program = [
        str(Path(sys.executable).parent / "a2r"),
        "answers",
        "compare",
        "(x+1)^2",
        "x^2+2x+1",
    ]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "same\n")
    assert not (tmp_path / "run").exists()


def test_importing_starts_nothing_and_plain_numbers_need_no_process() -> None:
    before = descendants()
    assert equivalent("1/2", "0.5")
    assert len(cluster(["1", "2", "1,000", "1000"])) == 3
    assert descendants() == before


def test_comparisons_in_threads() -> None:
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda: results.append(equivalent(r"\sqrt{8}", r"2\sqrt{2}")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8


async def test_concurrent_comparisons_in_an_event_loop() -> None:
    clusterings = await asyncio.gather(
        *(acluster([rf"\sqrt{{{n}}}", f"{n}^{{1/2}}", r"\sqrt{3}"]) for n in range(5, 15))
    )
    assert [[group.votes for group in groups] for groups in clusterings] == [[2, 1]] * 10


@pytest.mark.parametrize("payload", PAYLOADS)
def test_model_output_is_never_executed(
    payload: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for text in (
        payload,
        rf"\boxed{{{payload}}}",
        rf"\text{{{payload}}} + \sqrt{{2}}",
        f"{payload} = x",
    ):
        extract(text, "math")
        cluster([text, r"\sqrt{2}", "1"])
    assert list(tmp_path.iterdir()) == []


def test_hostile_texts_are_clustered_and_leave_no_process() -> None:
    process = psutil.Process()
    # Other tests of this process may have started a fork server.
    get_worker_pool(Settings()).close()
    others = set(process.children(recursive=True))
    cluster([r"\sqrt{2}", r"\int_0^1 x\,dx"])
    before = process.memory_info().rss
    for texts in adversarial_texts(count=240, seed=11, batch_size=8):
        answers = [extract(text, "math") for text in texts]
        groups = cluster([*answers, *texts], "math")
        assert sum(group.votes for group in groups) == len(texts) + sum(
            a is not None for a in answers
        )
    assert process.memory_info().rss - before < 50 << 20
    get_worker_pool(Settings()).close()
    assert set(process.children(recursive=True)) <= others


def test_a_comparison_that_times_out_is_different_and_flagged() -> None:
    hopeless = r"\prod_{k=1}^{987654321} k^k"
    groups = cluster([hopeless, r"\sqrt{2}", "3"])
    assert [group.votes for group in groups] == [1, 1, 1]
    assert [group.undecided for group in groups] == [True, False, False]
    assert not equivalent(hopeless, r"\sqrt{2}")
    assert equivalent(hopeless, hopeless)
    assert equivalent(r"\sqrt{8}", r"2\sqrt{2}")


def test_a_killed_worker_is_replaced() -> None:
    assert equivalent(r"\sqrt{8}", r"2\sqrt{2}")
    for worker in get_worker_pool(Settings()).idle:
        worker.process.kill()
        worker.process.wait()
    assert equivalent(r"\sqrt{12}", r"2\sqrt{3}")


def test_a_forked_process_has_separate_workers() -> None:
    assert equivalent(r"\sqrt{8}", r"2\sqrt{2}")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"same" if equivalent(r"\sqrt{12}", r"2\sqrt{3}") else b"different")
        get_worker_pool(Settings()).close()
        os._exit(0)
    os.close(writing)
    assert os.read(reading, 100) == b"same"
    os.waitpid(child, 0)
    assert equivalent(r"\sqrt{18}", r"3\sqrt{2}")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_program(stop: signal.Signals) -> None:
    loop = r"while True: equivalent(r'\prod_{k=1}^{98765432} k^k', '2')"
    busy = f"{SCRIPT}\nprint(flush=True)\n{loop}"
    program = subprocess.Popen(
        [sys.executable, "-c", busy],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert program.stdout is not None
    program.stdout.readline()
    children = psutil.Process(program.pid).children(recursive=True)
    assert children
    os.killpg(program.pid, stop)
    program.wait(timeout=30)
    program.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def test_a_worker_serves_one_caller_at_a_time() -> None:
    pool = WorkerPool(Settings(workers=1))
    replies: list[str] = []

    def evaluate(text: str) -> None:
        replies.append(pool.run({"task": "latex", "text": text}, 5.0).get("value", ""))

    threads = [threading.Thread(target=evaluate, args=(rf"\int_0^1 {n} dx",)) for n in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(replies) == [f"q{n}" for n in range(1, 6)]
    assert len(pool.idle) == 1
    pool.close()
