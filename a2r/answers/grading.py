"""Grading: whether an answer is right, by a gold answer; lenient where graders agree to be."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

from a2r.answers.answer import Answer, Kind
from a2r.answers.canonical import powers_of, prepared
from a2r.answers.choices import choice_letter
from a2r.answers.claims import FORMULA, bare, is_mathematics, is_wording
from a2r.answers.comparer import Comparer
from a2r.answers.extraction import LAST_NUMBER, extract
from a2r.answers.reading import read, with_sign
from a2r.answers.relations import is_name, values_of
from a2r.answers.settings import DEFAULTS, Settings
from a2r.answers.syntax import Term, contains, number
from a2r.answers.tolerance import Written, close
from a2r.answers.units import known, measured
from a2r.answers.visible import visible

LONGEST_ANSWER = 400
DECIMAL_COMMA = re.compile(r"\s*(-?\d+),(\d{1,2}|\d{4,})\s*")
RATIONAL = re.compile(r"q-?[0-9a-f]+(?:/[0-9a-f]+)?")
TAIL = 4000
LISTS = frozenset({"set", "tuple", "interval", "row"})
HUNDRED = Fraction(100)


def grade(
    answer: Answer | str, gold: Answer | str, kind: Kind = "auto", settings: Settings = DEFAULTS
) -> bool:
    """Whether an answer, or the answer of a whole text, is right.

    A plain string is tried whole, then as a text to extract from. Besides what is equivalent,
    units may miss on one side, percent may be meant either way, names before values and brackets
    may differ, and decimals count to the precision that was written (`docs/answers.md`).
    """
    golds = _readings(gold, kind, guess=False)
    return any(
        _right(text, expected, kind, settings)
        for text in _readings(answer, kind, guess=True)
        for expected in golds
    )


async def agrade(
    answer: Answer | str, gold: Answer | str, kind: Kind = "auto", settings: Settings = DEFAULTS
) -> bool:
    """`grade` without blocking the event loop."""
    return await asyncio.to_thread(grade, answer, gold, kind, settings)


def _readings(given: Answer | str, kind: Kind, *, guess: bool) -> list[str]:
    """The texts that may be the answer: the whole, then what is extracted."""
    if isinstance(given, Answer):
        return [given.text]
    texts = [given] if _may_be_whole(given, kind) else []
    found = extract(given, kind)
    if found is not None:
        texts.append(found.text)
    if guess and given not in texts and (found is None or found.how == "last_line"):
        texts += _guessed(given)
    if not texts and not guess:
        texts = [given]
    return list(dict.fromkeys(text for text in texts if text.strip()))


def _guessed(text: str) -> list[str]:
    """The last formula or number of a text, whichever ends later."""
    answer = visible(text)[-TAIL:]
    marked = [
        (match.end(), next(g for g in match.groups() if g)) for match in FORMULA.finditer(answer)
    ]
    numbers = [(match.end(), match[0]) for match in LAST_NUMBER.finditer(answer)]
    found = [*marked[-1:], *numbers[-1:]]
    return [max(found)[1]] if found else []


def _may_be_whole(text: str, kind: Kind) -> bool:
    """Whether a text is an answer by itself: a formula, a few words, no solution."""
    if not 0 < len(text.strip()) <= LONGEST_ANSWER or "\\boxed" in text or "</think>" in text:
        return False
    if kind in ("choice", "json", "code") or is_mathematics(bare(text)):
        return True
    return is_wording(bare(text)) and not any(sign.isdigit() for sign in text)


def _right(answer: str, gold: str, kind: Kind, settings: Settings) -> bool:
    answer, gold = bare(answer) or answer, bare(gold) or gold
    comparer = Comparer(kind if kind not in ("auto", "text") else "math", settings)
    if kind in ("choice", "json", "code"):
        first, second = comparer.forms([answer, gold])
        return first.key == second.key
    if re.fullmatch(r"\(?[A-J]\)?", gold) and choice_letter(answer, whole=True) == gold.strip("()"):
        return True
    return Grader(comparer).right(answer, gold)


class Grader:
    """Compares one answer with one gold."""

    def __init__(self, comparer: Comparer) -> None:
        self.comparer = comparer

    def right(self, answer: str, gold: str) -> bool:
        """Whether the answer is right in any lenient reading, or math-verify takes it."""
        first, second = self.comparer.forms([answer, gold])
        if first.key == second.key:
            return True
        terms = [(a, g) for a in _spelled(answer) for g in _spelled(gold)]
        if any(self._some(a, g) for a, g in terms):
            return True
        return self._verified(answer, gold, *terms[0])

    def agree(self, answer: Term, gold: Term) -> bool:
        """Whether two readings agree, leaf by leaf."""
        if answer.head in LISTS and gold.head in LISTS:
            return self._lists_agree(answer, gold)
        if answer.head == gold.head == "matrix":
            return self._matrices_agree(answer, gold)
        if answer.head == gold.head == "union":
            return self._any_order(answer.args, gold.args)
        if answer.head == gold.head == "quantity":
            return _same_unit(answer, gold) and self._leaves_agree(answer.args[0], gold.args[0])
        return self._leaves_agree(answer, gold)

    def _lists_agree(self, answer: Term, gold: Term) -> bool:
        if len(answer.args) != len(gold.args):
            return False
        if answer.head == gold.head == "interval" and answer.value != gold.value:
            return False
        closed = [term.head == "interval" and term.value != "()" for term in (answer, gold)]
        if answer.head != gold.head and any(closed):
            return False
        if answer.head == gold.head == "set":
            return self._any_order(answer.args, gold.args)
        return all(self._some(a, g) for a, g in zip(answer.args, gold.args, strict=True))

    def _matrices_agree(self, answer: Term, gold: Term) -> bool:
        if [len(row.args) for row in answer.args] != [len(row.args) for row in gold.args]:
            return False
        pairs = zip(answer.args, gold.args, strict=True)
        return all(self._some(a, g) for x, y in pairs for a, g in zip(x.args, y.args, strict=True))

    def _any_order(self, answers: Sequence[Term], golds: Sequence[Term]) -> bool:
        """Whether each gold has an answer of its own (answers agree with few golds: greedy)."""
        left = list(answers)
        for gold in golds:
            match = next((a for a in left if self._some(a, gold)), None)
            if match is None:
                return False
            left.remove(match)
        return not left

    def _some(self, answer: Term, gold: Term) -> bool:
        kept = _unit_head(answer) if _unit_head(answer) == _unit_head(gold) else ""
        return any(self.agree(a, g) for a in _lenient(answer, kept) for g in _lenient(gold, kept))

    def _leaves_agree(self, answer: Term, gold: Term) -> bool:
        if answer.head == "quantity" or gold.head == "quantity":
            return False
        keys = self.comparer.keys([prepared(answer), prepared(gold)])
        if keys[0] == keys[1]:
            return True
        values = [_number(key) for key in keys]
        if values[0] is None or values[1] is None:
            return False
        return close(
            Written(value=values[0], decimals=_decimals(answer)),
            Written(value=values[1], decimals=_decimals(gold)),
        )

    def _verified(self, answer: str, gold: str, read_answer: Term, read_gold: Term) -> bool:
        """math-verify's opinion, where one of the two is beyond this grammar."""
        beyond = (
            "opaque",
            "relation",
            "inequality",
            "equation",
            "bounded",
            "union",
            "unequal",
            "without",
        )
        if not any(contains(term, *beyond) for term in (read_answer, read_gold)):
            return False
        return self.comparer.accepted(gold, answer)


