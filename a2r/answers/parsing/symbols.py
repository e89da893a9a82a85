"""The operators and brackets of the answer grammar, in LaTeX and plain text."""

from __future__ import annotations

from a2r.answers.parsing.expression import Term, call, negative

TIMES = frozenset({"*", r"\cdot", r"\times", r"\ast", r"\bullet"})
OVER = frozenset({"/", r"\div"})
SIGNS = {"+": 1, "-": -1}
RELATIONS = {
    "=": "=", "==": "=", r"\equiv": "=", "<": "<", r"\lt": "<", ">": ">", r"\gt": ">",
    "<=": "<=", r"\le": "<=", r"\leq": "<=", r"\leqslant": "<=", ">=": ">=", r"\ge": ">=",
    r"\geq": ">=", r"\geqslant": ">=", "!=": "!=", r"\ne": "!=", r"\neq": "!=", r"\in": "in",
    r"\approx": "~", r"\simeq": "~", r"\doteq": "~", r"\sim": "similar", r"\cong": "congruent",
    "~": "similar",
}  # fmt: skip
CLOSERS = {
    "(": ")", "[": "]", r"\{": r"\}", r"\langle": r"\rangle", r"\lbrace": r"\rbrace",
    r"\lopen": r"\ropen",
}  # fmt: skip
ENDS = frozenset(CLOSERS.values()) | {"}", r"\rfloor", r"\rceil", r"\rvert", r"\rVert", "&", r"\\"}
BARS = {r"\lvert": r"\rvert", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil", r"\lVert": r"\rVert"}
BAR_FUNCTIONS = {
    "|": "abs", r"\lvert": "abs", r"\lVert": "norm", r"\lfloor": "floor", r"\lceil": "ceil",
    r"\vert": "abs", r"\|": "norm", r"\Vert": "norm",
}  # fmt: skip
MATRICES = ("matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "smallmatrix", "array")
CURRENCIES = ("€", "£", "¥", "₹")
NO_FACTORS = (
    frozenset(RELATIONS)
    | ENDS
    | TIMES
    | OVER
    | {r"\pm", r"\mp", r"\cup", r"\cap", r"\setminus", r"\backslash", r"\colon", r"\over"}
    | {r"\Rightarrow", r"\implies", r"\to", r"\land", r"\lor", r"\wedge", r"\vee"}
    | {r"\pmod", r"\mod", r"\bmod", r"\choose", r"\quad", r"\qquad", r"\ldots", r"\dots", r"\cdots"}
)


def product(factors: list[Term]) -> Term:
    """The product of factors; a single factor is returned as it is."""
    return factors[0] if len(factors) == 1 else Term("product", tuple(factors))


def times(left: Term, right: Term, sign: str) -> Term | None:
    """The ordered product of vectors, sets or spaces with a cross; `None` for numbers."""
    if sign not in (r"\times", r"\ast") or not (_is_space(left) or _is_space(right)):
        return None
    return Term("cross", (left, right))


def _is_space(term: Term) -> bool:
    """Whether a factor may be a vector, a set or a space rather than a number."""
    base = term.args[0] if term.head == "power" else term
    if base.head in ("tuple", "set", "interval", "matrix", "union", "cross"):
        return True
    name = base.value if base.head == "symbol" else ""
    return name.startswith(("vec ", "numbers ", "hat ", "overrightarrow ")) or (
        len(name.partition("_")[0]) == 1 and name[0].isupper()
    )


def remainder(value: Term, modulus: Term) -> Term:
    """A remainder, or a residue class if the value is already reduced: `2 mod 5` is not 2."""
    plain = value.head == modulus.head == "number"
    if plain and 0 <= value.rational < modulus.rational:
        return Term("mod", (value, modulus))
    return call("mod", value, modulus)


def flip_sign(sign: str) -> str:
    """The sign that results from a minus before it."""
    return {"": "-", "-": "", "pm": "mp", "mp": "pm"}[sign]


def apply_sign_to(sign: str, term: Term) -> Term:
    """The term with a sign: none, minus, plus-minus or minus-plus."""
    if sign == "-":
        return negative(term)
    return Term(sign, (term,)) if sign else term
