"""Questions against four endpoints that fail in every way, and the servers' own books.

`python -m benchmarks.soak [QUESTIONS]`: every question has to end with a result, the calls and
the tokens that A2R counted have to be those of the books (but for the few calls that a server which
went down may never have read), and no endpoint may get more than its
cap. Exits with 1 where one of them does not hold.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from a2r import A2R, Result
from a2r.errors import NoAnswerError
from a2r.usage import Usage, total
from tests.fault_server import Behaviour, MisbehavingServer, Rule, Scenario

ANSWER = Behaviour(text="So it is \\boxed{42}.", tokens=8, token_delay=0.01)
REPEATED = {"text": ANSWER.text, "tokens": ANSWER.tokens, "token_delay": ANSWER.token_delay}
CAP = 48
SAMPLES = 8
# What was sent to a server in the moment in which it went down may have been read or not; where the
# server is up again at once, nobody can tell, and it counts.
UNREAD_SHARE = 0.001


@dataclass(frozen=True, kw_only=True)
class Soak:
    """What came of the questions, and what the servers have in their books."""

    questions: int
    results: Sequence[Result]
    unanswered: int
    seconds: float
    counted: Usage
    ledger_calls: int
    arrived: int
    told: int
    peaks: Sequence[int]
    outstanding: int
    kinds: dict[str, int]

    def complaints(self) -> list[str]:
        """What does not hold, each in a line."""
        found = []
        if len(self.results) != self.questions:
            found.append(f"{self.questions - len(self.results)} questions ended without a result")
        if self.unanswered:
            found.append(f"{self.unanswered} results hold no answer")
        for place, calls in (("counted", self.counted.calls), ("in the ledger", self.ledger_calls)):
            if not 0 <= calls - self.arrived <= max(1, UNREAD_SHARE * self.arrived):
                found.append(f"{calls} calls {place}, {self.arrived} in the books")
        if self.counted.calls != self.ledger_calls:
            found.append(f"{self.counted.calls} calls counted, {self.ledger_calls} in the ledger")
        if self.counted.completion_tokens != self.told:
            found.append(f"{self.counted.completion_tokens} tokens counted, {self.told} told")
        if max(self.peaks) > CAP:
            found.append(f"an endpoint saw {max(self.peaks)} requests at once, its cap is {CAP}")
        if self.outstanding:
            found.append(f"{self.outstanding} requests are still open")
        return found


def scenarios(seconds: float) -> list[Scenario]:
    """Four flaky servers: one of them dead for a while, and one flapping."""
    rules = (
        Rule(
            behaviour=Behaviour(status=429, retry_after=0.2, **REPEATED),
            seconds=(0.0, 0.3),
            period=3.0,
        ),
        Rule(behaviour=Behaviour(status=500, **REPEATED), share=0.10),
        Rule(behaviour=Behaviour(reset=4, **REPEATED), share=0.05),
        Rule(behaviour=Behaviour(hang="before_headers", **REPEATED), share=0.03),
    )
    dead = ((seconds * 0.2, seconds * 0.5),)
    return [
        Scenario(default=ANSWER, rules=rules, seed=1),
        Scenario(default=ANSWER, rules=rules, seed=2, down=dead),
        Scenario(default=ANSWER, rules=rules, seed=3, flapping=4.0),
        Scenario(default=ANSWER, rules=rules, seed=4),
    ]


def config_over(servers: Sequence[MisbehavingServer]) -> dict[str, Any]:
    """A config over the servers, with a call's deadline that finds a hang soon."""
    role = {"endpoints": [server.url for server in servers], "concurrency": CAP, "retries": 10}
    return {
        "kind": "math",
        "explorer": {**role, "model": "small", "samples": SAMPLES},
        "synthesizer": {**role, "model": "big"},
        "deadline": {"call": 5.0, "question": 600.0},
    }


async def soak(questions: int, seconds: float) -> Soak:
    """Ask so many questions at once, of servers whose troubles last about so many seconds."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(MisbehavingServer(scenario, keep_bodies=False))
            for scenario in scenarios(seconds)
        ]
        solver = A2R(config_over(servers))
        started = time.monotonic()
        results = await asyncio.gather(*(_result(solver, n) for n in range(questions)))
        took = time.monotonic() - started
        books = [server.books for server in servers]
        for one in books:
            await one.until(lambda book: book.outstanding == 0)
        records = [record for one in books for record in one.records]
        kinds: dict[str, int] = {}
        for record in records:
            kinds[record.kind] = kinds.get(record.kind, 0) + 1
        return Soak(
            questions=questions,
            results=results,
            unanswered=sum(result.answer is None for result in results),
            seconds=took,
            counted=total(result.usage.total for result in results),
            ledger_calls=solver.workflow.models.ledger.total().total.calls,
            arrived=sum(one.arrived for one in books),
            told=sum(record.told_so_far or 0 for record in records),
            peaks=[one.peak for one in books],
            outstanding=sum(one.outstanding for one in books),
            kinds=kinds,
        )


async def _result(solver: A2R, number: int) -> Result:
    try:
        return await solver.aask(f"What is {number} times one?")
    except NoAnswerError as error:
        return error.result


def main() -> int:
    """Soak, and say what was seen."""
    questions = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    done = asyncio.run(soak(questions, seconds=questions * SAMPLES / 400))
    print(f"{questions} questions in {done.seconds:.1f} s, requests by kind: {done.kinds}")
    print(f"calls {done.counted.calls}, in the books {done.arrived}")
    print(f"completion tokens {done.counted.completion_tokens}, told {done.told}")
    print(f"peaks {list(done.peaks)} of {CAP}")
    for complaint in done.complaints():
        print(f"FAILED: {complaint}")
    return 1 if done.complaints() else 0


if __name__ == "__main__":
    sys.exit(main())
