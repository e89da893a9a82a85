"""Relations: which are assignments, intervals or equations, and what they answer."""

from __future__ import annotations

from a2r.answers.parsing.expression import (
    Term,
    constant,
    is_constant,
    negative,
    walk,
)

FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
BRACKETS = {"<": ")", "<=": "]", ">": "(", ">=": "["}
INFINITY = constant("oo")


def relation_term(terms: list[Term], operators: list[str]) -> Term:
    """What a chain of relations answers: a value with its name, an interval, an equation."""
    if not operators:
        return terms[0]
    terms, operators = _without_approximations(terms, operators)
    if not operators:
        return terms[0]
    if operators == ["in"]:
        return terms[1] if is_name(terms[0]) else Term("relation", tuple(terms), "in")
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
    """The exact part of a chain: `x = 1/3 ~ 0.33` is `x = 1/3`; `x ~ 11` is `x = 11`."""
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
    if is_name(first) and (solved_value(last) or first.head == "call"):
        return _assign(first, last)
    if is_name(last) and solved_value(first) and len(terms) == 2:
        return _assign(last, first)
    if all(solved_value(term) for term in terms):
        return last
    if len(terms) > 2 and solved_value(last):
        return last
    left = first if len(terms) == 2 or is_name(first) else terms[-2]
    return Term("equation", (_difference(left, last),))


def solved_value(term: Term) -> bool:
    """Whether a term holds no variables: a number, a tuple of numbers, words, and so on."""
    return all(
        node.head != "symbol" and not (node.head == "call" and node.value.startswith("function:"))
        for node in walk(term)
    )


def is_name(term: Term) -> bool:
    """Whether a term names a value: a variable, `f(x)`, or capitals as in `AB`."""
    if term.head == "symbol":
        return True
    if term.head == "call" and term.value.startswith("function:"):
        return all(arg.head == "symbol" for arg in term.args)
    if term.head == "call" and term.value == "abs":
        return is_name(term.args[0]) and term.args[0].head == "product"
    if term.head == "product":
        return all(a.head == "symbol" and a.value[0].isupper() for a in term.args)
    return False


def _assign(name: Term, value: Term) -> Term:
    spelled = "".join(node.value for node in walk(name) if node.head == "symbol")
    return Term("assign", (value,), spelled if name.head != "call" else f"{name.value}")


def _difference(left: Term, right: Term) -> Term:
    return Term("sum", (left, negative(right)))


def _ordered(terms: list[Term], operators: list[str]) -> Term:
    """An interval where one variable stands between constants; else the chain itself."""
    if len(terms) == 2:
        left, right = terms
        operator = operators[0]
        if solved_value(left) and solved_value(right):
            return Term("relation", (left, right), operator)
        if not solved_value(left) and not solved_value(right):
            return _inequality(left, right, operator)
        if left.head == "symbol" and solved_value(right):
            return _half_line(right, operator)
        if right.head == "symbol" and solved_value(left):
            return _half_line(left, FLIPPED[operator])
        return _inequality(left, right, operator)
    rising = {"<", "<="}
    if (
        len(terms) == 3
        and solved_value(terms[0])
        and solved_value(terms[2])
        and not solved_value(terms[1])
    ):
        low, high = (terms[0], terms[2])
        first, second = operators
        if {first, second} <= rising:
            pass
        elif not {first, second} & rising:
            low, high, first, second = high, low, FLIPPED[second], FLIPPED[first]
        else:
            return Term("relation", tuple(terms), " ".join(operators))
        brackets = ("(" if first == "<" else "[") + (")" if second == "<" else "]")
        middle = terms[1]
        interval = between(low, high, brackets)
        return interval if is_name(middle) else Term("bounded", (middle, interval))
    if not set(operators) & rising:
        terms, operators = terms[::-1], [FLIPPED[op] for op in reversed(operators)]
    return Term("relation", tuple(terms), " ".join(operators))


def _half_line(bound: Term, operator: str) -> Term:
    if operator in ("<", "<="):
        return between(negative(INFINITY), bound, "(" + BRACKETS[operator])
    return between(bound, INFINITY, BRACKETS[operator] + ")")


def _inequality(left: Term, right: Term, operator: str) -> Term:
    """`left < right` as `0 < right - left`, with the sign < or <=."""
    if operator in (">", ">="):
        left, right, operator = right, left, FLIPPED[operator]
    return Term("inequality", (_difference(right, left),), operator)


def between(low: Term, high: Term, brackets: str) -> Term:
    """An interval; an open one is the pair in parentheses, which looks the same."""
    return Term("interval", (low, high), brackets)


def assignments(parts: list[Term]) -> Term | None:
    """Several named values: a tuple in the order of the names; a set where one name has many.

    `None` if the parts are not all named, or hold other things than values.
    """
    flat: list[Term] = []
    for part in parts:
        flat += part.args if part.head == "system" else (part,)
    if not flat or any(part.head != "assign" for part in flat):
        return None
    names = [part.value for part in flat]
    stems = {name.partition("_")[0] for name in names}
    if len(stems) == 1:
        return Term("set", tuple(part.args[0] for part in flat))
    if len(set(names)) == len(names):
        return Term("system", tuple(flat))
    return None


def values_of(system: Term) -> tuple[Term, ...]:
    """The values of a system of assignments, in the order of their names."""
    return tuple(part.args[0] for part in sorted(system.args, key=lambda part: part.value))
