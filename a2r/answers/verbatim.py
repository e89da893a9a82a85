"""Forms of answers that are no mathematics: choices, JSON, code."""

from __future__ import annotations

import json
from decimal import Decimal

from a2r.answers.answer import Kind
from a2r.answers.choices import choice_letter


def verbatim_form(text: str, kind: Kind) -> str:
    """The canonical string of a choice, of JSON or of code."""
    if kind == "choice":
        letter = choice_letter(text, whole=True)
        return f"choice {letter}" if letter else f"text {' '.join(text.split()).casefold()}"
    return _json(text) if kind == "json" else _code(text)


def _json(text: str) -> str:
    try:
        value = json.loads(text, parse_float=_number, parse_int=_number)
        return "json " + json.dumps(value, sort_keys=True, ensure_ascii=False)
    except (ValueError, RecursionError, ArithmeticError):
        return f"text {text.strip()}"


def _number(digits: str) -> dict[str, str]:
    """A number by its value, so that 1 and 1.0 are the same and 1 and true are not."""
    value = Decimal(digits)
    return {"\0number": str(value.normalize()) if value else "0"}


def _code(text: str) -> str:
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    return "code " + "\n".join(lines).strip("\n").rstrip()
