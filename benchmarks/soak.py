"""Questions against four endpoints with injected faults, compared with their request logs.

`python -m benchmarks.soak [QUESTIONS]` checks that every question has a result, that the calls and
tokens counted by A2R equal those in the request logs, and that no endpoint exceeds its concurrency
limit. Exits with 1 if a check fails.

Two differences are legitimate, and limited. A server may not have read a request when it went
down. And when the call deadline ends a request whose server is replying, as on a machine that
stalls for seconds, tokens that the server has sent can be unread: no client can count those, so
each such request may have at most the tokens of one reply more in the log than A2R counted.
Without such requests, the tokens are equal.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from a2r import A2R, Result
from a2r._internal.logging import LOGGER
from a2r.errors import NoAnswerError
from a2r.usage import Usage, total
from tests.fault_server import Behavior, FaultServer, Rule, Scenario

ANSWER_TOKENS = 8
ANSWER = Behavior(text="So it is \\boxed{42}.", tokens=ANSWER_TOKENS, token_delay=0.01)
ANSWER_FIELDS: dict[str, Any] = {
    "text": ANSWER.text,
    "tokens": ANSWER_TOKENS,
    "token_delay": ANSWER.token_delay,
}
HANG = Behavior(hang="before_headers", **ANSWER_FIELDS)
MAX_CONCURRENCY = 48
SAMPLES = 8
# Requests sent while a server goes down may be unread. If the server restarts at once, the client
# cannot tell, and counts them.
MAX_UNREAD_SHARE = 0.001


@dataclass(frozen=True, kw_only=True)
class Soak:
    """The results of the questions, and the totals of the request logs.

    `interrupted` is the number of requests that the call deadline ended though their server did
    not hang.
    """

    questions: int
    results: Sequence[Result]
    unanswered: int
    seconds: float
    counted: Usage
    ledger_calls: int
    received_calls: int
    reported_tokens: int
    interrupted: int
    peaks: Sequence[int]
    outstanding: int
    kinds: dict[str, int]

    def failures(self) -> list[str]:
        """Return the failed checks, one line each."""
        failures = []
        if len(self.results) != self.questions:
            failures.append(
                f"{self.questions - len(self.results)} questions ended without a result"
            )
        if self.unanswered:
            failures.append(f"{self.unanswered} results have no answer")
        for source, calls in (
            ("counted", self.counted.calls),
            ("in the ledger", self.ledger_calls),
        ):
            unread = calls - self.received_calls
            max_unread = max(1, MAX_UNREAD_SHARE * self.received_calls) + self.interrupted
            if not 0 <= unread <= max_unread:
                failures.append(
                    f"{calls} calls {source}, {self.received_calls} in the request logs"
                )
        if self.counted.calls != self.ledger_calls:
            failures.append(
                f"{self.counted.calls} calls counted, {self.ledger_calls} in the ledger"
            )
        tokens = self.counted.completion_tokens
        max_unread_tokens = self.interrupted * ANSWER_TOKENS
        if tokens is None or not 0 <= self.reported_tokens - tokens <= max_unread_tokens:
            failures.append(
                f"{tokens} tokens counted, {self.reported_tokens} reported,"
                f" {self.interrupted} requests interrupted"
            )
        if max(self.peaks) > MAX_CONCURRENCY:
            failures.append(
                f"an endpoint had {max(self.peaks)} concurrent requests, limit {MAX_CONCURRENCY}"
            )
        if self.outstanding:
            failures.append(f"{self.outstanding} requests are still open")
        return failures


def scenarios(seconds: float) -> list[Scenario]:
    """Return four unreliable servers: one is down for some time, one restarts repeatedly."""
    rules = (
        Rule(
            behavior=Behavior(status=429, retry_after=0.2, **ANSWER_FIELDS),
            seconds=(0.0, 0.3),
            period=3.0,
        ),
        Rule(behavior=Behavior(status=500, **ANSWER_FIELDS), share=0.10),
        Rule(behavior=Behavior(reset=4, **ANSWER_FIELDS), share=0.05),
        Rule(behavior=HANG, share=0.03),
    )
    dead = ((seconds * 0.2, seconds * 0.5),)
    return [
        Scenario(default=ANSWER, rules=rules, seed=1),
        Scenario(default=ANSWER, rules=rules, seed=2, down=dead),
        Scenario(default=ANSWER, rules=rules, seed=3, flapping=4.0),
        Scenario(default=ANSWER, rules=rules, seed=4),
    ]


def config_for(servers: Sequence[FaultServer]) -> dict[str, Any]:
    """Return a config for the servers, with a short call deadline to detect hangs."""
    role = {
        "endpoints": [server.url for server in servers],
        "concurrency": MAX_CONCURRENCY,
        "retries": 10,
    }
    return {
        "kind": "math",
        "explorer": {**role, "model": "small", "samples": SAMPLES},
        "synthesizer": {**role, "model": "big"},
        "deadline": {"call": 5.0, "question": 600.0},
    }


async def soak(questions: int, seconds: float) -> Soak:
    """Ask questions concurrently; the faults of the servers last about `seconds`."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(FaultServer(scenario, keep_bodies=False))
            for scenario in scenarios(seconds)
        ]
        timeouts = stack.enter_context(_timeouts())
        solver = A2R(config_for(servers))
        started = time.monotonic()
        results = await asyncio.gather(*(_result(solver, n) for n in range(questions)))
        elapsed = time.monotonic() - started
        logs = [server.request_log for server in servers]
        for log in logs:
            await log.until(lambda log: log.outstanding == 0)
        records = [record for log in logs for record in log.records]
        hung = sum(r.kind == HANG.label and r.outcome == "cancelled" for r in records)
        kinds: dict[str, int] = {}
        for record in records:
            kinds[record.kind] = kinds.get(record.kind, 0) + 1
        return Soak(
            questions=questions,
            results=results,
            unanswered=sum(result.answer is None for result in results),
            seconds=elapsed,
            counted=total(result.usage.total for result in results),
            ledger_calls=solver.workflow.models.ledger.total().total.calls,
            received_calls=sum(log.arrived for log in logs),
            reported_tokens=sum(record.last_reported_tokens or 0 for record in records),
            # Includes a hang that timed out just as its server went down, logged as killed.
            interrupted=max(0, timeouts.count - hung),
            peaks=[log.peak for log in logs],
            outstanding=sum(log.outstanding for log in logs),
            kinds=kinds,
        )


