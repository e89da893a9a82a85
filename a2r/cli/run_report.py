"""A stored run as text: question, waves, gate decisions, syntheses, result."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from a2r._internal.text import one_line
from a2r.cli.usage_text import format_count, format_recoveries, format_savings, format_usage
from a2r.persistence import Run
from a2r.result import Attempt, GateReport, Result, Sample
from a2r.workflow.agreement import format_agreement

TITLE_WIDTH = 12
STATUS_WIDTH = 9
ATTEMPT_ANSWER_WIDTH = 60
TEXT_WIDTH = 400
THREAD_WIDTH = 80


def format_run(run: Run) -> Iterator[str]:
    """Yield the lines of a run in chronological order; each text of a model takes one line."""
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started_at))
    thread = one_line(run.thread, THREAD_WIDTH)
    yield _line("run", f"{run.run_id or 'not started'} on thread {thread}")
    yield _line("started", f"{started}, config {run.config or '-'}, graph {run.graph or '-'}")
    yield _line("question", one_line(run.question, TEXT_WIDTH))
    yield from _waves(run)
    yield from _syntheses(run)
    yield from _unfinished(run) if run.result is None else _result(run.result)


def _waves(run: Run) -> Iterator[str]:
    samples = run.samples
    decisions = [GateReport.model_validate(report) for report in run.values.get("decisions") or []]
    for wave in sorted({sample.wave for sample in samples}):
        members = [sample for sample in samples if sample.wave == wave]
        yield _line(f"wave {wave}", f"{len(members)} samples of the {members[0].role}")
        yield from (_attempt(f"sample {sample.index}", sample) for sample in members)
        for report in decisions:
            if report.wave == wave:
                yield _line("gate", f"{report.decision}: {report.reason}")


def _syntheses(run: Run) -> Iterator[str]:
    current = run.values.get("round", -1)
    rounds = {synthesis.round for synthesis in run.syntheses} | (
        {current} if current >= 0 else set()
    )
    for number in sorted(rounds):
        # The references of earlier rounds are not stored.
        count = len(run.values.get("references") or [])
        references = f", {count} references" if number == current else ""
        yield _line(f"round {number}", f"of syntheses{references}")
        for synthesis in run.syntheses:
            if synthesis.round == number:
                yield _attempt(f"synthesis {synthesis.index}", synthesis)


def _unfinished(run: Run) -> Iterator[str]:
    yield _line("state", f"{run.state}{', next: ' if run.next else ''}{', '.join(run.next)}")
    if run.error is not None:
        yield _line("error", one_line(run.error, TEXT_WIDTH))
    if run.samples:
        yield _line("partial", format_usage(run.usage))


def _result(result: Result) -> Iterator[str]:
    yield _line("method", result.method or "none")
    agreement = format_agreement(result)
    if agreement is not None:
        yield _line("agreement", agreement)
    yield _line("answer", "none" if result.answer is None else one_line(result.answer, TEXT_WIDTH))
    yield from (_line("warning", one_line(warning, TEXT_WIDTH)) for warning in result.warnings)
    yield _line("explorer", format_usage(result.usage.explorer))
    yield _line("synthesizer", format_usage(result.usage.synthesizer))
    yield _line("total", format_usage(result.usage.total, seconds=result.seconds))
    recoveries = format_recoveries(result.samples)
    if recoveries is not None:
        yield _line("recovered", recoveries)
    savings = format_savings(result.savings)
    if savings is not None:
        yield _line("saved", savings)


def _attempt(title: str, attempt: Attempt) -> str:
    text = attempt.answer if attempt.answer is not None else attempt.error or ""
    recovered = isinstance(attempt, Sample) and attempt.is_recovered
    cells: Sequence[str] = (
        f"{attempt.status:<{STATUS_WIDTH}}",
        f"{format_count(attempt.usage.completion_tokens):>7} tokens",
        "        -" if attempt.seconds is None else f"{attempt.seconds:7.1f} s",
        f"{one_line(text, ATTEMPT_ANSWER_WIDTH)}{' (recovered)' if recovered else ''}",
    )
    return f"  {title:<{TITLE_WIDTH}}{'  '.join(cells)}".rstrip()


def _line(title: str, text: str) -> str:
    return f"{title:<{TITLE_WIDTH}}{text}"
