"""Grade an answer against a gold answer, with the leniency of common graders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from a2r.answers.argument_types import check_answer, check_options
from a2r.answers.equivalence.canonical_form import prepare_term
from a2r.answers.equivalence.worker_forms import Comparer
from a2r.answers.extraction.extract import LAST_NUMBER, extract
from a2r.answers.extraction.strip_reasoning import strip_reasoning
from a2r.answers.extraction.values import FORMULA, MAX_WORDS, is_mathematics, strip_formatting
from a2r.answers.grading.lenient_forms import (
    GROUPED,
    ORDINAL,
    REMARK,
    bare_digits,
    based_value,
    lenient_variants,
    parse_spellings,
    rename_argument,
    rename_parameter,
    same_unit,
    split_remark,
    unit_head,
    unnamed,
)
from a2r.answers.grading.tolerance import WrittenNumber, is_close
from a2r.answers.parsing.answer_parser import parse_answer
from a2r.answers.parsing.expression import Term, contains, number
from a2r.answers.parsing.multiple_choice import choice_letter
from a2r.answers.parsing.relations import is_solved, system_values
from a2r.answers.sandbox.threads import run_in_thread
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
# Sentences whose last number is a bound, a denial or a correction, not their answer.
DENIAL = re.compile(r"\b(?:not|no|wrong|incorrect|false)\b")
NO_CLAIM = re.compile(
    r"\b(?:less|more|fewer|greater|larger|smaller|higher|lower) than\b|\bat (?:least|most)\b"
    r"|\bbetween\b|\b(?:except|anything but|rule[sd]? out|reject|instead of|rather than)\b"
    r"|\b(?:never|wrong|incorrect|below|loss|squared|cubed|page|options|no solutions?)\b"
    r"|\b(?:do|does|did|is|was)n['’]t\b|\bif\b|[<>≤≥]|~~|\d\s*[+*]\s*$",
    re.IGNORECASE,
)
MAX_TAIL_CHARACTERS = 4000
LISTS = frozenset({"set", "tuple", "interval", "row"})
RELATIONS = frozenset({"equation", "inequality", "relation", "unequal"})
OUTSIDE_GRAMMAR = (
    "opaque", "relation", "inequality", "equation", "bounded", "union", "unequal", "without"
)  # fmt: skip


def grade(
    answer: Answer | str,
    gold: Answer | str,
    kind: Kind = "auto",
    settings: Settings = DEFAULTS,
    *,
    question: str | None = None,
) -> bool:
    """Grade an answer, or the answer of a complete text, against a gold answer.

    A string is graded as an answer, then as a text to extract the answer from. Besides equivalent
    answers, these are accepted: a unit on one side only, percent in either reading, different
    names and brackets, and decimals to the written precision (`docs/answers.md`). The question
    lists the options of a choice, and tells points from intervals.

    Raises:
        ArgumentTypeError: an argument has another type.
        UnknownKindError: `kind` is not one of the kinds.
    """
    validate_kind(kind)
    check_answer(answer, "answer")
    check_answer(gold, "gold")
    check_options(settings, question)
    if _text(answer).strip() == _text(gold).strip():
        return True
    golds = _candidates(gold, kind, question, guess=False)
    if isinstance(answer, str) and kind in ("auto", "math") and _choice(answer) in golds:
        return True
    return any(
        _is_right(text, expected, kind, settings, question)
        for text in _candidates(answer, kind, question, guess=True)
        for expected in golds
    )


def _text(answer: Answer | str) -> str:
    return answer.text if isinstance(answer, Answer) else answer


async def agrade(
    answer: Answer | str,
    gold: Answer | str,
    kind: Kind = "auto",
    settings: Settings = DEFAULTS,
    *,
    question: str | None = None,
) -> bool:
    """Grade an answer without blocking the event loop; see `grade`."""
    return await run_in_thread(grade, answer, gold, kind, settings, question=question)


def _candidates(
    answer: Answer | str, kind: Kind, question: str | None, *, guess: bool
) -> list[str]:
    """The texts that may be the answer: the complete text, then the extracted answer."""
    if isinstance(answer, Answer):
        return [answer.text]
    texts = [answer] if _may_be_answer(answer, kind) else []
    if texts and not guess and parse_answer(answer).head == "assign":
        # The name of a gold answer may matter: f'(x) is not f(x).
        return texts
    extracted = extract(answer, kind, question)
    if extracted is not None:
        texts.append(extracted.text)
    is_weak = extracted is None or extracted.extraction_method == "last_line"
    if guess and answer not in texts and is_weak:
        texts += _guess_answers(answer)
    if not texts and not guess:
        texts = [answer]
    return list(dict.fromkeys(text for text in texts if text.strip()))


def _choice(text: str) -> str | None:
    """The letter of a text that is only a choice, such as `C)` or `(C) 12 m`."""
    return choice_letter(text, exact=True) if len(text) <= MAX_ANSWER_CHARACTERS else None


def _guess_answers(text: str) -> list[str]:
    """The last formula or number of a text, whichever ends later; amounts of money first."""
    answer = strip_reasoning(text)[-MAX_TAIL_CHARACTERS:]
    last = answer.rstrip().rpartition("\n")[2]
    if answer.rstrip().endswith("?") or NO_CLAIM.search(last):
        return []
    amounts = MONEY.findall(last)
    amounts = amounts if len(amounts) == 1 else STATED.findall(last)
    if len(amounts) == 1:
        return amounts
    formulas = [
        (match.end(), next(g for g in match.groups() if g)) for match in FORMULA.finditer(answer)
    ]
    numbers = [
        (match.end(), match[0])
        for match in LAST_NUMBER.finditer(answer)
        if not NEGATED.search(answer[max(0, match.start() - 40) : match.start()])
    ]
    last_ones = [*formulas[-1:], *numbers[-1:]]
    return [max(last_ones)[1]] if last_ones else []


def _may_be_answer(text: str, kind: Kind) -> bool:
    """Whether a text is an answer by itself: a formula or a few words, not a solution."""
    if (
        not 0 < len(text.strip()) <= MAX_ANSWER_CHARACTERS
        or "\\boxed" in text
        or "</think>" in text
    ):
        return False
    if kind in ("choice", "json", "code") or is_mathematics(strip_formatting(text)):
        return True
    if any(character.isdigit() for character in text):
        return any(form.fullmatch(text.strip()) for form in (ORDINAL, REMARK, GROUPED))
    return len(text.split()) <= MAX_WORDS


def _is_right(answer: str, gold: str, kind: Kind, settings: Settings, question: str | None) -> bool:
    answer, gold = strip_formatting(answer) or answer, strip_formatting(gold) or gold
    comparer = Comparer(kind if kind not in ("auto", "text") else "math", settings, question)
    if kind in ("choice", "json", "code"):
        first, second = comparer.forms([answer, gold])
        return first.key == second.key
    if re.fullmatch(r"\(?[A-J]\)?", gold) and choice_letter(answer, exact=True) == gold.strip("()"):
        return True
    return Grader(comparer).is_right(answer, gold)


class Grader:
    """Compares an answer with a gold answer."""

    def __init__(self, comparer: Comparer) -> None:
        self.comparer = comparer

    def is_right(self, answer: str, gold: str) -> bool:
        """Whether the answer is right in a lenient reading, or math-verify accepts it."""
        first, second = self.comparer.forms([answer, gold])
        if first.key == second.key:
            return True
        terms = [(a, g) for a in parse_spellings(answer) for g in parse_spellings(gold)]
        terms += _without_remarks(answer, gold)
        if any(self._any_agree(a, g) for a, g in terms):
            return True
        return self._verify(answer, gold, *terms[0])

    def agree(self, answer: Term, gold: Term) -> bool:
        """Whether two terms agree, part by part."""
        if answer.head in LISTS and gold.head in LISTS:
            return self._lists_agree(answer, gold)
        if answer.head == gold.head == "matrix":
            return self._matrices_agree(answer, gold)
        if answer.head == gold.head == "union":
            return self._any_order(answer.args, gold.args)
        if answer.head == gold.head == "system":
            return self._systems_agree(answer, gold)
        if answer.head == gold.head == "mod":
            return all(self._any_agree(a, g) for a, g in zip(answer.args, gold.args, strict=True))
        if answer.head == gold.head == "quantity":
            return same_unit(answer, gold) and self._leaves_agree(answer.args[0], gold.args[0])
        return self._leaves_agree(answer, gold)

    def _lists_agree(self, answer: Term, gold: Term) -> bool:
        if answer.head == gold.head == "set":
            answer = _distinct_solutions(answer)
        if len(answer.args) != len(gold.args):
            return False
        if answer.head == gold.head == "interval" and answer.value != gold.value:
            return False
        closed = [term.head == "interval" and term.value != "()" for term in (answer, gold)]
        if answer.head != gold.head and any(closed) and not _in_brackets(answer, gold):
            return False
        if answer.head == gold.head == "set":
            return self._any_order(answer.args, gold.args)
        return all(self._any_agree(a, g) for a, g in zip(answer.args, gold.args, strict=True))

    def _systems_agree(self, answer: Term, gold: Term) -> bool:
        """Whether named values agree, sorted by their names."""
        if len(answer.args) != len(gold.args):
            return False
        names = [{part.value for part in system.args} for system in (answer, gold)]
        if names[0] != names[1] and any(len(name) > 1 for name in names[0] | names[1]):
            return False
        if names[0] != names[1] and names[0] & names[1]:
            return False
        pairs = zip(system_values(answer), system_values(gold), strict=True)
        return all(self._any_agree(a, g) for a, g in pairs)

    def _matrices_agree(self, answer: Term, gold: Term) -> bool:
        if [len(row.args) for row in answer.args] != [len(row.args) for row in gold.args]:
            return False
        pairs = zip(answer.args, gold.args, strict=True)
        return all(
            self._any_agree(a, g) for x, y in pairs for a, g in zip(x.args, y.args, strict=True)
        )

    def _any_order(self, answers: Sequence[Term], golds: Sequence[Term]) -> bool:
        """Whether answers and golds agree one to one; each gold takes the first match."""
        remaining = list(answers)
        for gold in golds:
            match = next((a for a in remaining if self._any_agree(a, gold)), None)
            if match is None:
                return False
            remaining.remove(match)
        return not remaining

    def _any_agree(self, answer: Term, gold: Term) -> bool:
        shared_head = unit_head(answer) if unit_head(answer) == unit_head(gold) else ""
        answer = unnamed(answer, gold)
        answer = rename_argument(answer, gold)
        answers = [
            *lenient_variants(answer, shared_head),
            *based_value(answer, gold),
            *bare_digits(answer, gold),
        ]
        golds = [*lenient_variants(gold, shared_head), *bare_digits(gold, answer)]
        return any(self.agree(a, g) for a in answers for g in golds)

    def _leaves_agree(self, answer: Term, gold: Term) -> bool:
        if answer.head == "quantity" or gold.head == "quantity":
            return False
        answer = rename_parameter(answer, gold)
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

    def _verify(self, answer: str, gold: str, answer_term: Term, gold_term: Term) -> bool:
        """Whether math-verify accepts the answer, if one of the two is outside the grammar."""
        if not any(contains(term, *OUTSIDE_GRAMMAR) for term in (answer_term, gold_term)):
            return False
        if is_solved(gold_term) and answer_term.head in RELATIONS:
            # The number on the right side of an equation is not its answer.
            return False
        return self.comparer.verify_answer(gold, answer)


def _without_remarks(answer: str, gold: str) -> list[tuple[Term, Term]]:
    """The terms without a remark that only one side has, or both have; different ones count."""
    (bare_answer, remark), (bare_gold, gold_remark) = split_remark(answer), split_remark(gold)
    if DENIAL.search(remark) or DENIAL.search(gold_remark):
        return []
    if (remark and gold_remark) or (bare_answer, bare_gold) == (answer, gold):
        return []
    return [(a, g) for a in parse_spellings(bare_answer) for g in parse_spellings(bare_gold)]


def _distinct_solutions(term: Term) -> Term:
    """A list of tuples without repetitions: each is a solution, which may be found twice."""
    if not all(arg.head == "tuple" for arg in term.args):
        return term
    return Term(term.head, tuple(dict.fromkeys(term.args)), term.value)


def _in_brackets(first: Term, second: Term) -> bool:
    """Whether one is a list in square brackets, and the other a list or the row of a matrix."""
    values = {term.head: term.value for term in (first, second)}
    other = values.get("set", values.get("tuple", ""))
    return values.get("interval") == "[]" and (other.startswith("list") or other == "row")


def _decimals(term: Term) -> int | None:
    """The count of written decimals of a number; `None` if it is not a decimal."""
    power = _power_of_ten(term)
    if power is not None:
        return max(0, int(term.args[0].value) - power)
    if term.head == "decimal":
        return int(term.value)
    if term.head == "product" and len(term.args) == 2 and term.args[0] == number(-1):
        return _decimals(term.args[1])
    return None


def _power_of_ten(term: Term) -> int | None:
    """The exponent of a decimal in scientific notation, such as -3 of `2.31 x 10^-3`."""
    if term.head != "product" or [arg.head for arg in term.args] != ["decimal", "power"]:
        return None
    base, exponent = (prepare_term(arg) for arg in term.args[1].args)
    if base != number(10) or exponent.head != "number" or exponent.rational.denominator != 1:
        return None
    return int(exponent.rational)


def _number(key: str) -> Fraction | None:
    """The value of a canonical string of a real number; `None` for other strings."""
    if RATIONAL.fullmatch(key):
        top, _, bottom = key[1:].partition("/")
        return Fraction(int(top, 16), int(bottom or "1", 16))
    try:
        return Fraction(key)
    except ValueError:
        return None
