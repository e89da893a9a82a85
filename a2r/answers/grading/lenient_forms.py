"""Lenient forms of an answer: other spellings, and variants without units, names or brackets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from a2r.answers.equivalence.canonical_form import unit_powers
from a2r.answers.parsing.answer_grammar import apply_sign
from a2r.answers.parsing.answer_parser import parse_answer
from a2r.answers.parsing.expression import (
    Term,
    call,
    constant,
    contains,
    free_symbols,
    inverse,
    number,
    symbol,
    walk,
)
from a2r.answers.parsing.natural_language import is_spoken, normalized_words
from a2r.answers.parsing.relations import is_name, list_term, system_values
from a2r.answers.parsing.units import LONE_LETTERS, base_units, is_known_unit

DECIMAL_COMMA = re.compile(r"\s*(-?0|-?\d+(?=,(?:\d{1,2}|\d{4,})\s*$)),(\d+)\s*")
ORDINAL = re.compile(
    r"(\d+)\s*+(?:\^\s*+)?\{?(?:\\(?:mathrm|text|textrm)\s*\{)?\s*+(?:st|nd|rd|th)\s*\}{0,2}",
    re.IGNORECASE,
)
# Thousands in the Indian and in the Swiss notation.
GROUPED = re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?|\d{1,3}(?:['’]\d{3})+(?:\.\d+)?")
COMPACT_DATE = re.compile(r"((?:1[5-9]|20)\d\d)(0[1-9]|1[0-2])([0-3]\d)")
PROPORTION = re.compile(r"(\d+(?:\.\d+)?)\s+to\s+(\d+(?:\.\d+)?)")
# A remark in prose after a number or words; the brackets of formulas and units are no remarks.
REMARK = re.compile(r"(?P<value>\S.*?)(?<!\s)\s++\((?=[^()\\]*?[A-Za-z]{3})(?P<remark>[^()\\]*+)\)")
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
NAMED_HEADS = frozenset({"named", "assign", "system"})
PARAMETERS = frozenset("jklmnN")
FUNCTION_OF = re.compile(r"(\w+)\((\w)\)")
UNIT_HEADS = ("quantity", "percent", "based", "system", "mod")


def parse_spellings(text: str) -> list[Term]:
    """The terms of a text: as written, and in the spellings that a person may have meant."""
    terms = [parse_answer(text)]
    for pattern, replacement in (
        (DECIMAL_COMMA, r"\1.\2"),
        (ORDINAL, r"\1"),
        (PROPORTION, r"\1:\2"),
        (COMPACT_DATE, r"\1-\2-\3"),
    ):
        match = pattern.fullmatch(text.strip())
        if match:
            terms.append(parse_answer(match.expand(replacement)))
    if GROUPED.fullmatch(text.strip()):
        terms.append(parse_answer(re.sub(r"[,'’]", "", text)))
    return terms


def split_remark(text: str) -> tuple[str, str]:
    """A text without a final remark in brackets, and the words of the remark; `""` without one."""
    match = REMARK.fullmatch(text.strip())
    if match is None or not _is_prose(match["value"]):
        return text, ""
    words = normalized_words(match["remark"])
    first = words.split()[0]
    if is_known_unit(first):
        return f"{match['value']} {match['remark']}", ""
    if first == "mod":
        return text, ""
    return match["value"], words


def _is_prose(value: str) -> bool:
    """Whether brackets after a value cannot be an argument or a factor of a formula."""
    return value[-1].isdigit() or is_spoken(value) or parse_answer(value).head == "quantity"


def based_value(answer: Term, gold: Term) -> Iterator[Term]:
    """The value of an answer in another base, if the gold answer is in base ten."""
    if answer.head != "based" or gold.head == "based":
        return
    digits, _, base = answer.value.partition("_")
    try:
        yield number(int(digits, int(base)))
    except ValueError:
        return


def unnamed(first: Term, second: Term) -> Term:
    """A value without the name of a derivative or an inverse, if the other side has no name."""
    return first.args[0] if first.head == "named" and second.head not in NAMED_HEADS else first


def bare_digits(based: Term, other: Term) -> Iterator[Term]:
    """The digits of a number without its base, if the other side leaves the base out."""
    digits = based.value.partition("_")[0]
    if based.head == "based" and other.head == "number" and digits.isdigit():
        yield number(int(digits))


def rename_parameter(answer: Term, gold: Term) -> Term:
    """The answer with the integer parameter of the gold answer, such as n for k in `x + 2 pi k`.

    Formulas with pi or with another common name have parameters; other names stay.
    """
    names, others = free_symbols(answer), free_symbols(gold)
    own, gold_own = names - others, others - names
    if len(own) != 1 or len(gold_own) != 1 or not own | gold_own <= PARAMETERS:
        return answer
    if not (names & others) and not any(node.value == "pi" for node in walk(gold)):
        return answer
    return substitute(answer, own.pop(), symbol(gold_own.pop()))


def substitute(term: Term, name: str, value: Term) -> Term:
    """The term with a value for a variable."""
    if term.head == "symbol":
        return value if term.value == name else term
    return Term(term.head, tuple(substitute(arg, name, value) for arg in term.args), term.value)


def rename_argument(answer: Term, gold: Term) -> Term:
    """The answer `f(z) = …` with the argument of the gold answer `f(x) = …`."""
    names = [FUNCTION_OF.fullmatch(term.value) for term in (answer, gold)]
    if answer.head != "assign" or gold.head != "assign" or not names[0] or not names[1]:
        return answer
    (function, argument), (gold_function, gold_argument) = names[0].groups(), names[1].groups()
    if function != gold_function or gold_argument in free_symbols(answer) - {argument}:
        return answer
    renamed = substitute(answer.args[0], argument, symbol(gold_argument))
    return Term("assign", (renamed,), gold.value)


def unit_head(term: Term) -> str:
    """The head of a value with a unit, a percent sign, a base or names; `""` without any."""
    while term.head == "assign" or (term.head == "set" and len(term.args) == 1):
        term = term.args[0]
    return term.head if term.head in UNIT_HEADS else ""


def lenient_variants(term: Term, shared_head: str = "") -> Iterator[Term]:
    """The term, and its variants without names, units, and brackets around a single value.

    A unit (or percent sign, base, names) with the head `shared_head` is on both sides and stays.
    """
    yield term
    if term.head == shared_head:
        return
    match term.head:
        case "assign":
            yield from lenient_variants(term.args[0], shared_head)
        case "system":
            if len({named.value.partition("_")[0] for named in term.args}) == 1:
                # The numbering of solutions is arbitrary.
                yield list_term(system_values(term))
            yield Term("tuple", system_values(term))
            yield Term("tuple", tuple(named.args[0] for named in term.args))
        case "set":
            yield from _set_variants(term, shared_head)
        case "matrix":
            yield from _matrix_variants(term)
        case "interval" | "tuple":
            yield from _nested_list_variants(term)
        case "quantity" | "percent" | "based":
            yield from _unit_variants(term, shared_head)
        case "ratio" if len(term.args) == 2:
            yield Term("product", (term.args[0], inverse(term.args[1])))
        case "mod":
            yield term.args[0]
        case "equation":
            yield from _right_side(term.args[0])
        case "product" if len(term.args) == 2 and term.args[1].value in LONE_LETTERS:
            yield term.args[0]
        case "symbol" if term.value.startswith(("vec ", "overrightarrow ")):
            yield parse_answer(term.value.partition(" ")[2])
        case "time" if term.value.endswith("?"):
            hour, _, rest = term.value.removesuffix("?").partition(":")
            yield from (Term("time", value=f"{(int(hour) + h) % 24:02}:{rest}") for h in (0, 12))
        case "constant" if term.value == "oo":
            yield Term("text", value="infinitely many")
        case "text" if term.value in SYNONYMS:
            yield Term("text", value=SYNONYMS[term.value])
    if any(node.head == "call" and node.value == "acot" for node in walk(term)):
        yield _with_arctangent(term)
    if contains(term, "pm", "mp") and term.head not in ("set", "assign"):
        yield Term("set", (apply_sign(term, 1), apply_sign(term, -1)))


def _with_arctangent(term: Term) -> Term:
    """The term with arccot x as arctan 1/x, one of its two definitions."""
    args = tuple(map(_with_arctangent, term.args))
    if term.head == "call" and term.value == "acot":
        return call("atan", inverse(args[0]))
    return Term(term.head, args, term.value)


def _set_variants(term: Term, shared_head: str) -> Iterator[Term]:
    if not term.args:
        yield Term("text", value="no solution")
    if len(term.args) == 1:
        yield from lenient_variants(term.args[0], shared_head)


def _matrix_variants(term: Term) -> Iterator[Term]:
    """A matrix of one column or one row as a tuple."""
    if all(len(row.args) == 1 for row in term.args):
        yield Term("tuple", tuple(row.args[0] for row in term.args))
    elif len(term.args) == 1:
        yield Term("tuple", term.args[0].args, "row")


def _nested_list_variants(term: Term) -> Iterator[Term]:
    """A list of lists such as `[[1, 2], [3, 4]]` as a matrix."""
    rows = [arg.args for arg in term.args if arg.head in ("interval", "tuple")]
    if rows and len(rows) == len(term.args) and len({len(row) for row in rows}) == 1:
        yield Term("matrix", tuple(Term("row", row) for row in rows))


def _unit_variants(term: Term, shared_head: str) -> Iterator[Term]:
    if term.head == "based":
        return
    elif term.head == "percent":
        yield term.args[0]
        yield _hundredth(term.args[0])
    else:
        unit = base_units(unit_powers(term.value))
        if unit.base or unit.factor == 1:
            yield from lenient_variants(term.args[0], shared_head)
        if not unit.base:
            yield Term("product", (term.args[0], number(unit.factor)))
        if unit.base == "degree":
            yield Term("product", (term.args[0], constant("pi"), number(Fraction(1, 180))))


def _right_side(difference: Term) -> Iterator[Term]:
    """The right side of `name = …`: an equation is stored as left minus right."""
    left, right = difference.args
    if is_name(left):
        yield right.args[1]


def _hundredth(term: Term) -> Term:
    """A hundredth of a number; a decimal gets two more decimals."""
    hundredth = Fraction(1, 100)
    if term.head == "decimal":
        shifted = number(term.args[0].rational * hundredth)
        return Term("decimal", (shifted,), str(int(term.value) + 2))
    return Term("product", (term, number(hundredth)))


def same_unit(first: Term, second: Term) -> bool:
    """Whether two units are equal, or name the same counted thing in more words."""
    left, right = (base_units(unit_powers(term.value)) for term in (first, second))
    if (left.base, left.factor) == (right.base, right.factor):
        return True
    nouns = [{word for word, _ in unit_powers(term.value)} for term in (first, second)]
    counted = all(not any(is_known_unit(word) for word in noun) for noun in nouns)
    return counted and _is_qualified(left.base.split(), right.base.split())


def _is_qualified(first: list[str], second: list[str]) -> bool:
    """Whether one phrase is the other with adjectives before it: red apples, apples."""
    short, long = sorted((first, second), key=len)
    return bool(short) and long[len(long) - len(short) :] == short
