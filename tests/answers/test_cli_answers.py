"""`a2r answers` in a shell script: arguments, stdin, JSON lines, exit codes."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.support.preloaded_python import python

pytestmark = pytest.mark.integration


def run(*arguments: str, stdin: str | bytes = "") -> tuple[int, str, str]:
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [python(), "-m", "a2r", "answers", *arguments],
        input=data,
        capture_output=True,
        timeout=120,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "out"),
    [
        (["extract", r"so \boxed{x = 3}"], "", 0, "3\n"),
        (["extract"], "The answer is 1,234.", 0, "1,234\n"),
        (["extract", "-"], b"The answer is \xff 5.", 0, None),
        (["extract", "We have 12 and then"], "", 4, ""),
        (["extract", "We have 12 and then", "--last-number"], "", 0, "12\n"),
        (["extract", "It is C) 12 m, so C is correct.", "--kind", "choice"], "", 0, "C\n"),
        (
            ["extract", "So Ottawa.", "--kind", "choice", "--question", "?\nA) Rome\nB) Ottawa"],
            "",
            0,
            "B\n",
        ),
        (["compare", "1/2", "0.5"], "", 0, "same\n"),
        (["compare", "1/2", "0.6"], "", 1, "different\n"),
        (["compare", r"\prod_{k=1}^{987654} k^k", r"\sqrt{2}"], "", 1, "undecided\n"),
        (["compare", "--grade", "The answer is 5 cm.", "5"], "", 0, "right\n"),
        (["compare", "--grade", "The answer is 5 cm.", "6"], "", 1, "wrong\n"),
    ],
)
def test_single_texts(arguments: list[str], stdin: str | bytes, code: int, out: str | None) -> None:
    done = run(*arguments, stdin=stdin)
    assert done[0] == code
    assert out is None or done[1] == out
    assert "Traceback" not in done[2]


@pytest.mark.parametrize(
    ("arguments", "stdin", "expected"),
    [
        (["extract"], lines({"text": "the answer is 4"}, {"text": "hm, 3 and"}),
         [{"answer": "4", "kind": "auto", "extraction_method": "phrase"},
          {"answer": None, "kind": None, "extraction_method": None}]),
        (["compare"], lines({"a": "1", "b": "1.0"}, {"a": "(c)", "b": "C", "kind": "choice"}),
         [{"same": True, "undecided": False}] * 2),
        (["compare", "--grade"], lines({"answer": "5 cm", "gold": "5"}), [{"right": True}]),
        (["cluster"], lines({"answers": ["1/2", None, "0.5"]}),
         [{"clusters": [{"answer": "1/2", "votes": 2, "samples": [0, 2], "undecided": False}]}]),
        (["cluster"], lines({"answers": []}), [{"clusters": []}]),
    ],
)  # fmt: skip
def test_many_as_json_lines(arguments: list[str], stdin: str, expected: list[Any]) -> None:
    code, out, err = run(*arguments, "--jsonl", stdin=stdin)
    assert [json.loads(line) for line in out.splitlines()] == expected
    assert (code, err) == (0, "")


def test_the_lines_of_stdin_are_answers() -> None:
    code, out, _ = run("cluster", stdin="1/2\n\n0.5\n7\n")
    assert code == 0
    assert [(g["votes"], g["samples"]) for g in json.loads(out)] == [(2, [0, 2]), (1, [3])]


@pytest.mark.parametrize(
    "bad", [b"no json\n", b"[1]\n", b'{"text": 5}\n', b"\xff\n", b'{"b": 1}\n', b"[" * 9999]
)
@pytest.mark.parametrize("command", ["extract", "compare", "cluster"])
def test_an_invalid_line_does_not_affect_the_others(command: str, bad: bytes) -> None:
    good = {
        "extract": {"text": "#### 5"},
        "compare": {"a": "1", "b": "1"},
        "cluster": {"answers": ["1"]},
    }
    stdin = bad.rstrip(b"\n") + b"\n" + lines(good[command]).encode()
    code, out, err = run(command, "--jsonl", stdin=stdin)
    first, second = (json.loads(line) for line in out.splitlines())
    assert first["error"].startswith("line 1: ")
    assert "error" not in second
    assert code == 2
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "1"],
        ["compare"],
        ["extract", "x", "--kind", "maths"],
        ["extract", "x", "--nonsense"],
        ["gather"],
    ],
)
def test_usage_errors(arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert err
