"""The syntax tree of an answer: one immutable node type for numbers, expressions and structures.

Heads of scalars: `number` (the value is a hexadecimal fraction), `decimal` (a number, and its
count of written decimals), `symbol`, `constant` (pi, e, i, oo), `sum`, `product`, `power`, `call`
(the value is the function name), `pm` and `mp`.
Heads of structures: `tuple`, `cross` (an ordered product), `set` (without braces, the value is
`list` or `list or`), `interval` (the value is both brackets), `union`, `intersection`,
`without`, `matrix` (of `row`), `assign` (a value and its name), `named` (the same
in a list of different names), `system` (of assignments), `equation` and `unequal` (of a
difference), `inequality` (0 < a difference), `relation` (the value is the operators), `bounded`,
`ratio`, `percent`, `quantity` (the value is the unit), `quantities` (a sum of quantities),
`range`, `based` (a number in another base), `mod`, `congruence`, `date`, `time`, `text`, and
`opaque` for LaTeX that only the parser in the workers may read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

SCALARS = frozenset({"number", "decimal", "symbol", "constant", "sum", "product", "power", "call"})


@dataclass(frozen=True, slots=True)
class Term:
    """A node of the tree: its head, its arguments, and a value such as a name."""

    head: str
    args: tuple[Term, ...] = ()
    value: str = ""

    @property
    def rational(self) -> Fraction:
        """The exact value of a node of head `number`."""
        top, _, bottom = self.value.partition("/")
        return Fraction(int(top, 16), int(bottom, 16) if bottom else 1)


def number(value: Fraction | int) -> Term:
    """A rational number; stored as hexadecimal digits, which convert in linear time."""
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
    """The term and all terms inside it."""
    stack = [term]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.args)


def depth(term: Term) -> int:
    """The nesting depth of a term."""
    level, levels = [term], 0
    while level:
        levels += 1
        level = [arg for node in level for arg in node.args]
    return levels


def free_symbols(term: Term) -> set[str]:
    """The names of the variables of a term."""
    return {node.value for node in walk(term) if node.head == "symbol"}


def is_constant(term: Term) -> bool:
    """Whether a scalar has no variables and no undefined functions."""
    return all(
        node.head in SCALARS
        and node.head != "symbol"
        and not (node.head == "call" and node.value.startswith("function:"))
        for node in walk(term)
    )


def contains(term: Term, *heads: str) -> bool:
    """Whether a term contains a node with one of the heads."""
    return any(node.head in heads for node in walk(term))


def term_key(term: Term) -> str:
    """A string that is equal exactly for equal trees."""
    pieces: list[str] = []
    stack: list[Term | str] = [term]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            pieces.append(node)
            continue
        pieces.append(f"{node.head}:{len(node.value)}:{node.value}(")
        stack.append(")")
        stack.extend(reversed(node.args))
    return "".join(pieces)


def term_to_json(term: Term) -> list[Any]:
    """A term as a JSON list."""
    return [term.head, term.value, *(term_to_json(arg) for arg in term.args)]


def term_from_json(value: list[Any]) -> Term:
    """The term of a JSON list."""
    head, name, *args = value
    return Term(head, tuple(term_from_json(arg) for arg in args), name)
