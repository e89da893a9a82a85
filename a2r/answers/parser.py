"""Parsing one expression, in LaTeX or plain text, into a syntax tree.

A recursive descent over tokens with a bounded depth; nothing is ever evaluated or executed.
"""

from __future__ import annotations

from fractions import Fraction

from a2r.answers.functions import CONSTANTS, FUNCTION_LETTERS, FUNCTIONS, GREEK, NUMBER_WORDS
from a2r.answers.numerals import fraction_of, recurring, repeating
from a2r.answers.signs import (
    BARS,
    CLOSERS,
    CURRENCIES,
    ENDS,
    MATRICES,
    OF_BARS,
    OVER,
    RELATIONS,
    SIGNS,
    TIMES,
)
from a2r.answers.syntax import Term, call, constant, inverse, negative, number, symbol
from a2r.answers.tokens import Token, TooDeepError, UnreadableError, tokens_of
from a2r.answers.unit_reader import UnitReader
from a2r.answers.wording import is_word

DEEPEST = 60


class Parser(UnitReader):
    """Reads expressions from a list of tokens, from `position` on."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self.depth = 0
        self.bars = 0

    def expression(self) -> Term:
        """Sums joined by unions, set differences and ratios."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise TooDeepError("nested too deeply")
        left = self.sum()
        while True:
            if self.accept(r"\cup"):
                left = Term("union", (*_members(left), self.sum()))
            elif self.accept(r"\setminus", r"\backslash"):
                left = Term("without", (left, self.sum()))
            elif self.accept(":", r"\colon"):
                left = Term(
                    "ratio", (*(left.args if left.head == "ratio" else (left,)), self.sum())
                )
            else:
                self.depth -= 1
                return left

    def sum(self) -> Term:
        """Products with signs between them."""
        terms: list[Term] = []
        sign = self._sign()
        while True:
            term = self.product()
            terms.append(_signed(sign, term))
            if (
                (self.peek().sort == "sign" and self.peek().value in SIGNS)
                or self.peek().value in (r"\pm", r"\mp")
                or self._plus_minus()
            ):
                sign = self._sign()
            else:
                return terms[0] if len(terms) == 1 else Term("sum", tuple(terms))

    def _plus_minus(self) -> bool:
        return self.peek().value == "+" and self.peek(1).value == "/"

    def _sign(self) -> str:
        sign = ""
        while True:
            token = self.peek()
            if token.value == "+" and self.peek(1).value == "/" and self.peek(2).value == "-":
                self.position += 3
                sign = "pm"
            elif token.sort == "sign" and token.value in SIGNS:
                self.take()
                sign = _flipped(sign) if token.value == "-" else sign
            elif token.value in (r"\pm", r"\mp"):
                self.take()
                sign = "pm" if token.value == r"\pm" else "mp"
            else:
                return sign

    def product(self) -> Term:
        """Factors, multiplied in writing or by standing side by side, and divided."""
        factors = [self.factor()]
        while True:
            token = self.peek()
            if token.value in TIMES and token.sort != "word":
                self.take()
                sign = self._sign()
                factors.append(_signed(sign, self.factor()))
            elif token.value in OVER and token.sort != "word":
                self.take()
                sign = self._sign()
                factors.append(inverse(_signed(sign, self.factor())))
            elif unit := self.unit():
                factors = [Term("quantity", (_product(factors),), unit)]
            elif self._starts_factor(token):
                factors.append(self.factor())
            else:
                return _product(factors)

    def _starts_factor(self, token: Token) -> bool:
        if token.sort in ("end", "text"):
            return False
        if token.sort in ("number", "word"):
            return token.value.lower() not in ("and", "or", "mod")
        if token.sort == "command":
            name = token.value
            return not (
                name in RELATIONS or name in ENDS or name in TIMES or name in OVER
                or name in (r"\pm", r"\mp", r"\cup", r"\cap", r"\setminus", r"\backslash", r"\colon")
                or name in (r"\Rightarrow", r"\implies", r"\to", r"\land", r"\lor", r"\pmod", r"\mod")
                or name in (r"\quad", r"\qquad", r"\wedge", r"\vee", r"\ldots", r"\dots", r"\cdots")
                or name.startswith(r"\end")
            )  # fmt: skip
        if token.value == "|":
            return self.bars == 0
        return token.value in ("(", "[", "{")

    def factor(self) -> Term:
        """A primary with what follows it: powers, factorials, percent, primes, subscripts."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise TooDeepError("nested too deeply")
        base = self.postfix(self.primary())
        self.depth -= 1
        return base

    def postfix(self, base: Term) -> Term:
        """The base with its powers, factorials and percent signs."""
        while True:
            token = self.peek()
            if token.value in ("^", "**") and token.sort == "sign":
                if self._is_degree():
                    return base
                self.take()
                base = Term("power", (base, self.argument(signed=True)))
            elif token.value == "!" and token.sort == "sign":
                self.take()
                double = self.accept("!")
                base = call("factorial2" if double else "factorial", base)
            elif (
                token.value == "%"
                or (token.sort == "text" and token.value in ("%", r"\%"))
                or (
                    token.sort in ("word", "text")
                    and token.value.lower()
                    in (
                        "percent",
                        "pct",
                        "percentage",
                    )
                )
                or token.value == r"\%"
            ):
                self.take()
                base = Term("percent", (base,))
            else:
                return base

    def _is_degree(self) -> bool:
        ahead = 2 if self.peek(1).value == "{" else 1
        return self.peek(ahead).value in (r"\circ", r"\degree")

    def argument(self, *, signed: bool = False) -> Term:
        """A group in braces, or a single token: what LaTeX takes as an argument."""
        if self.accept("{"):
            inner = self.group("}")
            self.expect("}")
            return inner
        if signed:
            sign = self._sign()
            if sign:
                return _signed(sign, self.argument())
        token = self.peek()
        if token.sort == "number" and not signed and len(token.value) > 1 and token.value.isdigit():
            # \frac12 takes one digit at a time.
            self.tokens[self.position] = Token(sort="number", value=token.value[1:])
            return number(int(token.value[0]))
        if signed and token.sort in ("number", "word"):
            return self.postfix_of_power(self.primary())
        return self.primary()

    def postfix_of_power(self, base: Term) -> Term:
        """A tower: `2^3^2` is 2 to the 9th."""
        if self.accept("^", "**"):
            return Term("power", (base, self.argument(signed=True)))
        return base

    def group(self, closing: str) -> Term:
        """What stands in braces: an expression; with commas in it, a set."""
        items = self.items(closing)
        if self.accept(r"\over") and len(items) == 1:
            return Term("product", (items[0], inverse(self.group(closing))))
        return items[0] if len(items) == 1 else Term("set", tuple(items))

    def items(self, closing: str) -> list[Term]:
        """Expressions between commas or semicolons up to a closing bracket, not consumed."""
        items: list[Term] = []
        bars, self.bars = self.bars, 0
        while self.peek().value != closing or self.peek().sort == "text":
            items.append(self.item())
            if not self.accept(",", ";") and self.peek().value != closing:
                if self._separator():
                    continue
                break
        self.bars = bars
        return items

    def _separator(self) -> bool:
        token = self.peek()
        if token.sort in ("word", "text") and token.value.strip(" ,").lower() in ("and", "or"):
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

    def primary(self) -> Term:
        """A number, a name, a bracket, or a command with its arguments."""
        token = self.take()
        if token.sort == "number":
            return self._number(token)
        if token.sort == "word":
            return self._word(token)
        if token.sort == "text":
            return self._text(token)
        if token.value in ("(", "[", r"\{", r"\langle", r"\lbrace"):
            return self._bracket(token.value)
        if token.value == "{":
            inner = self.group("}")
            self.expect("}")
            return inner
        if token.value in CURRENCIES:
            return Term("quantity", (self.factor(),), f"{token.value}^1")
        if token.value in OF_BARS:
            return self._bars(token.value)
        if token.sort == "command":
            return self._command(token.value)
        raise UnreadableError(f"cannot read {token.value[:20]!r}")

    def _number(self, token: Token) -> Term:
        value = fraction_of(token.value)
        following = self.peek()
        if following.value in (r"\overline", r"\bar", r"\dot"):
            return self._repeating(token.value)
        if following.value in (r"\ldots", r"\dots", "...", r"\cdots") and "." in token.value:
            self.take()
            return number(recurring(token.value))
        if following.value == "(" and "." in token.value and self.peek(2).value == ")":
            repeated = self.peek(1)
            if repeated.sort == "number" and repeated.value.isdigit() and not following.spaced:
                self.position += 3
                return number(repeating(token.value, repeated.value))
        if following.value == "_":
            return self._based(token.value)
        if "." in token.value:
            return Term("decimal", (number(value),), str(len(token.value.partition(".")[2])))
        return number(value + self._mixed(token))

    def _mixed(self, whole: Token) -> Fraction:
        """The proper fraction after a whole number, as in 1 1/2; else 0."""
        if not whole.value.isdigit():
            return Fraction(0)
        start = self.position
        if self.accept(r"\frac"):
            try:
                top, bottom = self.argument(), self.argument()
            except UnreadableError:
                top = bottom = symbol("x")
            if top.head == bottom.head == "number" and top.rational < bottom.rational:
                return top.rational / bottom.rational
        elif self.peek().sort == "number" and self.peek().spaced and self.peek(1).value == "/":
            upper, lower = self.peek().value, self.peek(2).value
            if (
                upper.isdigit()
                and lower.isdigit()
                and 0 < len(lower) < 9
                and int(upper[:9]) < int(lower)
            ):
                self.position += 3
                return Fraction(int(upper), int(lower))
        self.position = start
        return Fraction(0)

    def _repeating(self, digits: str) -> Term:
        command = self.take().value
        if command == r"\dot":
            raise UnreadableError("a dot over digits")
        self.expect("{")
        repeated = self.take()
        self.expect("}")
        if not repeated.value.isdigit() or "." not in digits + ".":
            raise UnreadableError("a bar over what is no digit")
        return number(repeating(digits, repeated.value))

    def _based(self, digits: str) -> Term:
        self.take()
        base = self.argument()
        if base.head != "number" or base.rational.denominator != 1 or not digits.isdigit():
            raise UnreadableError("a number with an index")
        value = int(base.rational)
        if value == 10:
            return number(fraction_of(digits))
        return Term("based", (), f"{digits.lstrip('0') or '0'}_{value}")

    def _word(self, token: Token) -> Term:
        word = token.value
        lower = word.lower()
        if word in FUNCTIONS or (lower in FUNCTIONS and len(word) > 2):
            return self._function(FUNCTIONS.get(word) or FUNCTIONS[lower])
        if word in CONSTANTS or (lower in CONSTANTS and len(word) > 2):
            return constant(CONSTANTS.get(word) or CONSTANTS[lower])
        if lower in NUMBER_WORDS:
            return self._spelled(lower)
        if len(word) == 1:
            return self._name(word)
        if len(word) <= 3 and lower not in ("and", "or", "mod") and not is_word(word):
            letters = [self._letter(letter) for letter in word[:-1]]
            return Term("product", (*letters, self._name(word[-1])))
        raise UnreadableError(f"{word!r} is a word")

    def _letter(self, letter: str) -> Term:
        return constant(CONSTANTS[letter]) if letter in CONSTANTS else symbol(letter)

    def _spelled(self, word: str) -> Term:
        value = NUMBER_WORDS[word]
        following = self.peek(1) if self.peek().value == "-" else self.peek()
        ones = NUMBER_WORDS.get(following.value.lower(), 0)
        if value >= 20 and 0 < ones < 10 and following.sort == "word":
            self.position += 2 if self.peek().value == "-" else 1
            value += ones
        return number(value)

    def _text(self, token: Token) -> Term:
        """Letters in `\\text` or `\\mathrm`: e, i, a function, a symbol, or words."""
        inner = token.value
        if inner in CONSTANTS or inner in FUNCTIONS or (len(inner) == 1 and inner.isalpha()):
            return self._word(Token(sort="word", value=inner))
        try:
            parser = Parser(tokens_of(inner))
            parser.depth = self.depth
            read = parser.expression()
        except TooDeepError:
            raise
        except UnreadableError:
            raise UnreadableError(f"{inner!r} is a text") from None
        if parser.position < len(parser.tokens):
            raise UnreadableError(f"{inner!r} is a text")
        return read

    def _name(self, letter: str) -> Term:
        if letter in CONSTANTS and self.peek().value != "_":
            return constant(CONSTANTS[letter])
        name = letter + self._suffix()
        if self.peek().value == "(" and (name[0] in FUNCTION_LETTERS or self._is_defined()):
            self.take()
            args = self.items(")")
            self.expect(")")
            return call(f"function:{name}", *args)
        return symbol(name)

    def _is_defined(self) -> bool:
        """Whether `(x) =` follows: a function is being defined."""
        after = [self.peek(ahead) for ahead in (1, 2, 3)]
        return after[0].sort == "word" and [t.value for t in after[1:]] == [")", "="]

    def _suffix(self) -> str:
        suffix = ""
        while True:
            if self.accept("_"):
                start = self.position
                self.argument()
                inner = "".join(token.value for token in self.tokens[start : self.position])
                suffix += "_" + inner.strip("{}")
            elif self.accept("'"):
                suffix += "'"
            elif self.peek().value == "^" and self.peek(1).value in (r"\prime", "'"):
                self.position += 2
                suffix += "'"
            else:
                return suffix

    def _bracket(self, opening: str) -> Term:
        allowed = (")", "]") if opening in "([" else (CLOSERS[opening],)
        bars, self.bars = self.bars, 0
        items: list[Term] = []
        while self.peek().value not in allowed:
            items.append(self.item())
            if (
                not self.accept(",", ";", "&")
                and self.peek().value not in allowed
                and not self._separator()
            ):
                break
        self.bars = bars
        closing = self.take().value
        if closing not in allowed:
            raise UnreadableError(f"{opening} is never closed")
        if opening in (r"\{", r"\lbrace"):
            return Term("set", tuple(items))
        if opening == r"\langle":
            return Term("tuple", tuple(items))
        return _grouped(opening + closing, items)

    def _bars(self, opening: str) -> Term:
        closing = BARS.get(opening, opening)
        self.bars += closing == opening
        inner = self.expression()
        self.bars -= closing == opening
        self.expect(closing)
        return call(OF_BARS[opening], inner)

    def _command(self, command: str) -> Term:
        name = command[1:]
        if name in FUNCTIONS and name != "sqrt":
            return self._function(FUNCTIONS[name])
        if name in CONSTANTS and name not in ("e", "i"):
            return constant(CONSTANTS[name])
        if name in GREEK:
            return self._greek(name)
        if name.startswith("begin"):
            return self._environment(name.removeprefix("begin{").removesuffix("}"))
        match name:
            case "frac" | "dfrac" | "tfrac" | "cfrac":
                top = self.argument()
                return Term("product", (top, inverse(self.argument())))
            case "sqrt":
                return self._root(number(2), self.argument)
            case "surd":
                return self._root(number(2), self._tight)
            case "cuberoot":
                return Term("power", (self._tight(), number(Fraction(1, 3))))
            case "binom" | "dbinom" | "tbinom":
                top = self.argument()
                return call("binomial", top, self.argument())
            case "overline" | "bar":
                return self._barred()
            case "emptyset" | "varnothing":
                return Term("set")
            case "numbersR" | "numbersZ" | "numbersN" | "numbersQ" | "numbersC":
                return self._number_set(name[-1])
            case "vec" | "overrightarrow" | "hat" | "widehat" | "tilde" | "angle" | "triangle":
                return self._decorated(name)
        raise UnreadableError(f"{command} is beyond this grammar")

    def _greek(self, name: str) -> Term:
        return symbol(name.removeprefix("var") + self._suffix())

    def _number_set(self, letter: str) -> Term:
        suffix = ""
        if self.accept("^", "_"):
            start = self.position
            if not self.accept("+", "-", "*"):
                self.argument()
            suffix = "".join(t.value for t in self.tokens[start : self.position]).strip("{}")
        return Term("symbol", (), f"numbers {letter}{suffix}")

    def _decorated(self, name: str) -> Term:
        start = self.position
        self.argument() if self.peek().value == "{" else self.take()
        inner = "".join(token.value for token in self.tokens[start : self.position]).strip("{}")
        return symbol(f"{name} {inner}")

    def _barred(self) -> Term:
        start = self.position
        self.argument()
        inner = "".join(token.value for token in self.tokens[start : self.position]).strip("{}")
        if not inner.isalpha():
            raise UnreadableError("a bar over an expression")
        return symbol(f"bar {inner}")

    def _tight(self) -> Term:
        """What a bare root sign covers: a group, or one number or name with its power."""
        if self.peek().value in ("{", "("):
            return self.primary()
        return self.primary()

    def _root(self, degree: Term, argument: object) -> Term:
        if self.accept("["):
            degree = self.expression()
            self.expect("]")
        inner = (
            self._tight()
            if argument == self._tight or self.peek().value == "("
            else self.argument()
        )
        return Term("power", (inner, inverse(degree)))

    def _function(self, name: str) -> Term:
        base: Term | None = None
        power: Term | None = None
        while self.peek().value in ("^", "_"):
            if self.accept("_"):
                base = self.argument()
            else:
                self.take()
                power = self.argument(signed=True)
        args = self._arguments(name)
        if power is not None and power == negative(number(1)) and name in ("sin", "cos", "tan"):
            return call(f"a{name}", *args)
        applied = _applied(name, args, base)
        return applied if power is None else Term("power", (applied, power))

    def _arguments(self, name: str) -> list[Term]:
        opening = self.peek().value
        if opening in ("(", "[", "{"):
            self.take()
            closing = {"(": ")", "[": "]", "{": "}"}[opening]
            args = self.items(closing)
            self.expect(closing)
            if not args:
                raise UnreadableError(f"{name} of nothing")
            return args
        factors = [_signed(self._sign(), self.factor())]
        while self._starts_argument(self.peek()):
            factors.append(self.factor())
            if self.peek().value == "/" and self.peek(1).sort == "number":
                self.take()
                factors.append(inverse(self.factor()))
        if self.peek().value == "/" and self.peek(1).sort == "number":
            self.take()
            factors.append(inverse(self.factor()))
        if self._is_degree() and self.peek().value == "^":
            self._degree()
            factors += [constant("pi"), inverse(number(180))]
        return [_product(factors)]

    def _starts_argument(self, token: Token) -> bool:
        """A function's bare argument goes on with plain factors, not with brackets or functions."""
        if not self._starts_factor(token) or token.value in ("(", "[", "|"):
            return False
        name = token.value.removeprefix("\\")
        return name not in FUNCTIONS

    def _environment(self, name: str) -> Term:
        if name not in MATRICES:
            raise UnreadableError(f"environment {name} is beyond this grammar")
        if name == "array" and self.accept("{"):
            while not self.accept("}"):
                if self.take().sort == "end":
                    raise UnreadableError("an array without columns")
        rows: list[list[Term]] = [[]]
        end = f"\\end{{{name}}}"
        while not self.accept(end):
            if self.accept(r"\\"):
                rows.append([])
            elif not self.accept("&"):
                rows[-1].append(self.item())
            if self.peek().sort == "end":
                raise UnreadableError(f"{name} is never closed")
        rows = [row for row in rows if row]
        if not rows or len({len(row) for row in rows}) > 1:
            raise UnreadableError("rows of different lengths")
        return Term("matrix", tuple(Term("row", tuple(row)) for row in rows))