class _TimeoutCounter(logging.Handler):
    """Counts the requests that A2R logs as timed out."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        event = record.msg
        if isinstance(event, dict) and event["event"] == "call failed":
            self.count += event["error_type"] == "timeout"


@contextmanager
def _timeouts() -> Iterator[_TimeoutCounter]:
    counter, logger = _TimeoutCounter(), logging.getLogger(LOGGER)
    logger.addHandler(counter)
    try:
        yield counter
    finally:
        logger.removeHandler(counter)


async def _result(solver: A2R, number: int) -> Result:
    try:
        return await solver.aask(f"What is {number} times one?")
    except NoAnswerError as error:
        return error.result


def main() -> int:
    """Run the soak test and print what happened; return 1 if a check failed."""
    questions = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    report = asyncio.run(soak(questions, seconds=questions * SAMPLES / 400))
    print(f"{questions} questions in {report.seconds:.1f} s, requests by kind: {report.kinds}")
    print(f"calls counted {report.counted.calls}, in the request logs {report.received_calls}")
    tokens = report.counted.completion_tokens
    print(f"completion tokens counted {tokens}, reported {report.reported_tokens}")
    print(f"replies interrupted by the call deadline {report.interrupted}")
    print(f"peak concurrency {list(report.peaks)}, limit {MAX_CONCURRENCY}")
    for failure in report.failures():
        print(f"FAILED: {failure}")
    return 1 if report.failures() else 0


if __name__ == "__main__":
    sys.exit(main())
