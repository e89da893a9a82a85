"""Relations: chains of operators as assignments, intervals, equations and inequalities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from a2r.answers.parsing.expression import (
    Term,
    constant,
    is_constant,
    negative,
    term_key,
    walk,
)

FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
BRACKETS = {"<": ")", "<=": "]", ">": "(", ">=": "["}
INFINITY = constant("oo")
POINT_NAMES = frozenset({"xy", "xyz", "ab", "abc"})


def relation_term(terms: list[Term], operators: list[str]) -> Term:
    """The term of a chain of relations: a named value, an interval, an equation."""
    if not operators:
        return terms[0]
    terms, operators = _without_approximations(terms, operators)
    if not operators:
        return terms[0]
    if operators == ["in"]:
        if is_name(terms[0]):
            return _assign(terms[0], _certain_interval(terms[1]))
        return Term("relation", tuple(terms), "in")
    if set(operators) == {"="}:
        return _equal(terms)
    if all(operator in FLIPPED for operator in operators):
        return _ordered(terms, operators)
    if operators == ["!="]:
        return Term("unequal", (_difference(*terms),))
    return Term("relation", tuple(terms), " ".join(operators))


def _without_approximations(
    terms: list[Term], operators: list[str]
) -> tuple[list[Term], list[str]]:
    """The exact part of a chain: `x = 1/3` of `x = 1/3 ~ 0.33`; `x = 11` of `x ~ 11`.

    The signs of similarity and congruence are approximations only before a number.
    """
    operators = [
        "~"
        if operator in ("similar", "congruent") and is_constant(right) and not is_constant(left)
        else operator
        for operator, left, right in zip(operators, terms, terms[1:], strict=False)
    ]
    if "~" not in operators:
        return terms, operators
    first = operators.index("~")
    if first == 0 and not is_constant(terms[0]):
        return [terms[0], terms[1]], ["="]
    return terms[: first + 1], operators[:first]


def _equal(terms: list[Term]) -> Term:
    first, last = terms[0], terms[-1]
    tuples = first.head == last.head == "tuple" and len(first.args) == len(last.args)
    if tuples and all(is_name(name) for name in first.args):
        pairs = [_assign(n, v) for n, v in zip(first.args, last.args, strict=True)]
        return Term("system", tuple(pairs))
    solved = all(is_solved(term) for term in terms[1:])
    if is_name(first) and (solved or (first.head == "call" and len(terms) == 2)):
        assigned = _assign(first, last)
        # The derivative and the inverse of a function are other functions.
        other = "'" in assigned.value or "^" in assigned.value
        return Term("named", (last,), assigned.value) if other else assigned
    if is_name(last) and is_solved(first) and len(terms) == 2:
        return _assign(last, first)
    if all(is_solved(term) for term in terms):
        contradicts = len(terms) == 2 and {first.head, last.head} == {"number"} and first != last
        return Term("relation", tuple(terms), "=") if contradicts else last
    if len(terms) > 2 and solved:
        # The value of a computation: `(n - 2) 180 = 6 * 180 = 1080`.
        return last
    if len(terms) > 2:
        return Term("relation", tuple(terms), " ".join("=" for _ in terms[1:]))
    return Term("equation", (_difference(first, last),))


def is_solved(term: Term) -> bool:
    """Whether a term has no variables: a number, a tuple of numbers, words, and so on."""
    return all(
        node.head != "symbol" and not (node.head == "call" and node.value.startswith("function:"))
        for node in walk(term)
    )


def is_name(term: Term) -> bool:
    """Whether a term is the name of a value: a variable, `f(x)`, or capitals as in `AB`."""
    if term.head == "symbol":
        return True
    if term.head == "call" and term.value.startswith("function:"):
        return all(arg.head == "symbol" or is_solved(arg) for arg in term.args)
    if term.head == "call" and term.value == "abs":
        return is_name(term.args[0]) and _is_segment(term.args[0])
    if term.head == "product":
        return all(a.head == "symbol" and a.value[0].isupper() for a in term.args)
    return False


def _is_segment(term: Term) -> bool:
    return term.head == "product" or (term.head == "symbol" and len(term.value) > 1)


def _assign(name: Term, value: Term) -> Term:
    if name.head == "call":
        arguments = (arg.value if arg.head == "symbol" else term_key(arg) for arg in name.args)
        function = name.value.removeprefix("function:")
        return Term("assign", (value,), f"{function}({','.join(arguments)})")
    symbols = "".join(node.value for node in walk(name) if node.head == "symbol")
    return Term("assign", (value,), symbols)


def _difference(left: Term, right: Term) -> Term:
    return Term("sum", (left, negative(right)))


def _ordered(terms: list[Term], operators: list[str]) -> Term:
    """An interval if one variable is between constants; else the chain itself."""
    if len(terms) == 2:
        left, right = terms
        operator = operators[0]
        if is_solved(left) and is_solved(right):
            return Term("relation", (left, right), operator)
        if not is_solved(left) and not is_solved(right):
            return _inequality(left, right, operator)
        if left.head == "symbol" and is_solved(right):
            return _assign(left, _half_line(right, operator))
        if right.head == "symbol" and is_solved(left):
            return _assign(right, _half_line(left, FLIPPED[operator]))
        return _inequality(left, right, operator)
    ascending = {"<", "<="}
    if len(terms) == 3 and is_solved(terms[0]) and is_solved(terms[2]) and not is_solved(terms[1]):
        low, high = (terms[0], terms[2])
        first, second = operators
        if {first, second} <= ascending:
            pass
        elif not {first, second} & ascending:
            low, high, first, second = high, low, FLIPPED[second], FLIPPED[first]
        else:
            return Term("relation", tuple(terms), " ".join(operators))
        brackets = ("(" if first == "<" else "[") + (")" if second == "<" else "]")
        middle = terms[1]
        interval = make_interval(low, high, brackets)
        return _assign(middle, interval) if is_name(middle) else Term("bounded", (middle, interval))
    if not set(operators) & ascending:
        terms, operators = terms[::-1], [FLIPPED[op] for op in reversed(operators)]
    return Term("relation", tuple(terms), " ".join(operators))


def _half_line(bound: Term, operator: str) -> Term:
    if operator in ("<", "<="):
        return make_interval(negative(INFINITY), bound, "(" + BRACKETS[operator])
    return make_interval(bound, INFINITY, BRACKETS[operator] + ")")


def _inequality(left: Term, right: Term, operator: str) -> Term:
    """`left < right` as `0 < right - left`, with the operator < or <=."""
    if operator in (">", ">="):
        left, right, operator = right, left, FLIPPED[operator]
    return Term("inequality", (_difference(right, left),), operator)


def make_interval(low: Term, high: Term, brackets: str) -> Term:
    """An interval; an open interval has the same notation as a pair."""
    return Term("interval", (low, high), brackets)


def _certain_interval(term: Term) -> Term:
    """A pair of numbers as an open interval, where a set must follow."""
    return Term("interval", term.args, "()") if _is_pair(term) else term


def _is_pair(term: Term) -> bool:
    return term.head == "tuple" and len(term.args) == 2


def assignments(parts: list[Term]) -> Term | None:
    """Named values as one term: a system, or a list if they share one name.

    `None` if a part has no name, or if some of the names occur twice.
    """
    flat: list[Term] = []
    for part in parts:
        flat += part.args if part.head == "system" else (part,)
    if not flat or any(part.head != "assign" for part in flat):
        return None
    names = [part.value for part in flat]
    if len(set(names)) == 1:
        return list_term(part.args[0] for part in flat)
    if len(set(names)) == len(names):
        return Term("system", tuple(flat))
    return None


def list_term(members: Iterable[Term], *, joined: Literal["or", ""] = "") -> Term:
    """A list without braces: a set whose members may be repeated."""
    return Term("set", tuple(members), f"list {joined}".strip())


def system_values(system: Term) -> tuple[Term, ...]:
    """The values of a system of assignments, sorted by their names."""
    return tuple(part.args[0] for part in sorted(system.args, key=lambda part: part.value))


def is_point(system: Term) -> bool:
    """Whether a system assigns the coordinates of a point, whose values are a tuple."""
    return "".join(sorted(part.value for part in system.args)) in POINT_NAMES
