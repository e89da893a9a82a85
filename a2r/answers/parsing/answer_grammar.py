"""The grammar of a complete answer: relations, and lists of them."""

from __future__ import annotations

from a2r.answers.errors import UnreadableError
from a2r.answers.parsing.expression import (
    SCALARS,
    Term,
    contains,
    free_symbols,
    negative,
    walk,
)
from a2r.answers.parsing.expression_parser import ExpressionParser
from a2r.answers.parsing.relations import (
    assignments,
    is_name,
    is_solved,
    list_term,
    relation_term,
)
from a2r.answers.parsing.symbols import RELATIONS
from a2r.answers.parsing.tokenizer import Token

RELATION_HEADS = frozenset({"assign", "equation", "inequality", "unequal", "relation", "bounded"})
SET_HEADS = frozenset({"interval", "union", "unequal"})
LOGIC = frozenset({r"\lor", r"\vee", r"\land", r"\wedge"})
AND = frozenset({"and", "und", "et", "&", "和", "与"})
OR = frozenset({"or", "oder", "ou", "或"})


class AnswerParser(ExpressionParser):
    """Parse a complete answer: relations, and lists of them."""

    def answer(self) -> Term:
        """Parse groups between semicolons or `or`, of parts between commas or `and`.

        Raises:
            UnreadableError: it is not an answer of this grammar.
        """
        if not self.tokens:
            raise UnreadableError("the answer is empty")
        groups: list[list[Term]] = [[]]
        kinds: set[str] = set()
        while self.peek().type != "end":
            separator = self._take_separator()
            if separator:
                kinds.add(separator)
                if separator in (";", "or") and groups[-1]:
                    groups.append([])
                continue
            if groups[-1] and not self._just_separated:
                raise UnreadableError(f"unexpected {self.peek().value[:20]!r} after the answer")
            groups[-1].append(self.part())
            self._just_separated = False
        if self.has_matrices and self._capitals() > 1:
            raise UnreadableError("a product of matrices")
        groups = [group for group in groups if group]
        if not groups:
            raise UnreadableError("the answer has only separators")
        parts = [part for group in groups for part in group]
        signs = any(t.value in LOGIC for t in self.tokens)
        if signs and not all(part.head in RELATION_HEADS for part in parts):
            raise UnreadableError("a formula of logic")
        if sum(node.head in ("pm", "mp") for part in parts for node in walk(part)) > 1:
            raise UnreadableError("several plus-minus signs, which may depend on each other")
        return _combined(groups, kinds)

    _just_separated = False

    def condition(self, tokens: list[Token]) -> Term:
        """The complete answer that other tokens form, such as the condition of a set."""
        with self.deeper():
            parser = AnswerParser(tokens)
            parser.depth = self.depth
            return parser.answer()

    def _take_separator(self) -> str:
        token = self.peek()
        kind = _separator(token)
        if kind:
            self.take()
            self._just_separated = True
        return kind

    def _capitals(self) -> int:
        """The count of different capital letters, and of matrices."""
        words = {t.value for t in self.tokens if t.type == "word" and t.value.isupper()}
        return len(words) + any(t.value.startswith(r"\begin") for t in self.tokens)

    def part(self) -> Term:
        """An expression, or a chain of relations between expressions."""
        span = self._range()
        if span is not None:
            return span
        terms, operators = [self._expression_or_quantities()], list[str]()
        while self.peek().value in RELATIONS and self.peek().type in ("operator", "command"):
            self.in_congruence |= self.peek().value == r"\equiv"
            operators.append(RELATIONS[self.take().value])
            terms.append(self.expression())
        self.in_congruence = False
        if self.accept(r"\pmod"):
            return _congruent(terms, self.argument())
        if self.accept(r"\bmod", r"\mod") or self._accept_mod():
            return _congruent(terms, self.expression())
        if (
            self.peek().type == "operator"
            and self.peek().value == "("
            and self.peek(1).value == "mod"
        ):
            self.position += 2
            modulus = self.expression()
            self.expect(")")
            return _congruent(terms, modulus)
        return relation_term(terms, operators)

    def _accept_mod(self) -> bool:
        if self.peek().type == "word" and self.peek().value == "mod":
            self.take()
            return True
        return False

    def _range(self) -> Term | None:
        """A range such as `10-20`, a score or a span of years; it is not a subtraction."""
        first, dash, second, after = (self.peek(ahead) for ahead in range(4))
        plain = first.type == second.type == "number" and dash.value == "-"
        if not plain or not (after.type in ("end", "text") or after.value in (",", ";")):
            return None
        self.position += 3
        unit = self.unit()
        return Term("range", (), f"{first.value} to {second.value} {unit}".strip())

    def _expression_or_quantities(self) -> Term:
        """An expression, or the quantities of `1 hour 30 minutes`."""
        term = self.expression()
        parts = [term]
        while parts[-1].head == "quantity" and self.peek().type == "number":
            parts.append(self.expression())
        if len(parts) == 1:
            return term
        if any(part.head != "quantity" for part in parts):
            raise UnreadableError("a number after a quantity")
        return Term("quantities", tuple(parts))


