"""Sums and products of matrices and vectors, up to the size of an answer."""

from __future__ import annotations

from collections.abc import Iterable

from a2r.answers.equivalence.simplify import simplify
from a2r.answers.parsing.expression import Term, contains, number, walk

MAX_ENTRIES, MAX_NODES = 400, 4000
MAX_DETERMINANT = 5


def evaluate_matrices(term: Term) -> Term:
    """The term with the sums and products of matrices and tuples computed, if shapes fit."""
    args = (
        tuple(evaluate_matrices(arg) for arg in term.args)
        if contains(term, "matrix", "tuple")
        else term.args
    )
    term = Term(term.head, args, term.value)
    if term.head == "call" and term.value == "det" and args[0].head == "matrix":
        return _determinant([list(row.args) for row in args[0].args]) or term
    if term.head == "sum" and all(arg.head in ("matrix", "tuple") for arg in args):
        return _matrix_sum(args) or term
    if term.head == "product" and any(arg.head in ("matrix", "tuple") for arg in args):
        return _matrix_product(args) or term
    return term


def _matrix_sum(args: tuple[Term, ...]) -> Term | None:
    first = args[0]
    if any(arg.head != first.head or _shape(arg) != _shape(first) for arg in args):
        return None
    if first.head == "tuple":
        return Term(
            "tuple", tuple(_sum(*cells) for cells in zip(*(a.args for a in args), strict=True))
        )
    rows = zip(*(arg.args for arg in args), strict=True)
    return Term(
        "matrix",
        tuple(_row(_sum(*c) for c in zip(*(r.args for r in same), strict=True)) for same in rows),
    )


def _determinant(rows: list[list[Term]]) -> Term | None:
    """The determinant of a square matrix, by the expansion along its first row."""
    if len(rows) > MAX_DETERMINANT or any(len(row) != len(rows) for row in rows):
        return None
    if len(rows) == 1:
        return rows[0][0]
    terms: list[Term] = []
    for column, entry in enumerate(rows[0]):
        minor = _determinant([[*row[:column], *row[column + 1 :]] for row in rows[1:]])
        assert minor is not None
        terms.append(Term("product", (number((-1) ** column), entry, minor)))
    return _sum(*terms)


def _matrix_product(args: tuple[Term, ...]) -> Term | None:
    result: Term | None = None
    scalars: list[Term] = []
    for arg in args:
        if arg.head not in ("matrix", "tuple"):
            scalars.append(arg)
        elif result is None:
            result = arg
        else:
            result = _multiply(result, arg)
            if result is None or sum(1 for _ in walk(result)) > MAX_NODES:
                return None
    return _scale(result, scalars) if result is not None and scalars else result


def _multiply(left: Term, right: Term) -> Term | None:
    if left.head != "matrix" or right.head != "matrix":
        return None
    inner, columns = len(right.args), len(right.args[0].args)
    if len(left.args[0].args) != inner or len(left.args) * columns * inner > MAX_ENTRIES:
        return None
    return Term(
        "matrix",
        tuple(
            _row(
                _sum(*(Term("product", (row.args[k], right.args[k].args[c])) for k in range(inner)))
                for c in range(columns)
            )
            for row in left.args
        ),
    )


def _scale(term: Term, scalars: list[Term]) -> Term:
    if term.head in ("matrix", "row", "tuple"):
        return Term(term.head, tuple(_scale(arg, scalars) for arg in term.args))
    return Term("product", (*scalars, term))


def _shape(term: Term) -> tuple[int, ...]:
    return (len(term.args), *(len(row.args) for row in term.args[:1]))


def _row(cells: Iterable[Term]) -> Term:
    return Term("row", tuple(cells))


def _sum(*terms: Term) -> Term:
    return simplify(terms[0] if len(terms) == 1 else Term("sum", terms))
