"""Unions of intervals with exact ends, in one normal form."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from a2r.answers.parsing.expression import Term, constant, negative, number

End = tuple[int, Fraction]  # (-1 or +1 for an infinite end, else 0; the value)


@dataclass(frozen=True, kw_only=True)
class Span:
    """An interval from `low` to `high`; `opens` and `closes` tell whether the ends belong to it."""

    low: End
    high: End
    opens: bool
    closes: bool


def normal_real_set(term: Term) -> Term | None:
    """A union, difference or interval of exact ends as sorted disjoint intervals; else `None`."""
    spans = _spans(term)
    if spans is None:
        return None
    merged = _merged(spans)
    if not merged:
        return Term("set")
    if all(span.low == span.high for span in merged):
        return Term("set", tuple(_end(span.low) for span in merged))
    intervals = tuple(_interval(span) for span in merged)
    return intervals[0] if len(intervals) == 1 else Term("union", intervals)


def _spans(term: Term) -> list[Span] | None:
    match term.head:
        case "interval":
            return _one(term.args, term.value)
        case "tuple" if len(term.args) == 2:
            return _one(term.args, "()")
        case "set":
            points = [_exact(arg) for arg in term.args]
            return [_point(p) for p in points if p] if all(points) else None
        case "symbol" if term.value == "numbers R":
            return [Span(low=(-1, Fraction(0)), high=(1, Fraction(0)), opens=False, closes=False)]
        case "union":
            parts = [_spans(arg) for arg in term.args]
            known = [part for part in parts if part is not None]
            return [s for part in known for s in part] if len(known) == len(parts) else None
        case "intersection" | "without":
            return _combined(term)
    return None


def _combined(term: Term) -> list[Span] | None:
    first, *others = [_spans(arg) for arg in term.args]
    for other in others:
        if first is None or other is None:
            return None
        first = _common(
            _merged(first), _merged(other if term.head == "intersection" else _outside(other))
        )
    return first


def _one(ends: tuple[Term, ...], brackets: str) -> list[Span] | None:
    low, high = (_exact(end) for end in ends)
    if low is None or high is None or low > high:
        return None
    return [Span(low=low, high=high, opens=brackets[0] == "[", closes=brackets[1] == "]")]


def _point(end: End) -> Span:
    return Span(low=end, high=end, opens=True, closes=True)


def _exact(term: Term) -> End | None:
    if term.head == "number":
        return 0, term.rational
    if term == constant("oo"):
        return 1, Fraction(0)
    return (-1, Fraction(0)) if term == negative(constant("oo")) else None


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.low, not s.opens)):
        if span.low == span.high and not (span.opens and span.closes):
            continue
        last = merged[-1] if merged else None
        if last and (
            span.low < last.high or (span.low == last.high and (span.opens or last.closes))
        ):
            high = max(last.high, span.high)
            closes = any(s.closes for s in (last, span) if s.high == high)
            merged[-1] = Span(low=last.low, high=high, opens=last.opens, closes=closes)
        else:
            merged.append(span)
    return merged


def _outside(spans: list[Span]) -> list[Span]:
    low, opens = (-1, Fraction(0)), False
    outside: list[Span] = []
    for span in _merged(spans):
        if low <= span.low:
            outside.append(Span(low=low, high=span.low, opens=opens, closes=not span.opens))
        low, opens = span.high, not span.closes
    outside.append(Span(low=low, high=(1, Fraction(0)), opens=opens, closes=False))
    return outside


def _common(left: list[Span], right: list[Span]) -> list[Span]:
    found: list[Span] = []
    for a in left:
        for b in right:
            low, high = max(a.low, b.low), min(a.high, b.high)
            opens = all(s.opens for s in (a, b) if s.low == low)
            closes = all(s.closes for s in (a, b) if s.high == high)
            if low < high or (low == high and opens and closes):
                found.append(Span(low=low, high=high, opens=opens, closes=closes))
    return found


def _end(end: End) -> Term:
    infinite, value = end
    if infinite:
        return constant("oo") if infinite > 0 else negative(constant("oo"))
    return number(value)


def _interval(span: Span) -> Term:
    brackets = ("[" if span.opens else "(") + ("]" if span.closes else ")")
    if span.low == span.high:
        return Term("set", (_end(span.low),))
    return Term("interval", (_end(span.low), _end(span.high)), brackets)
