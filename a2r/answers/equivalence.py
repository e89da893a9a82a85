"""Which answers are the same."""

from __future__ import annotations

from fractions import Fraction

from a2r.answers.extraction import Answer
from a2r.answers.normalization import normal_text, number
from a2r.result import Kind

Canonical = tuple[str, str | Fraction]


def canonical(answer: Answer | str, kind: Kind = "auto") -> Canonical:
    """A form that is equal for equivalent answers and for them alone.

    Numbers are exact rationals; choices are letters; JSON and code are compared as they stand;
    everything else is its normal text.
    """
    text = answer.text if isinstance(answer, Answer) else answer
    kind = answer.kind if isinstance(answer, Answer) else kind
    if kind in ("json", "code"):
        return "verbatim", text.strip()
    if kind == "choice":
        return "text", text.strip(" ().").upper()
    normal = normal_text(text)
    value = number(normal)
    return ("text", normal) if value is None else ("number", value)


def equivalent(a: Answer | str, b: Answer | str, kind: Kind = "auto") -> bool:
    """Whether two answers are the same: an equivalence relation."""
    return canonical(a, kind) == canonical(b, kind)
