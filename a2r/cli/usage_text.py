"""Token usage, cost and savings as text."""

from __future__ import annotations

from collections.abc import Sequence

from a2r.result import Sample, Savings
from a2r.usage import Usage, total


def format_usage(usage: Usage, *, seconds: float | None = None, currency: str = "") -> str:
    """Return calls, tokens and cost on one line.

    Args:
        usage: the usage of a role or of a run.
        seconds: the duration, if it belongs on the line.
        currency: the currency of the cost, if it is known.
    """
    if usage.calls == 0:
        return "no calls"
    about = "about " if usage.estimated else ""
    duration = "" if seconds is None else f", {seconds:.1f} s"
    cost = "unknown" if usage.cost is None else f"{usage.cost:.6f} {currency}".rstrip()
    return (
        f"{usage.calls} calls, {about}{format_count(usage.prompt_tokens)} prompt + "
        f"{format_count(usage.completion_tokens)} completion tokens{duration}, cost {cost}"
    )


def format_savings(savings: Savings | None) -> str | None:
    """Return the tokens saved by stopping early, or `None` without known savings."""
    if savings is None or (savings.saved.tokens or 0) <= 0:
        return None
    saved, full = savings.saved.tokens or 0, savings.fixed
    return (
        f"{saved} of about {full.tokens} tokens ({saved / (full.tokens or saved):.0%}), estimated "
        f"for {full.samples} samples and {full.syntheses} syntheses"
    )


def format_recoveries(samples: Sequence[Sample], *, currency: str = "") -> str | None:
    """Return the recovered answers and their usage, or `None` without any further request."""
    recoveries = [sample.recovery for sample in samples if sample.recovery is not None]
    if not recoveries:
        return None
    count = sum(sample.is_recovered for sample in samples)
    usage = format_usage(total(recovery.usage for recovery in recoveries), currency=currency)
    return f"{count} of {len(recoveries)} missing answers; of the total: {usage}"


def format_count(count: int | None) -> str:
    """Return a token count, or `unknown`."""
    return "unknown" if count is None else str(count)
