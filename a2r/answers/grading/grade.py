"""Grading: whether an answer is right, by a gold answer; lenient where graders agree to be."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from fractions import Fraction

from a2r.answers.equivalence.canonical_form import prepare_term
from a2r.answers.equivalence.comparer import Comparer
from a2r.answers.extraction.claims import FORMULA, MAX_WORDS, is_mathematics, strip_formatting
from a2r.answers.extraction.extract import LAST_NUMBER, extract
from a2r.answers.extraction.strip_reasoning import strip_reasoning
from a2r.answers.grading.lenient_forms import (
    ORDINAL,
    REMARK,
    lenient_variants,
    parse_spellings,
    same_unit,
    unit_head,
)
from a2r.answers.grading.tolerance import WrittenNumber, is_close
from a2r.answers.parsing.expression import Term, contains, number
from a2r.answers.parsing.multiple_choice import choice_letter
from a2r.answers.parsing.relations import system_values
from a2r.answers.settings import DEFAULTS, Settings
from a2r.answers.types import Answer, Kind, validate_kind

MAX_ANSWER_CHARACTERS = 400
NEGATED = re.compile(r"(?:\b(?:not|cannot|never)\b|n['’]t)\W+(?:\w+\W+){0,2}$", re.IGNORECASE)
STATED = re.compile(
    r"\b(?:is|are|was|were|equals)\s+(-?\d+(?:,\d{3})*(?:\.\d+)?)"
    r"(?=\s+(?!which|that|but|not|and)[a-z]{3})"
)
MONEY = re.compile(r"\\?\$(\d+(?:,\d{3})*(?:\.\d+)?)(?![\d$])")
RATIONAL = re.compile(r"q-?[0-9a-f]+(?:/[0-9a-f]+)?")
MAX_TAIL_CHARACTERS = 4000
LISTS = frozenset({"set", "tuple", "interval", "row"})
BEYOND = (
    "opaque", "relation", "inequality", "equation", "bounded", "union", "unequal", "without"
)  # fmt: skip


def grade(
    answer: Answer | str, gold: Answer | str, kind: Kind = "auto", settings: Settings = DEFAULTS
) -> bool:
    """Whether an answer, or the answer of a whole text, is right.

    A plain string is tried whole, then as a text to extract from. Besides what is equivalent,
    units may miss on one side, percent may be meant either way, names before values and brackets
    may differ, and decimals count to the precision that was written (`docs/answers.md`).
    """
    validate_kind(kind)
    golds = _readings(gold, kind, guess=False)
    if isinstance(answer, str) and kind in ("auto", "math") and _chosen(answer) in golds:
        return True
    return any(
        _is_right(text, expected, kind, settings)
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
    if guess and given not in texts and (found is None or found.extraction_method == "last_line"):
        texts += _guessed(given)
    if not texts and not guess:
        texts = [given]
    return list(dict.fromkeys(text for text in texts if text.strip()))


def _chosen(text: str) -> str | None:
    """The letter of a text that is a choice and no more, such as `C)` or `(C) 12 m`."""
    return choice_letter(text, whole=True) if len(text) <= MAX_ANSWER_CHARACTERS else None


def _guessed(text: str) -> list[str]:
    """The last formula or number of a text, whichever ends later."""
    answer = strip_reasoning(text)[-MAX_TAIL_CHARACTERS:]
    if answer.rstrip().endswith("?"):
        return []
    last = answer.rpartition("\n")[2]
    told = MONEY.findall(last)
    told = told if len(told) == 1 else STATED.findall(last)
    if len(told) == 1:
        return told
    marked = [
        (match.end(), next(g for g in match.groups() if g)) for match in FORMULA.finditer(answer)
    ]
    numbers = [
        (match.end(), match[0])
        for match in LAST_NUMBER.finditer(answer)
        if not NEGATED.search(answer[max(0, match.start() - 40) : match.start()])
    ]
    found = [*marked[-1:], *numbers[-1:]]
    return [max(found)[1]] if found else []


def _may_be_whole(text: str, kind: Kind) -> bool:
    """Whether a text is an answer by itself: a formula, a few words, no solution."""
    if (
        not 0 < len(text.strip()) <= MAX_ANSWER_CHARACTERS
        or "\\boxed" in text
        or "</think>" in text
    ):
        return False
    if kind in ("choice", "json", "code") or is_mathematics(strip_formatting(text)):
        return True
    if any(sign.isdigit() for sign in text):
        return bool(ORDINAL.fullmatch(text.strip()) or REMARK.fullmatch(text.strip()))
    return len(text.split()) <= MAX_WORDS


def _is_right(answer: str, gold: str, kind: Kind, settings: Settings) -> bool:
    answer, gold = strip_formatting(answer) or answer, strip_formatting(gold) or gold
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
        terms = [(a, g) for a in parse_spellings(answer) for g in parse_spellings(gold)]
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
        if answer.head == gold.head == "system":
            return self._systems_agree(answer, gold)
        if answer.head == gold.head == "mod":
            return all(self._some(a, g) for a, g in zip(answer.args, gold.args, strict=True))
        if answer.head == gold.head == "quantity":
            return same_unit(answer, gold) and self._leaves_agree(answer.args[0], gold.args[0])
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

    def _systems_agree(self, answer: Term, gold: Term) -> bool:
        """Named values by their names; under other names, in the order of the names."""
        if len(answer.args) != len(gold.args):
            return False
        pairs = zip(system_values(answer), system_values(gold), strict=True)
        return all(self._some(a, g) for a, g in pairs)

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
        kept = unit_head(answer) if unit_head(answer) == unit_head(gold) else ""
        return any(
            self.agree(a, g)
            for a in lenient_variants(answer, kept)
            for g in lenient_variants(gold, kept)
        )

    def _leaves_agree(self, answer: Term, gold: Term) -> bool:
        if answer.head == "quantity" or gold.head == "quantity":
            return False
        keys = self.comparer.keys([prepare_term(answer), prepare_term(gold)])
        if keys[0] == keys[1]:
            return True
        values = [_number(key) for key in keys]
        if values[0] is None or values[1] is None:
            return False
        return is_close(
            WrittenNumber(value=values[0], decimals=_decimals(answer)),
            WrittenNumber(value=values[1], decimals=_decimals(gold)),
        )

    def _verified(self, answer: str, gold: str, read_answer: Term, read_gold: Term) -> bool:
        """math-verify's opinion, where one of the two is beyond this grammar."""
        if not any(contains(term, *BEYOND) for term in (read_answer, read_gold)):
            return False
        return self.comparer.equal_values(gold, answer)


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
