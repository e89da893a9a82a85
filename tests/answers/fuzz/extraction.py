"""Texts with answers: the same answer in different frames, different answers in the same frame."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

from tests.answers.fuzz.pairs import Generator, Pair, either

DATA = Path(__file__).parents[1] / "data" / "frames.jsonl"
OPENINGS = (
    "",
    "Let's think step by step.\n\n",
    "We are given several values. First we simplify.\n",
    "<think>\nIt could be {decoy}.\n</think>\n\n",
    "## Solution\n\nStep 1: We note that {decoy} is too large.\n\n",
)
LETTERS = "ABCD"
QUESTION = "Which of these fits?\nA) red\nB) green\nC) blue\nD) black"
PROGRAMS = (
    "def f(n):\n    return n + {}",
    "def f(n):\n    total = {}\n    for k in range(n):\n        total += k\n    return total",
    "class Counter:\n    def __init__(self):\n        self.n = {}",
)
PROGRAM_FRAMES = (
    "```python\n{answer}\n```",
    "```\n{answer}\n```",
    "Here is the code:\n\n```python\n{answer}\n```\n\nIt runs in linear time.",
    "```python\n{answer}\n```\n\nExample usage:\n```python\nprint({decoy})\n```",
    "```python\n{answer}\n```\n\n```python\nassert f(1) == {decoy}\n```",
    "```python\n{answer}\n```\nOutput:\n```\n{decoy}\n```",
    "```python\n{answer}\n```\n\nRun it:\n```bash\npython f.py {decoy}\n```",
    "```bash\npip install numpy\n```\n```python\n{answer}\n```",
    "```python\n{answer}\n```\n\nTests:\n```python\ndef test_f():\n    assert f(1) == {decoy}\n```",
    "```python\n{answer}\n```\n\n```markdown\n# Summary {decoy}\n```",
    "[PYTHON]\n{answer}\n[/PYTHON]",
    "```python\n{answer}",
    "<answer>\n```python\n{answer}\n```\n</answer>",
)


def frames(answer: str) -> list[str]:
    """The frames for an answer that is a `number`, a `letter` or several `letters`."""
    lines = map(json.loads, DATA.read_text("utf-8").splitlines())
    return [line["frame"] for line in lines if line["answer"] == answer]


FRAMES: Mapping[str, list[str]] = {name: frames(name) for name in ("number", "letter", "letters")}


def _number(rng: random.Random) -> str:
    return rng.choice(
        (
            str(rng.randint(-99, 999)),
            f"{rng.randint(1, 99)}.{rng.randint(1, 9)}",
            f"{rng.randint(1, 9)}/{rng.choice((11, 13, 17))}",
        )
    )


def _fill(rng: random.Random, frame: str, answer: str, decoy: str) -> str:
    opening = rng.choice(OPENINGS) if "<think>" not in frame and "</think>" not in frame else ""
    return opening.replace("{decoy}", decoy) + frame.format(answer=answer, decoy=decoy)


def numbers(rng: random.Random) -> Pair:
    """Texts with a number, a decimal or a fraction."""
    answer, decoy = _number(rng), str(rng.randint(1000, 9999))
    first, second = rng.choice(FRAMES["number"]), rng.choice(FRAMES["number"])
    start = _fill(rng, first, answer, decoy)
    return either(
        rng,
        lambda: Pair(
            first=start, second=_fill(rng, second, answer, decoy), same=True, are_texts=True
        ),
        lambda: Pair(
            first=start, second=_fill(rng, first, f"1{answer}".replace("1-", "-1"), decoy),
            same=False, are_texts=True,
        ),
    )  # fmt: skip


def letters(rng: random.Random) -> Pair:
    """Texts that choose one option or several."""
    kind = rng.choice(("letter", "letters"))
    count = 1 if kind == "letter" else 2
    chosen, other = rng.sample(LETTERS, count), rng.choice(LETTERS)
    rest = [letter for letter in LETTERS if letter not in chosen]
    changed = [rng.choice(rest), *chosen[1:]]
    joint = rng.choice((", ", " and "))
    other = rng.choice([letter for letter in rest if letter not in changed])
    first, second = rng.choice(FRAMES[kind]), rng.choice(FRAMES[kind])
    start = first.format(answer=joint.join(chosen), decoy=other)
    return either(
        rng,
        lambda: _choices(start, second.format(answer=joint.join(chosen), decoy=other), same=True),
        lambda: _choices(start, first.format(answer=joint.join(changed), decoy=other), same=False),
    )


def _choices(first: str, second: str, *, same: bool) -> Pair:
    return Pair(
        first=first, second=second, same=same, kind="choice", are_texts=True, question=QUESTION
    )


def programs(rng: random.Random) -> Pair:
    """Texts with a program among examples, tests and outputs."""
    template, number, decoy = rng.choice(PROGRAMS), rng.randint(0, 99), str(rng.randint(100, 999))
    first, second = rng.choice(PROGRAM_FRAMES), rng.choice(PROGRAM_FRAMES)
    start = first.format(answer=template.format(number), decoy=decoy)
    return either(
        rng,
        lambda: _code(start, second.format(answer=template.format(number), decoy=decoy), same=True),
        lambda: _code(
            start, first.format(answer=template.format(number + 1), decoy=decoy), same=False
        ),
    )


def _code(first: str, second: str, *, same: bool) -> Pair:
    return Pair(first=first, second=second, same=same, kind="code", are_texts=True)


EXTRACTION: dict[str, Generator] = {
    "texts with numbers": numbers,
    "texts with letters": letters,
    "texts with programs": programs,
}