def _congruent(terms: list[Term], modulus: Term) -> Term:
    """A residue, or a congruence of two sides if it is not solved for a name."""
    if len(terms) == 1 or is_name(terms[0]):
        return Term("mod", (terms[-1], modulus))
    return Term("congruence", (*terms, modulus))


def _separator(token: Token) -> str:
    if token.type == "operator" and token.value in (",", ";"):
        return token.value
    if token.type == "command" and token.value in (r"\quad", r"\qquad", r"\\"):
        return ","
    if token.type == "command" and token.value in (r"\lor", r"\vee"):
        return "or"
    if token.type == "command" and token.value in (r"\land", r"\wedge"):
        return "and"
    if token.type in ("word", "text"):
        word = token.value.strip(" ,;").lower()
        if word in OR:
            return "or"
        if word in AND or not word:
            return "and" if word else ","
    return ""


def _combined(groups: list[list[Term]], kinds: set[str]) -> Term:
    if len(groups) > 1 and "or" not in kinds and "," not in kinds and "and" not in kinds:
        # Semicolons without other separators mean commas: `p=5; q=2`.
        groups = [[part for group in groups for part in group]]
    values = [_conjunction(group, joined="," not in kinds) for group in groups]
    if len(values) == 1:
        return values[0]
    names = {value.value for value in values if value.head == "assign"}
    bare = [_assigned_value(value) for value in values] if len(names) < 2 else values
    if _are_real_sets(bare):
        return Term("union", tuple(part for value in bare for part in _union_parts(value)))
    if ";" in kinds and "," in kinds:
        return list_term(values)
    members: list[Term] = []
    for value, group in zip(values, groups, strict=True):
        members += value.args if value.head == "set" and len(group) > 1 else [value]
    joined = "or" in kinds and "," not in kinds
    return list_term(_distinguish_names(members), joined="or" if joined else "")


def _union_parts(value: Term) -> tuple[Term, ...]:
    if value.head == "union":
        return value.args
    return (value if value.head in SET_HEADS else Term("set", (value,)),)


def _are_real_sets(values: list[Term]) -> bool:
    """Whether values joined by `or` are a union: intervals, and maybe single points or pairs."""
    sets = [value for value in values if value.head in SET_HEADS]
    if len({name for value in sets if value.head == "unequal" for name in free_symbols(value)}) > 1:
        return False
    others = [value for value in values if value.head not in SET_HEADS]
    return bool(sets) and all(is_solved(value) and value.head in SCALARS for value in others)


def _distinguish_names(members: list[Term]) -> list[Term]:
    """The members of a list; names are dropped where all members are values of one name."""
    names = {member.value for member in members if member.head == "assign"}
    plain = all(member.head == "assign" or is_solved(member) for member in members)
    if len(names) < 2 and plain:
        return [_assigned_value(member) for member in members]
    return [Term("named", m.args, m.value) if m.head == "assign" else m for m in members]


def _assigned_value(term: Term) -> Term:
    return term.args[0] if term.head == "assign" else term


def _conjunction(parts: list[Term], *, joined: bool) -> Term:
    """The term of the parts between commas or `and`: one value, a system, or a list.

    Bounds of one name that are `joined` by `and` are one interval, if they have a common part;
    otherwise they are a list of relations, which are compared one by one.
    """
    if len(parts) == 1:
        return parts[0]
    if all(part.head == "unequal" for part in parts):
        one_name = len({name for part in parts for name in free_symbols(part)}) == 1
        return Term("intersection", tuple(parts)) if one_name else list_term(parts)
    named = assignments(parts)
    if named is not None:
        bounds = named.head == "set" and all(value.head == "interval" for value in named.args)
        if joined and bounds:
            return Term("assign", (Term("intersection", named.args),), parts[0].value)
        return named
    members: list[Term] = []
    for part in _distinguish_names(parts):
        members += _spread(part)
    return list_term(members)


def _spread(term: Term) -> list[Term]:
    """Both values of a list item with a plus-minus sign, or the item itself."""
    if contains(term, "pm", "mp") and term.head in ("sum", "product", "pm", "mp"):
        return [apply_sign(term, +1), apply_sign(term, -1)]
    return [term]


def apply_sign(term: Term, sign: int) -> Term:
    """The term with each plus-minus resolved to `sign`, and each minus-plus to the opposite."""
    if term.head in ("pm", "mp"):
        inner = apply_sign(term.args[0], sign)
        return inner if (term.head == "pm") == (sign > 0) else negative(inner)
    return Term(term.head, tuple(apply_sign(arg, sign) for arg in term.args), term.value)
