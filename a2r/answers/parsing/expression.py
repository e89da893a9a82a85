"""The syntax tree of an answer: one immutable node type for numbers, expressions and structures.

Heads of scalars: `number` (value is a fraction such as `3/4`), `decimal` (a number and how many
decimals were written), `symbol`, `constant` (pi, e, i, oo),
`sum`, `product`, `power`, `call` (value is the function's name), `pm`.
Heads of structures: `tuple`, `set`, `interval` (value holds both brackets), `union`,
`intersection`, `without`, `matrix` (of `row`), `assign` (a value and its name), `named` (the same
where names differ in one list), `system` (of assignments), `equation` and `unequal` (of a
difference), `inequality` (0 < a difference), `relation` (value is the operators), `bounded`,
`ratio`, `percent`, `quantity` (value is the unit), `quantities` (a sum of those), `range`,
`based` (a number in another base), `mod`, `congruence`, `date`, `time`, `text`, and `opaque` for
LaTeX that only the workers' parser may know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

SCALARS = frozenset({"number", "decimal", "symbol", "constant", "sum", "product", "power", "call"})


@dataclass(frozen=True, slots=True)
class Term:
    """A node: its head, its arguments, and what it holds besides them."""

    head: str
    args: tuple[Term, ...] = ()
    value: str = ""

    @property
    def rational(self) -> Fraction:
        """The exact value of a node of head `number`."""
        top, _, bottom = self.value.partition("/")
        return Fraction(int(top, 16), int(bottom, 16) if bottom else 1)


def number(value: Fraction | int) -> Term:
    """A rational number; hexadecimal inside, since that is linear in the number of digits."""
    fraction = Fraction(value)
    text = format(fraction.numerator, "x")
    if fraction.denominator != 1:
        text += f"/{fraction.denominator:x}"
    return Term("number", value=text)


def symbol(name: str) -> Term:
    """A variable."""
    return Term("symbol", value=name)


def constant(name: str) -> Term:
    """One of pi, e, i, oo."""
    return Term("constant", value=name)


def call(name: str, *args: Term) -> Term:
    """A function applied to arguments."""
    return Term("call", args, name)


def negative(term: Term) -> Term:
    """The term with the opposite sign."""
    return Term("product", (number(-1), term))


def inverse(term: Term) -> Term:
    """One over the term."""
    return Term("power", (term, number(-1)))


def walk(term: Term) -> Iterator[Term]:
    """The term and everything inside it."""
    waiting = [term]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.args)


def depth(term: Term) -> int:
    """How deeply a term is nested."""
    level, deepest = [term], 0
    while level:
        deepest += 1
        level = [arg for node in level for arg in node.args]
    return deepest


def free_symbols(term: Term) -> set[str]:
    """The names of the variables of a term."""
    return {node.value for node in walk(term) if node.head == "symbol"}


def is_constant(term: Term) -> bool:
    """Whether a scalar has no variables and no functions that nobody defined."""
    return all(
        node.head in SCALARS
        and node.head != "symbol"
        and not (node.head == "call" and node.value.startswith("function:"))
        for node in walk(term)
    )


def contains(term: Term, *heads: str) -> bool:
    """Whether a node of one of the heads occurs in a term."""
    return any(node.head in heads for node in walk(term))


def term_key(term: Term) -> str:
    """A string that is the same for equal trees and for them alone."""
    pieces: list[str] = []
    waiting: list[Term | str] = [term]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            pieces.append(node)
            continue
        pieces.append(f"{node.head}:{len(node.value)}:{node.value}(")
        waiting.append(")")
        waiting.extend(reversed(node.args))
    return "".join(pieces)


def term_to_json(term: Term) -> list[Any]:
    """A term as JSON values."""
    return [term.head, term.value, *(term_to_json(arg) for arg in term.args)]


def term_from_json(value: list[Any]) -> Term:
    """The term of JSON values."""
    head, held, *args = value
    return Term(head, tuple(term_from_json(arg) for arg in args), held)
