"""Sets of real numbers in a normal form: unions of intervals with exact ends."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from a2r.answers.parsing.expression import Term, constant, negative, number

End = tuple[int, Fraction]  # (-1 or +1 for an infinite end, else 0; the value)


@dataclass(frozen=True, kw_only=True)
class Span:
    """An interval from `low` to `high`; closed at its ends or open."""

    low: End
    high: End
    closed_low: bool
    closed_high: bool


def normal_real_set(term: Term) -> Term | None:
    """A set with exact ends as sorted disjoint intervals; `None` for other terms."""
    spans = _spans(term)
    if spans is None:
        return None
    merged = _merge(spans)
    if not merged:
        return Term("set")
    if all(span.low == span.high for span in merged):
        return Term("set", tuple(_end(span.low) for span in merged))
    intervals = tuple(_interval(span) for span in merged)
    return intervals[0] if len(intervals) == 1 else Term("union", intervals)


def _spans(term: Term) -> list[Span] | None:
    match term.head:
        case "interval":
            return _interval_spans(term.args, term.value)
        case "tuple" if len(term.args) == 2:
            return _interval_spans(term.args, "()")
        case "set":
            points = [_exact(arg) for arg in term.args]
            return [_point(p) for p in points if p] if all(points) else None
        case "symbol" if term.value == "numbers R":
            return [
                Span(
                    low=(-1, Fraction(0)),
                    high=(1, Fraction(0)),
                    closed_low=False,
                    closed_high=False,
                )
            ]
        case "union":
            parts = [_spans(arg) for arg in term.args]
            known = [part for part in parts if part is not None]
            return [s for part in known for s in part] if len(known) == len(parts) else None
        case "intersection" | "without":
            return _combine(term)
    return None


def _combine(term: Term) -> list[Span] | None:
    first, *others = [_spans(arg) for arg in term.args]
    for other in others:
        if first is None or other is None:
            return None
        first = _intersect(
            _merge(first), _merge(other if term.head == "intersection" else _complement(other))
        )
    return first


def _interval_spans(ends: tuple[Term, ...], brackets: str) -> list[Span] | None:
    low, high = (_exact(end) for end in ends)
    if low is None or high is None or low > high:
        return None
    return [Span(low=low, high=high, closed_low=brackets[0] == "[", closed_high=brackets[1] == "]")]


def _point(end: End) -> Span:
    return Span(low=end, high=end, closed_low=True, closed_high=True)


def _exact(term: Term) -> End | None:
    if term.head == "number":
        return 0, term.rational
    if term == constant("oo"):
        return 1, Fraction(0)
    return (-1, Fraction(0)) if term == negative(constant("oo")) else None


def _merge(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.low, not s.closed_low)):
        if span.low == span.high and not (span.closed_low and span.closed_high):
            continue
        last = merged[-1] if merged else None
        if last and (
            span.low < last.high
            or (span.low == last.high and (span.closed_low or last.closed_high))
        ):
            high = max(last.high, span.high)
            closed_high = any(s.closed_high for s in (last, span) if s.high == high)
            merged[-1] = Span(
                low=last.low, high=high, closed_low=last.closed_low, closed_high=closed_high
            )
        else:
            merged.append(span)
    return merged


def _complement(spans: list[Span]) -> list[Span]:
    low, closed_low = (-1, Fraction(0)), False
    gaps: list[Span] = []
    for span in _merge(spans):
        if low <= span.low:
            gaps.append(
                Span(
                    low=low,
                    high=span.low,
                    closed_low=closed_low,
                    closed_high=not span.closed_low,
                )
            )
        low, closed_low = span.high, not span.closed_high
    gaps.append(Span(low=low, high=(1, Fraction(0)), closed_low=closed_low, closed_high=False))
    return gaps


def _intersect(left: list[Span], right: list[Span]) -> list[Span]:
    spans: list[Span] = []
    for a in left:
        for b in right:
            low, high = max(a.low, b.low), min(a.high, b.high)
            closed_low = all(s.closed_low for s in (a, b) if s.low == low)
            closed_high = all(s.closed_high for s in (a, b) if s.high == high)
            if low < high or (low == high and closed_low and closed_high):
                spans.append(
                    Span(low=low, high=high, closed_low=closed_low, closed_high=closed_high)
                )
    return spans


def _end(end: End) -> Term:
    infinite, value = end
    if infinite:
        return constant("oo") if infinite > 0 else negative(constant("oo"))
    return number(value)


def _interval(span: Span) -> Term:
    brackets = ("[" if span.closed_low else "(") + ("]" if span.closed_high else ")")
    if span.low == span.high:
        return Term("set", (_end(span.low),))
    return Term("interval", (_end(span.low), _end(span.high)), brackets)
