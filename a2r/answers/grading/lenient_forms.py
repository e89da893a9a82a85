"""What a grader lets pass: other parse_spellings of an answer, and the answer without its dress."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from a2r.answers.equivalence.canonical_form import unit_powers
from a2r.answers.parsing.answer_parser import apply_sign, parse_answer
from a2r.answers.parsing.expression import Term, constant, contains, inverse, number
from a2r.answers.parsing.relations import is_name, system_values
from a2r.answers.parsing.units import LONE_LETTERS, base_units, is_known_unit

DECIMAL_COMMA = re.compile(r"\s*(-?0|-?\d+(?=,(?:\d{1,2}|\d{4,})\s*$)),(\d+)\s*")
ORDINAL = re.compile(r"(\d+)\s*(?:st|nd|rd|th)", re.IGNORECASE)
PROPORTION = re.compile(r"(\d+(?:\.\d+)?)\s+to\s+(\d+(?:\.\d+)?)")
REMARK = re.compile(r"(\S.*?)\s*\((?:[^()]*[A-Za-z]{3,}[^()]*)\)")
SYNONYMS = {
    "true": "yes",
    "false": "no",
    "no solutions": "no solution",
    "no real solution": "no solution",
    "no real solutions": "no solution",
    "empty set": "no solution",
    "none": "no solution",
    "dne": "does not exist",
    "undefined": "does not exist",
    "infinite": "infinitely many",
    "infinitely many solutions": "infinitely many",
}
CONVERTED = ("quantity", "percent", "based", "system", "mod")


def parse_spellings(text: str) -> list[Term]:
    """The readings of a text: as it stands, and as what a person may have meant by it."""
    found = [parse_answer(text)]
    for pattern, meant in (
        (DECIMAL_COMMA, r"\1.\2"),
        (ORDINAL, r"\1"),
        (PROPORTION, r"\1:\2"),
        (REMARK, r"\1"),
    ):
        match = pattern.fullmatch(text.strip())
        if match:
            found.append(parse_answer(match.expand(meant)))
    return found


def unit_head(term: Term) -> str:
    """What dress a value has, under its name: a unit, a percent sign, a base, names, or none."""
    while term.head == "assign" or (term.head == "set" and len(term.args) == 1):
        term = term.args[0]
    return term.head if term.head in CONVERTED else ""


def lenient_variants(term: Term, kept: str = "") -> Iterator[Term]:
    """The term, and what is left of it without names, units, brackets around one value.

    What is `kept`, because both sides have it, is not taken away.
    """
    yield term
    if term.head == kept:
        return
    match term.head:
        case "assign":
            yield from lenient_variants(term.args[0], kept)
        case "system":
            yield Term("tuple", system_values(term))
            yield Term("tuple", tuple(named.args[0] for named in term.args))
        case "set":
            yield from _of_set(term, kept)
        case "matrix":
            yield from _of_matrix(term)
        case "interval" | "tuple":
            yield from _of_lists(term)
        case "quantity" | "percent" | "based":
            yield from _without_unit(term, kept)
        case "ratio" if len(term.args) == 2:
            yield Term("product", (term.args[0], inverse(term.args[1])))
        case "mod":
            yield term.args[0]
        case "equation":
            yield from _right_side(term.args[0])
        case "product" if len(term.args) == 2 and term.args[1].value in LONE_LETTERS:
            yield term.args[0]
        case "symbol" if term.value.startswith(("bar ", "vec ", "overrightarrow ")):
            yield parse_answer(term.value.partition(" ")[2])
        case "time" if term.value.endswith("?"):
            hour, _, rest = term.value.removesuffix("?").partition(":")
            yield from (Term("time", value=f"{(int(hour) + h) % 24:02}:{rest}") for h in (0, 12))
        case "text" if term.value in SYNONYMS:
            yield Term("text", value=SYNONYMS[term.value])
    if contains(term, "pm", "mp") and term.head not in ("set", "assign"):
        yield Term("set", (apply_sign(term, 1), apply_sign(term, -1)))


def _of_set(term: Term, kept: str) -> Iterator[Term]:
    if not term.args:
        yield Term("text", value="no solution")
    if len(term.args) == 1:
        yield from lenient_variants(term.args[0], kept)


def _of_matrix(term: Term) -> Iterator[Term]:
    """A column or a row as a tuple."""
    if all(len(row.args) == 1 for row in term.args):
        yield Term("tuple", tuple(row.args[0] for row in term.args))
    elif len(term.args) == 1:
        yield Term("tuple", term.args[0].args)


def _of_lists(term: Term) -> Iterator[Term]:
    """`[[1, 2], [3, 4]]` as a matrix."""
    rows = [arg.args for arg in term.args if arg.head in ("interval", "tuple")]
    if rows and len(rows) == len(term.args) and len({len(row) for row in rows}) == 1:
        yield Term("matrix", tuple(Term("row", row) for row in rows))


def _without_unit(term: Term, kept: str) -> Iterator[Term]:
    if term.head == "based":
        digits = term.value.partition("_")[0]
        yield number(int(digits)) if digits.isdigit() else Term("text", value=digits)
    elif term.head == "percent":
        yield term.args[0]
        yield _hundredth(term.args[0])
    else:
        unit = base_units(unit_powers(term.value))
        if unit.base or unit.factor <= 1:
            yield from lenient_variants(term.args[0], kept)
        if not unit.base:
            yield Term("product", (term.args[0], number(unit.factor)))
        if unit.base == "degree":
            yield Term("product", (term.args[0], constant("pi"), number(Fraction(1, 180))))


def _right_side(difference: Term) -> Iterator[Term]:
    """The right side of `name = …`: an equation is kept as left minus right."""
    left, right = difference.args
    if is_name(left):
        yield right.args[1]


def _hundredth(term: Term) -> Term:
    """A hundredth of a number, with two more decimals where some were written."""
    hundredth = Fraction(1, 100)
    if term.head == "decimal":
        shifted = number(term.args[0].rational * hundredth)
        return Term("decimal", (shifted,), str(int(term.value) + 2))
    return Term("product", (term, number(hundredth)))


def same_unit(first: Term, second: Term) -> bool:
    """Whether two units are the same, or count the same thing in more words."""
    one, other = (base_units(unit_powers(term.value)) for term in (first, second))
    if (one.base, one.factor) == (other.base, other.factor):
        return True
    nouns = [{word for word, _ in unit_powers(term.value)} for term in (first, second)]
    counted = all(not any(is_known_unit(word) for word in noun) for noun in nouns)
    return counted and bool(set(one.base.split("*")) & set(other.base.split("*")))