def _spelled(text: str) -> list[Term]:
    """The readings of a text; `1000,99` may have a decimal comma."""
    comma = DECIMAL_COMMA.fullmatch(text)
    return [read(text), *([read(f"{comma[1]}.{comma[2]}")] if comma else [])]


def _unit_head(term: Term) -> str:
    """What kind of unit a value has, under its name: `quantity`, `percent`, `based` or none."""
    while term.head == "assign" or (term.head == "set" and len(term.args) == 1):
        term = term.args[0]
    return term.head if term.head in ("quantity", "percent", "based") else ""


def _lenient(term: Term, kept: str = "") -> Iterator[Term]:
    """The term, and what is left of it without names, units, brackets around one value.

    What is `kept`, because both sides have it, is not taken away.
    """
    yield term
    if term.head == kept:
        return
    match term.head:
        case "assign":
            yield from _lenient(term.args[0], kept)
        case "system":
            yield Term("tuple", values_of(term))
            yield Term("set", values_of(term))
        case "set" if len(term.args) == 1:
            yield from _lenient(term.args[0], kept)
        case "matrix" if all(len(row.args) == 1 for row in term.args):
            yield Term("tuple", tuple(row.args[0] for row in term.args))
        case "matrix" if len(term.args) == 1:
            yield Term("tuple", term.args[0].args)
        case "quantity":
            yield from _lenient(term.args[0], kept)
            unit = measured(powers_of(term.value))
            if not unit.base:
                yield Term("product", (term.args[0], number(unit.factor)))
        case "percent":
            yield term.args[0]
            yield _scaled(term.args[0], 1 / HUNDRED)
        case "ratio" if len(term.args) == 2:
            yield Term("product", (term.args[0], Term("power", (term.args[1], number(-1)))))
        case "mod":
            yield term.args[0]
        case "based":
            yield number(int(digits) if (digits := term.value.partition("_")[0]).isdigit() else -1)
        case "equation":
            yield from _sides(term.args[0])
    if contains(term, "pm", "mp") and term.head not in ("set", "assign"):
        yield Term("set", (with_sign(term, 1), with_sign(term, -1)))


def _sides(difference: Term) -> Iterator[Term]:
    """The right side of `name = …`: an equation is kept as left minus right."""
    left, right = difference.args
    if is_name(left):
        yield right.args[1]


def _scaled(term: Term, factor: Fraction) -> Term:
    if term.head == "decimal":
        places = int(term.value) + (2 if factor < 1 else -2)
        return Term("decimal", (number(term.args[0].rational * factor),), str(max(places, 0)))
    return Term("product", (term, number(factor)))


def _same_unit(first: Term, second: Term) -> bool:
    """Whether two units are the same, or count the same thing in more words."""
    one, other = (measured(powers_of(term.value)) for term in (first, second))
    if (one.base, one.factor) == (other.base, other.factor):
        return True
    nouns = [{word for word, _ in powers_of(term.value)} for term in (first, second)]
    counted = all(not any(known(word) for word in noun) for noun in nouns)
    return counted and bool(set(one.base.split("*")) & set(other.base.split("*")))


def _decimals(term: Term) -> int | None:
    """How many decimals a number was written with; `None` for what is no decimal."""
    if term.head == "decimal":
        return int(term.value)
    if term.head == "product" and len(term.args) == 2 and term.args[0] == number(-1):
        return _decimals(term.args[1])
    return None


def _number(key: str) -> Fraction | None:
    """The value of a canonical string that stands for a real number."""
    if RATIONAL.fullmatch(key):
        top, _, bottom = key[1:].partition("/")
        return Fraction(int(top, 16), int(bottom or "1", 16))
    try:
        return Fraction(key)
    except ValueError:
        return None