def _applied(name: str, args: list[Term], base: Term | None) -> Term:
    first = args[0]
    match name:
        case "sqrt":
            return Term("power", (first, number(Fraction(1, 2))))
        case "cbrt":
            return Term("power", (first, number(Fraction(1, 3))))
        case "exp":
            return Term("power", (constant("e"), first))
        case "ln":
            return call("log", first)
        case "lg":
            return call("log", first, number(10))
        case "log":
            return call("log", first) if base is None else call("log", first, base)
    return call(name, *args)


def _grouped(brackets: str, items: list[Term]) -> Term:
    if len(items) == 1 and brackets in ("()", "[]"):
        return items[0]
    if brackets == "()" or (brackets == "[]" and len(items) > 2):
        return Term("tuple", tuple(items))
    if len(items) == 2:
        return Term("interval", tuple(items), brackets)
    raise UnreadableError(f"{brackets} around {len(items)} items")


def _members(term: Term) -> tuple[Term, ...]:
    return term.args if term.head == "union" else (term,)


def _product(factors: list[Term]) -> Term:
    return factors[0] if len(factors) == 1 else Term("product", tuple(factors))


def _flipped(sign: str) -> str:
    return {"": "-", "-": "", "pm": "mp", "mp": "pm"}[sign]


def _signed(sign: str, term: Term) -> Term:
    if sign == "-":
        return negative(term)
    return Term(sign, (term,)) if sign else term
