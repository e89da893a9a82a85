"""What happened in a kept run, in lines: question, waves, decisions, syntheses, result."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from a2r._internal.text import one_line
from a2r.persistence import Run
from a2r.result import Attempt, GateReport, Result
from a2r.usage import Usage

TITLE = 12
STATUS = 9
ANSWER_WIDTH = 60
QUESTION_WIDTH = 400


def format_run(run: Run) -> Iterator[str]:
    """The lines, in the order in which things happened; text of models is cut to a line each."""
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started_at))
    yield _line("run", f"{run.run_id or 'not taken up yet'} on thread {one_line(run.thread, 80)}")
    yield _line("begun", f"{began}, config {run.config or '-'}, graph {run.graph or '-'}")
    yield _line("question", one_line(run.question, QUESTION_WIDTH))
    yield from _waves(run)
    yield from _syntheses(run)
    yield from _unfinished(run) if run.result is None else _end(run.result)


def _waves(run: Run) -> Iterator[str]:
    samples = run.samples
    decisions = [GateReport.model_validate(one) for one in run.values.get("decisions") or []]
    for wave in sorted({sample.wave for sample in samples}):
        drawn = [sample for sample in samples if sample.wave == wave]
        yield _line(f"wave {wave}", f"{len(drawn)} samples of the {drawn[0].role}")
        yield from (_attempt(f"sample {sample.index}", sample) for sample in drawn)
        for report in decisions:
            if report.wave == wave:
                yield _line("gate", f"{report.decision}: {report.reason}")


def _syntheses(run: Run) -> Iterator[str]:
    syntheses = run.syntheses
    packed = len(run.values.get("references") or [])
    last = run.values.get("round", -1)
    for number in sorted({one.round for one in syntheses} | ({last} if last >= 0 else set())):
        # What earlier rounds were given is not kept.
        given = f", {packed} references" if number == last else ""
        yield _line(f"round {number}", f"of syntheses{given}")
        made = [one for one in syntheses if one.round == number]
        yield from (_attempt(f"synthesis {one.index}", one) for one in made)


def _unfinished(run: Run) -> Iterator[str]:
    yield _line("state", f"{run.state}{', next: ' if run.next else ''}{', '.join(run.next)}")
    if run.error is not None:
        yield _line("error", one_line(run.error, QUESTION_WIDTH))
    if run.samples:
        yield _line("so far", _spent(run.usage))


def _end(result: Result) -> Iterator[str]:
    yield _line("method", result.method or "none")
    yield _line("answer", "none" if result.answer is None else one_line(result.answer, 400))
    yield from (_line("warning", one_line(warning, QUESTION_WIDTH)) for warning in result.warnings)
    for name, usage in (
        ("explorer", result.usage.explorer),
        ("synthesizer", result.usage.synthesizer),
        ("in all", result.usage.total),
    ):
        yield _line(name, _spent(usage))
    savings = result.savings
    if savings is not None and savings.saved.tokens:
        fixed = savings.fixed
        yield _line(
            "saved",
            f"{savings.saved.tokens} of about {fixed.tokens} tokens of {fixed.samples} samples "
            f"and {fixed.syntheses} syntheses, an estimate",
        )
    yield _line("seconds", f"{result.seconds:.1f}")


def _attempt(title: str, attempt: Attempt) -> str:
    told = attempt.answer if attempt.answer is not None else attempt.error or ""
    cells: Sequence[str] = (
        f"{attempt.status:<{STATUS}}",
        f"{_known(attempt.usage.completion_tokens):>7} tokens",
        "        -" if attempt.seconds is None else f"{attempt.seconds:7.1f} s",
        one_line(told, ANSWER_WIDTH),
    )
    return f"  {title:<{TITLE}}{'  '.join(cells)}".rstrip()


def _spent(usage: Usage) -> str:
    about = "about " if usage.estimated else ""
    cost = "unknown" if usage.cost is None else f"{usage.cost:.6f}"
    return (
        f"{usage.calls} calls, {about}{_known(usage.prompt_tokens)} prompt + "
        f"{_known(usage.completion_tokens)} completion tokens, cost {cost}"
    )


def _line(title: str, text: str) -> str:
    return f"{title:<{TITLE}}{text}"


def _known(count: int | None) -> str:
    return "unknown" if count is None else str(count)
