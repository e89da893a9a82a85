"""Canonical strings of answers that are not mathematical: choices, JSON, code."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from a2r.answers.parsing.multiple_choice import OR, choice_letter, several_letters
from a2r.answers.parsing.natural_language import normalized_words
from a2r.answers.types import Kind

AND_OR_COMMA = re.compile(r"\band\b|[,;&+/]", re.IGNORECASE)


def literal_form(text: str, kind: Kind) -> str:
    """The canonical string of an answer of kind `choice`, `json` or `code`."""
    if kind == "choice":
        several = several_letters(text)
        if several:
            joins = OR.search(text), AND_OR_COMMA.search(text)
            if all(joins):
                return f"text {normalized_words(text)}"
            return f"{'one of' if joins[0] else 'choices'} {','.join(several)}"
        letter = choice_letter(text, exact=True)
        return f"choice {letter}" if letter else f"text {normalized_words(text)}"
    return _json(text) if kind == "json" else _code(text)


def _json(text: str) -> str:
    try:
        return "json " + _tagged(
            json.loads(
                text, parse_float=Number, parse_int=Number, object_pairs_hook=without_duplicates
            )
        )
    except (ValueError, RecursionError, ArithmeticError):
        return f"text {text.strip()}"


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of its pairs.

    Raises:
        ValueError: a name occurs twice.
    """
    names = dict(pairs)
    if len(names) < len(pairs):
        raise ValueError("a name occurs twice in an object")
    return names


class Number(str):
    """The digits of a number in JSON, as written."""

    __slots__ = ()


def _tagged(value: Any) -> str:
    """JSON as a string; 1 and 1.0 give the same string, 1, true and "1" different ones."""
    match value:
        case dict():
            pairs = sorted(f"{json.dumps(name)}:{_tagged(item)}" for name, item in value.items())
            return f"{{{','.join(pairs)}}}"
        case list():
            return f"[{','.join(map(_tagged, value))}]"
        case Number():
            return f"number {_normalized_number(value)}"
    return json.dumps(value)


def _normalized_number(digits: str) -> str:
    """A number without insignificant zeros, exact at any length."""
    sign, figures, exponent = Decimal(digits).as_tuple()
    written = "".join(map(str, figures)).rstrip("0")
    significant = written.lstrip("0")
    if not significant or not isinstance(exponent, int):
        return "0" if not significant else digits
    return f"{'-' if sign else ''}{significant}e{exponent + len(figures) - len(written)}"


def _code(text: str) -> str:
    lines = text.replace("\r\n", "\n").split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    lines = lines[first:]
    return "code " + "\n".join(line.rstrip(" \t\r") for line in lines).rstrip()
