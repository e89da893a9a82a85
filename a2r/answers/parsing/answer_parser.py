"""Parser of an answer: from its text to a syntax tree, for all kinds of content."""

from __future__ import annotations

import re
from functools import lru_cache

from a2r.answers.errors import TooDeepError, UnreadableError
from a2r.answers.parsing.dates import parse_date_or_time
from a2r.answers.parsing.expression import (
    SCALARS,
    Term,
    contains,
    depth,
    free_symbols,
    negative,
    number,
    symbol,
    walk,
)
from a2r.answers.parsing.expression_parser import ExpressionParser
from a2r.answers.parsing.natural_language import is_spoken, looks_like_math, normalized_words
from a2r.answers.parsing.normalize import normalize
from a2r.answers.parsing.numerals import spelled_number
from a2r.answers.parsing.relations import (
    assignments,
    is_name,
    is_solved,
    list_term,
    relation_term,
)
from a2r.answers.parsing.sequences import is_sequence
from a2r.answers.parsing.symbols import RELATIONS
from a2r.answers.parsing.tokenizer import Token, tokenize
from a2r.answers.parsing.units import is_known_unit

MAX_CHARACTERS, MAX_TERM_DEPTH = 4000, 120
# An answer is parsed several times, and the answers of other samples are often the same.
MAX_CACHED_TERMS, MAX_CACHED_CHARACTERS = 1024, 100
ALL_REALS = frozenset({"all real numbers", "all reals", "all real x", "the real numbers"})
MINUS = re.compile(r"(?:minus|negative)\s+(?=\d)", re.IGNORECASE)
SLASHED_DATE = re.compile(r"\d{1,2}/\d{1,2}/(?:\d{2}|\d{4})")
OTHER_BASE = re.compile(r"0([xXbBoO])([0-9A-Fa-f]+)")
BASES = {"x": 16, "b": 2, "o": 8}
LABEL = re.compile(
    r"(?:[A-Z]?[a-z]{3,}(?: [a-z]{2,}){0,3}|[A-Z]\([A-Za-z0-9 ,=|<>]{1,20}\))\s?=\s?(?=[^=])"
)
UNIT = r"\{\s*(?:\\(?:text|mathrm)\s*\{)?\s*([A-Za-z]+(?:\^\{?\d\}?)?)\s*\}?\s*\}"
UNIT_FRACTION = re.compile(rf"(?<=[\d.])\s*\\[dt]?frac\s*{UNIT}\s*{UNIT}$")
APPROXIMATE_REMARK = re.compile(
    r"(?<=\d)\s*\((?:approx\.?|approximately|rounded|about)\)$", re.IGNORECASE
)
HOURS_AND_MINUTES = re.compile(r"(\d{1,4})\s?h\s?(\d{1,2})\s?m(?:in)?(?:\s?(\d{1,2})\s?s)?")
LABELLED = re.compile(r"([A-Za-z][A-Za-z' .-]{1,30}[A-Za-z])\s?[=:]\s?([^=:]+)")
BRACKET_OR_SEPARATOR = re.compile(r"[(\[{)\]}]|[,;](?!\d{3}(?!\d))|\s(?:and|&)\s")
WRAPPED_TEXT = re.compile(r"\\(?:text[a-z]*|mbox|hbox|mathrm)\s*\{([^{}]*)\}")
RELATION_HEADS = frozenset({"assign", "equation", "inequality", "unequal", "relation", "bounded"})
SET_HEADS = frozenset({"interval", "union", "unequal"})
LOGIC = frozenset({r"\lor", r"\vee", r"\land", r"\wedge"})
AND = frozenset({"and", "und", "et", "&", "和", "与"})
OR = frozenset({"or", "oder", "ou", "或"})
APPROXIMATELY = (
    "approximately",
    "approx",
    "about",
    "roughly",
    "around",
    "nearly",
    "exactly",
)


def parse_answer(text: str) -> Term:
    """The syntax tree of an answer: `opaque` for LaTeX outside the grammar, `text` for words.

    Takes time linear in the length of the text; a text of more than 4000 characters is `text`.
    """
    if len(text) <= MAX_CACHED_CHARACTERS:
        return _parse_cached(text)
    return _parse(text)


@lru_cache(maxsize=MAX_CACHED_TERMS)
def _parse_cached(text: str) -> Term:
    return _parse(text)


