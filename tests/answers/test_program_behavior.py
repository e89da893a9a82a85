"""Programs that are compared by the tests of the question, in a process with limits."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from a2r.answers import Settings, cluster, compare
from a2r.answers.errors import SettingsError
from a2r.answers.sandbox.behavior import passes_all_tests
from a2r.answers.sandbox.program_tests import parse_tests

pytestmark = pytest.mark.integration

BEHAVIOUR = Settings(code="behaviour")
LOOP = "def f(n):\n    total = 0\n    for i in range(n + 1):\n        total += i\n    return total"
FORMULA = "def f(n):\n    return n * (n + 1) // 2"
WRONG = "def f(n):\n    return n * n"
ASSERTS = "Write f.\n\nassert f(3) == 6\nassert f(10) == 55"
DOCTEST = "Write f, so that\n\n>>> f(3)\n6\n>>> f(10)\n55\n"
EXAMPLES = "Read n.\n\nInput:\n3\n\nOutput:\n6\n\nInput:\n10\n\nOutput:\n55\n"


@pytest.mark.parametrize("question", [ASSERTS, DOCTEST])
def test_programs_that_pass_the_same_tests_are_the_same(question: str) -> None:
    assert parse_tests(question).count == 2
    assert compare(LOOP, FORMULA, "code", BEHAVIOUR, question=question).same
    assert not compare(LOOP, WRONG, "code", BEHAVIOUR, question=question).same
    assert not compare(LOOP, FORMULA, "code", question=question).same
    groups = cluster([LOOP, WRONG, FORMULA], "code", BEHAVIOUR, question=question)
    assert [group.votes for group in groups] == [2, 1]


def test_a_program_may_import_the_standard_library() -> None:
    program = (
        "import heapq, itertools, math, re, string, statistics, decimal, fractions, bisect\n"
        "from collections import Counter, deque\nfrom functools import lru_cache\n"
        f"{FORMULA}"
    )
    assert passes_all_tests(program, ASSERTS, BEHAVIOUR)


def test_stated_inputs_and_outputs() -> None:
    read = "n = int(input())\nprint(n * (n + 1) // 2)"
    other = "print(sum(range(int(input()) + 1)))"
    assert parse_tests(EXAMPLES).examples == (("3", "6"), ("10", "55"))
    assert compare(read, other, "code", BEHAVIOUR, question=EXAMPLES).same
    assert not compare(read, "print(6)", "code", BEHAVIOUR, question=EXAMPLES).same


@pytest.mark.parametrize("question", [None, "Write f."])
def test_without_tests_the_syntax_counts(question: str | None) -> None:
    assert not compare(LOOP, FORMULA, "code", BEHAVIOUR, question=question).same
    assert compare(LOOP, f"# sum\n{LOOP}", "code", BEHAVIOUR, question=question).same


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "x = bytearray(1 << 33)",
        "open('/etc/passwd').read()",
        "open('made', 'w').write('x')",
        "import subprocess; subprocess.run(['true'], check=True)",
        "import os; os.fork()",
        "import os; os.system('true')",
        "import os; os.listdir('/')",
        "import ctypes; ctypes.CDLL(None)",
        "raise SystemExit",
        "import os; os._exit(0)",
        "def g(): g()\n    g()",
    ],
)
def test_a_program_that_exceeds_its_limits_passes_nothing(body: str) -> None:
    program = f"def f(n):\n    {body}\n    return n * (n + 1) // 2"
    assert not passes_all_tests(program, ASSERTS, BEHAVIOUR)
    assert not compare(program, FORMULA, "code", BEHAVIOUR, question=ASSERTS).same


def test_a_program_reaches_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        connected: list[bool] = []

        def accept() -> None:
            try:
                server.accept()
                connected.append(True)
            except TimeoutError:
                connected.append(False)

        listener = threading.Thread(target=accept)
        listener.start()
        connect = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)\n{FORMULA}"
        assert not passes_all_tests(connect, ASSERTS, BEHAVIOUR)
        listener.join()
    assert connected == [False]


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert passes_all_tests(f"{FORMULA}\n# here", ASSERTS, BEHAVIOUR)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_mode_is_an_error() -> None:
    with pytest.raises(SettingsError, match="syntax or behaviour"):
        Settings(code="guess")  # type: ignore[arg-type]
