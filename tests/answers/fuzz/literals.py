"""Pairs of texts, symbols, choices, JSON and code; and texts with an answer to extract."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from tests.answers.fuzz.pairs import Pair

WORDS = (
    "increasing", "decreasing", "Paris", "London", "carbon dioxide", "the Pacific Ocean", "Grade A",
    "no solution", "one solution", "left-handed", "x-axis", "Newton's law", "World War I", "type O",
)  # fmt: skip
SIGNS = "♠♦♣♥♯♭⊂⊃∥⊥∀∃→←↑↓⊕⊗≺≻♂♀₽₩¬∇†‡§¶"


def text(rng: random.Random) -> Pair:
    """Words: in another case or emphasis, or with a word or sign changed."""
    words = rng.choice(WORDS)
    if rng.random() < 0.5:
        second = rng.choice(
            (f"**{words}**", f"\\text{{{words}}}", f"{words}.", f'"{words}"', f"  {words} ")
        )
        return Pair(first=words, second=second, same=True)
    other = rng.choice([w for w in WORDS if w != words])
    second = rng.choice((other, f"{words}-", f"{words}+", f"not {words}", f"{words} {other}"))
    return Pair(first=words, second=second, same=False)


def symbols(rng: random.Random) -> Pair:
    """Texts with signs outside the grammar: spaced otherwise, or with another sign."""
    one, two = rng.sample(SIGNS, 2)
    left, right = rng.choice((("A", "B"), ("K", ""), ("AB", "CD"), ("p", "q"), ("C", " minor")))
    first = f"{left} {one} {right}".strip()
    if rng.random() < 0.5:
        second = rng.choice((f"${first}$", f" {first}", f"\\text{{{first}}}"))
        return Pair(first=first, second=second, same=True)
    second = rng.choice((f"{left} {two} {right}", f"{left} {right}", f"{left}{one}{one} {right}"))
    return Pair(first=first, second=second.strip(), same=False)


def choice(rng: random.Random) -> Pair:
    """Choices: written otherwise, or another one."""
    one, two, three = rng.sample("ABCDEFGH", 3)
    forms = ("({})", "{}.", "{})", "\\text{{{}}}", "**{}**", "Option {}")
    spellings = [form.format(one) for form in forms]
    if rng.random() < 0.5:
        first, second = rng.sample([one, *spellings], 2)
        return Pair(first=first, second=second, same=True, kind="choice")
    second = rng.choice((two, f"({two})", f"{one} or {two}", f"{one} and {two}", f"{one}: {three}"))
    return Pair(first=rng.choice(spellings), second=second, same=False, kind="choice")


def json_document(rng: random.Random) -> Pair:
    """JSON: written otherwise, or with a value or a name changed."""
    value = {name: _json_value(rng, 2) for name in rng.sample(("a", "b", "c", "total"), 3)}
    first = json.dumps(value)
    if rng.random() < 0.5:
        shuffled = dict(rng.sample(sorted(value.items()), len(value)))
        second = json.dumps(shuffled, indent=rng.choice((None, 2)))
        return Pair(first=first, second=second, same=True, kind="json")
    changed: dict[str, Any] = dict(value)
    name = rng.choice(sorted(changed))
    match rng.randrange(3):
        case 0:
            changed[name] = [changed[name]]
        case 1:
            changed[f"{name}2"] = changed.pop(name)
        case _:
            changed[name] = "changed"
    return Pair(first=first, second=json.dumps(changed), same=False, kind="json")


def _json_value(rng: random.Random, depth: int) -> Any:
    if depth and rng.random() < 0.4:
        return [_json_value(rng, depth - 1) for _ in range(rng.randint(0, 3))]
    return rng.choice((rng.randint(-5, 99), rng.random(), "text", True, None, "7"))


PROGRAMS = (
    "def f(x):\n    return x + 1",
    "total = 0\nfor i in range(10):\n    total += i\nprint(total)",
    "s = 'a  b'\nprint(s.split(' '))",
    "class A:\n    def g(self):\n        return [1, 2]",
)


def code(rng: random.Random) -> Pair:
    """Programs: formatted and commented otherwise, or with one token changed."""
    program = rng.choice(PROGRAMS)
    if rng.random() < 0.5:
        second = rng.choice(
            (
                f"# a comment\n{program}",
                program.replace(" = ", "=").replace("\n", "\n\n", 1),
                f"{program}  # done",
                program + "\n\n",
            )
        )
        return Pair(first=program, second=second, same=True, kind="code")
    changes = (("1", "2"), ("0", "3"), ("a  b", "a b"), ("return", "yield"), ("print", "repr"))
    fitting = [(old, new) for old, new in changes if old in program]
    old, new = rng.choice(fitting)
    return Pair(first=program, second=program.replace(old, new), same=False, kind="code")


LITERALS: dict[str, Callable[[random.Random], Pair]] = {
    "text": text,
    "symbols": symbols,
    "choices": choice,
    "json": json_document,
    "code": code,
}