def _parse(text: str) -> Term:
    if len(text) > MAX_CHARACTERS:
        return Term("text", value=text.strip())
    cleaned = UNIT_FRACTION.sub(_inline_unit, APPROXIMATE_REMARK.sub("", normalize(text)))
    literal = parse_date_or_time(cleaned) or _digit_literal(cleaned)
    if literal is not None:
        return literal
    if MINUS.match(cleaned):
        cleaned = MINUS.sub("-", cleaned)
    value = spelled_number(cleaned)
    if value is not None:
        return number(value)
    wrapped = WRAPPED_TEXT.fullmatch(cleaned)
    if wrapped:
        return parse_answer(wrapped[1])
    if is_sequence(cleaned):
        return Term("text", value=" ".join(cleaned.split()))
    labelled = _labelled_values(cleaned)
    if labelled is not None:
        return labelled
    label = LABEL.match(cleaned)
    if label and not _recurs(label[0], cleaned[label.end() :]):
        return parse_answer(cleaned[label.end() :])
    if cleaned.lower() in ALL_REALS:
        return symbol("numbers R")
    if is_spoken(cleaned):
        return Term("text", value=normalized_words(cleaned))
    try:
        bare = _without_adverb(cleaned)
        if bare != cleaned:
            return parse_answer(bare)
        term = AnswerParser(tokenize(cleaned)).answer()
        if depth(term) <= MAX_TERM_DEPTH:
            return term
        return Term("text", value=cleaned)
    except TooDeepError:
        return Term("text", value=cleaned)
    except UnreadableError:
        pass
    if looks_like_math(cleaned):
        return Term("opaque", value=_spelled(cleaned) or " ".join(cleaned.split()))
    return Term("text", value=normalized_words(cleaned))


def _inline_unit(match: re.Match[str]) -> str:
    r"""A unit as a fraction, such as `\frac{m}{s^2}` after a number, as `m/s^2`."""
    top, bottom = match[1], match[2]
    known = is_known_unit(top) and is_known_unit(re.split(r"[\d^]", bottom)[0])
    return f" {top}/{bottom}" if known else match[0]


def _digit_literal(text: str) -> Term | None:
    """A literal that only looks like arithmetic: a date in digits, a number in another base."""
    if SLASHED_DATE.fullmatch(text):
        return Term("date", value=text)
    hours = HOURS_AND_MINUTES.fullmatch(text)
    if hours is not None:
        units = zip(hours.groups(), ("h^1", "min^1", "s^1"), strict=True)
        parts = (Term("quantity", (number(int(n)),), unit) for n, unit in units if n)
        return Term("quantities", tuple(parts))
    based = OTHER_BASE.fullmatch(text)
    if based is None:
        return None
    digits = based[2].upper().lstrip("0") or "0"
    return Term("based", value=f"{digits}_{BASES[based[1].lower()]}")


def _spelled(text: str) -> str:
    """A formula outside the grammar, with single spaces where tokens would be one without.

    Empty if it has no tokens.
    """
    spelled = ""
    try:
        tokens = tokenize(text)
    except UnreadableError:
        return ""
    for token in tokens:
        word = f"\\text{{{token.value}}}" if token.type == "text" else token.value
        last, first = spelled[-1:], word[:1]
        joins = (last.isalpha() and first.isalpha()) or (last.isdigit() and first.isdigit())
        indexed = token.spaced and last.isalpha() and first.isdigit() and "\\" not in spelled[-9:]
        spelled += f" {word}" if joins or indexed else word
    return spelled


def _labelled_values(text: str) -> Term | None:
    """A list such as `mean = 5, median = 3` or `Ann: 3, Bob: 5` as a system; otherwise `None`."""
    parts = _split_list(text)
    matches = [LABELLED.fullmatch(part) for part in parts]
    if len(parts) < 2 or not all(matches):
        return None
    pairs = [(normalized_words(m[1]), parse_answer(m[2])) for m in matches if m]
    names = {name for name, _ in pairs}
    if len(names) < len(pairs) or any(value.head in ("text", "opaque") for _, value in pairs):
        return None
    return Term("system", tuple(Term("assign", (value,), name) for name, value in pairs))


def _split_list(text: str) -> list[str]:
    """The parts between commas, semicolons or `and` outside of brackets."""
    parts, depth, start = [], 0, 0
    for match in BRACKET_OR_SEPARATOR.finditer(text):
        if match[0] in "([{":
            depth += 1
        elif match[0] in ")]}":
            depth -= 1
        elif depth == 0:
            parts.append(text[start : match.start()].strip())
            start = match.end()
    return [part for part in (*parts, text[start:].strip()) if part]


def _recurs(label: str, rest: str) -> bool:
    """Whether a label is more than the name of a value: another one or its function follows."""
    return "=" in rest or f"{label[0]}(" in rest


def _without_adverb(text: str) -> str:
    first, _, rest = text.partition(" ")
    return rest if first.lower().lstrip("\\") in APPROXIMATELY and rest else text


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
