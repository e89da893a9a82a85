"""Batches killed with SIGKILL at random times and started again.

`python -m benchmarks.batch_recovery [QUESTIONS [KILLS]]` checks the bank against the request log of
the server: every question has one record, no call of a stored question and no recorded reply is
requested again, and calls, tokens and money are those of the server. Exits with 1 if a check fails.

A process that is killed may have sent requests which are not in the journal yet, and what its
requests had generated is known to within 0.2 s. So calls and tokens may differ by those of the
requests in flight.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from a2r.batch.bank.index import BankIndex
from a2r.batch.journal import read_journal
from a2r.batch.recorded_calls import read_calls
from tests.fault_server import Behavior, FaultServer

TOKENS, TOKEN_SECONDS, SAMPLES = 16, 0.01, 8
INPUT_PRICE, OUTPUT_PRICE = 1.0, 10.0
# Sums of costs are rounded.
ROUNDING = 1e-9
MAX_SECONDS = 4.0
SETTLE_SECONDS = 10.0
CONCURRENCY = 64


@dataclass
class Crash:
    """What was stored when a process was killed, and the number of requests before."""

    requests: int
    stored: set[int]
    replies: set[tuple[int, str]]


@dataclass
class BatchCrashes:
    """A batch in a folder, and the kills so far."""

    folder: Path
    server: FaultServer
    questions: int
    crashes: list[Crash] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Write the questions and the config."""
        self.bank = self.folder / "bank"
        rows = [{"question": f"number {n}?", "gold": "5"} for n in range(self.questions)]
        (self.folder / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
        role = {
            "model": "small",
            "endpoints": [self.server.url],
            "samples": SAMPLES,
            "concurrency": CONCURRENCY,
            "price": {"input": INPUT_PRICE, "output": OUTPUT_PRICE},
        }
        config = {"kind": "math", "explorer": role, "stop": {"lossless": False}}
        (self.folder / "config.yaml").write_text(json.dumps(config))

    def start(self) -> subprocess.Popen[str]:
        """Start the batch, or continue it."""
        files = [str(self.folder / name) for name in ("questions.jsonl", "config.yaml")]
        options = ["--config", files[1], "--out", str(self.bank), "--json"]
        return subprocess.Popen(
            [sys.executable, "-m", "a2r", "batch", files[0], *options],
            stdout=subprocess.PIPE,
            text=True,
        )

    def kill_after(self, seconds: float) -> bool:
        """Start and kill the batch; `False` if it has ended before."""
        process = self.start()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        else:
            return False
        self.server.request_log.wait(lambda log: log.outstanding == 0, SETTLE_SECONDS)
        stored = {entry.number for frame in BankIndex(self.bank) for entry in frame.entries}
        calls = read_calls(read_journal(self.bank), dict.fromkeys(stored, 0))
        replies = {(number, call) for number, each in calls.items() for call in each.replies}
        self.crashes.append(
            Crash(requests=len(self.server.request_log.records), stored=stored, replies=replies)
        )
        return True

    def finish(self) -> dict[str, Any]:
        """Run the batch to its end; its counts."""
        process = self.start()
        output, _ = process.communicate()
        assert process.returncode == 0, f"exit code {process.returncode}"
        counts: dict[str, Any] = json.loads(output)
        return counts

    def repeated(self) -> list[str]:
        """The requests for what had been stored before."""
        found = []
        records = self.server.request_log.records
        for number, crash in enumerate(self.crashes):
            for record in records[crash.requests :]:
                question, call = _call_of(record.body or {}, record.headers or {})
                if question in crash.stored or (question, call) in crash.replies:
                    found.append(f"after kill {number}: {call} of question {question}")
        return found


def _call_of(body: dict[str, Any], headers: dict[str, str]) -> tuple[int, str]:
    """The question and the call of a request."""
    question = int(body["messages"][-1]["content"].split("number ")[1].split("?")[0])
    by_name = {name.lower(): value for name, value in headers.items()}
    return question, by_name["x-request-id"].split("-", 1)[1].partition("-again")[0]


def check(batch: BatchCrashes, counts: dict[str, Any]) -> list[str]:
    """The failed checks, and a line for each."""
    log = batch.server.request_log
    numbers = Counter(entry.number for frame in BankIndex(batch.bank) for entry in frame.entries)
    usage = counts["usage"]
    in_flight = sum(record.outcome == "cancelled" for record in log.records)
    margin = TOKENS * in_flight
    calls_differ = usage["calls"] - log.arrived
    prompt = max((record.prompt_tokens for record in log.records), default=0)
    money = (log.prompt_tokens * INPUT_PRICE + log.generated * OUTPUT_PRICE) / 1e6
    repeated = batch.repeated()
    checks = {
        f"{len(numbers)} questions of {batch.questions}, each once": (
            dict(numbers) == dict.fromkeys(range(batch.questions), 1)
        ),
        f"{counts['correct']} are correct": counts["correct"] == batch.questions,
        f"{len(repeated)} requests repeated {repeated[:3]}": not repeated,
        f"{usage['calls']} calls, {log.arrived} arrived": (
            abs(usage["calls"] - log.arrived) <= CONCURRENCY * len(batch.crashes)
        ),
        f"{usage['prompt_tokens']} prompt tokens, {log.prompt_tokens} read": (
            abs(usage["prompt_tokens"] - log.prompt_tokens) <= prompt * abs(calls_differ)
        ),
        f"{usage['completion_tokens']} completion tokens, {log.generated} generated, "
        f"{in_flight} requests cut": abs(usage["completion_tokens"] - log.generated) <= margin,
        f"cost {usage['cost']:.6f}, {money:.6f} by the log": (
            abs(usage["cost"] - money)
            <= ROUNDING + (margin * OUTPUT_PRICE + prompt * abs(calls_differ) * INPUT_PRICE) / 1e6
        ),
    }
    for text, holds in checks.items():
        print(f"{'ok    ' if holds else 'FAILED'} {text}")
    return [text for text, holds in checks.items() if not holds]


def failures(questions: int, kills: int, seed: int = 1) -> list[str]:
    """Kill and continue a batch; the failed checks."""
    generator = random.Random(seed)
    reply = Behavior(text="So it is \\boxed{5}", tokens=TOKENS, token_delay=TOKEN_SECONDS)
    with tempfile.TemporaryDirectory() as folder, FaultServer(reply) as server:
        batch = BatchCrashes(folder=Path(folder), server=server, questions=questions)
        killed = 0
        while killed < kills and batch.kill_after(generator.uniform(1.0, MAX_SECONDS)):
            killed += 1
        start = time.monotonic()
        counts = batch.finish()
        print(f"{killed} kills; the last process took {time.monotonic() - start:.1f} s")
        return check(batch, counts)


def main() -> int:
    """Measure and print."""
    numbers = [int(argument) for argument in sys.argv[1:]]
    return bool(failures(*(numbers or (2000, 20))))


if __name__ == "__main__":
    sys.exit(main())
