"""Parser of brackets: groups, tuples, sets, intervals, bars, matrices."""

from __future__ import annotations

from a2r.answers.errors import UnreadableError
from a2r.answers.parsing.expression import Term, call, inverse
from a2r.answers.parsing.grammar import Grammar
from a2r.answers.parsing.symbols import BAR_FUNCTIONS, BARS, CLOSERS, MATRICES, RELATIONS

BLANK = Term("text", value="")


INTERVAL_OPENERS = ("(", "[", r"\lopen")


class BracketParser(Grammar):
    """Parse brackets from the current position."""

    def group(self, closing: str) -> Term:
        """The contents of braces: an expression, or a set if they contain commas."""
        items = self.items(closing)
        if len(items) == 1 and self.accept(r"\over"):
            return Term("product", (items[0], inverse(self.group(closing))))
        if len(items) == 1 and self.accept(r"\choose"):
            return call("binomial", items[0], self.group(closing))
        return items[0] if len(items) == 1 else Term("set", tuple(items))

    def items(self, closing: str) -> list[Term]:
        """Expressions between commas or semicolons up to a closing bracket, not consumed."""
        items: list[Term] = []
        bars, self.bars = self.bars, 0
        while self.peek().value != closing or self.peek().type == "text":
            items.append(self.item())
            if not self.accept(",", ";") and self.peek().value != closing:
                if self.separator():
                    continue
                break
        self.bars = bars
        return items

    def separator(self) -> bool:
        """Consume a conjunction or a wide space between elements, if it comes next."""
        token = self.peek()
        if token.type in ("word", "text") and token.value.strip(" ,").lower() in ("and", "or"):
            self.take()
            return True
        return self.accept(r"\quad", r"\qquad")

    def item(self) -> Term:
        """An element of a bracket: an expression, or a relation between two."""
        left = self.expression()
        operator = RELATIONS.get(self.peek().value)
        if operator is None:
            return left
        self.take()
        return Term("relation", (left, self.expression()), operator)

    def bracket(self, opening: str) -> Term:
        """The group, tuple, set or interval after an opening bracket, up to the closing one."""
        if opening in (r"\{", r"\lbrace") and self._is_set_builder():
            return self._built_set()
        closers = (")", "]", r"\ropen") if opening in INTERVAL_OPENERS else (CLOSERS[opening],)
        bars, self.bars = self.bars, 0
        items: list[Term] = []
        rows = columns = False
        while self.peek().value not in closers:
            items.append(self.item())
            rows |= self.peek().value == ";"
            columns |= self.peek().value == ","
            if (
                not self.accept(",", ";", "&")
                and self.peek().value not in closers
                and not (opening in (r"\{", r"\lbrace") and self.separator())
            ):
                break
        self.bars = bars
        if rows and columns:
            raise UnreadableError("rows in brackets")
        closing = self.take().value
        if closing not in closers:
            raise UnreadableError(f"{opening} is not closed")
        if opening in (r"\{", r"\lbrace"):
            return Term("set", tuple(items))
        if opening == r"\langle":
            return Term("tuple", tuple(items))
        if opening == r"\lopen" or closing == r"\ropen":
            return _open_interval(opening, closing, items)
        return _grouped(opening + closing, items)

    def _is_set_builder(self) -> bool:
        """Whether a name and a bar or colon follow, as in `{x | x < 2}`."""
        separator = self.peek(3) if self.peek(1).value == r"\in" else self.peek(1)
        return self.peek().type == "word" and separator.value in (r"\mid", "|", ":", r"\colon")

    def _built_set(self) -> Term:
        """The set of the values of a name for which a condition holds, after the opening brace."""
        name = self.take().value
        if self.accept(r"\in") and self.take().value != r"\numbersR":
            raise UnreadableError("a set of other numbers than the reals")
        self.take()
        start, depth = self.position, 1
        while depth:
            token = self.take()
            if token.type == "end":
                raise UnreadableError("a set is not closed")
            depth += (token.value in (r"\{", r"\lbrace")) - (token.value in (r"\}", r"\rbrace"))
        condition = self.condition(self.tokens[start : self.position - 1])
        if condition.head == "assign":
            if condition.value != name:
                raise UnreadableError("a condition on another name")
            condition = condition.args[0]
        if condition.head in ("interval", "union", "intersection", "unequal", "inequality"):
            return condition
        raise UnreadableError("a condition that is not solved")

    def in_bars(self, opening: str) -> Term:
        """The contents of bars: an absolute value, a floor, a ceiling, a norm."""
        closing = BARS.get(opening, opening)
        self.bars += closing == opening
        inner = self.expression()
        self.bars -= closing == opening
        self.expect(closing)
        return call(BAR_FUNCTIONS[opening], inner)

    def environment(self, name: str) -> Term:
        """The matrix of an environment, after its `begin`."""
        if name not in MATRICES:
            raise UnreadableError(f"environment {name} is not supported")
        if name == "array" and self.accept("{"):
            while not self.accept("}"):
                column = self.take()
                if column.type == "end" or column.value == "|":
                    raise UnreadableError("an array without columns, or with lines between them")
        end = f"\\end{{{name}}}"
        rows = [[self._cell(end)]]
        while not self.accept(end):
            if self.accept(r"\\"):
                rows.append([self._cell(end)])
            elif self.accept("&"):
                rows[-1].append(self._cell(end))
            else:
                raise UnreadableError(f"{name} is not closed")
        if rows[-1] == [BLANK]:
            rows.pop()
        if not rows or len({len(row) for row in rows}) > 1:
            raise UnreadableError("rows of different lengths")
        matrix = Term("matrix", tuple(Term("row", tuple(row)) for row in rows))
        return call("det", matrix) if name == "vmatrix" else matrix

    def _cell(self, end: str) -> Term:
        """A cell of a matrix; a blank one is different from all others."""
        return BLANK if self.peek().value in ("&", r"\\", end) else self.item()


def _open_interval(opening: str, closing: str, items: list[Term]) -> Term:
    """An interval with reversed brackets for its open ends."""
    if len(items) != 2:
        raise UnreadableError("an interval has two ends")
    low = "(" if opening == r"\lopen" else opening
    high = ")" if closing == r"\ropen" else closing
    return Term("interval", tuple(items), low + high)


def _grouped(brackets: str, items: list[Term]) -> Term:
    if brackets == "[]" and len(items) == 1 and items[0].head in ("symbol", "number", "decimal"):
        # The floor, a concentration, or a list.
        return call("bracket", items[0])
    if len(items) == 1 and brackets in ("()", "[]"):
        return items[0]
    if brackets == "()" or (brackets == "[]" and len(items) > 2):
        return Term("tuple", tuple(items))
    if len(items) == 2:
        return Term("interval", tuple(items), brackets)
    raise UnreadableError(f"{brackets} around {len(items)} items")
