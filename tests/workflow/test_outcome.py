"""The error of a question of which no sample finished."""

from __future__ import annotations

from typing import Any

import pytest

from a2r.errors import EndpointsUnreachableError
from a2r.result import Result, Sample
from a2r.usage import Usage, UsageByRole
from a2r.workflow.outcome import no_answer_error

URL = "http://h:8001/v1"


def sample(index: int = 0, **fields: Any) -> Sample:
    return Sample(index=index, **{"status": "failed", "endpoint": URL, **fields})


def message(*samples: Sample) -> str:
    return str(no_answer_error(result_with(*samples)))


def result_with(*samples: Sample) -> Result:
    usage = UsageByRole(explorer=Usage(), synthesizer=Usage(), total=Usage())
    return Result(
        question="q",
        answer=None,
        kind="math",
        method=None,
        text="",
        agreement=None,
        clusters=[],
        samples=list(samples),
        gate=None,
        decisions=[],
        synthesis=[],
        usage=usage,
        savings=None,
        seconds=0.0,
        run_id="r",
        config="c",
        warnings=[],
    )


def test_endings_are_counted_with_their_endpoints_and_remedies() -> None:
    cut = {"status": "truncated", "finish_reason": "length"}
    other = "http://h:8002/v1"
    assert message(
        sample(0, error=f"{URL}: HTTP 401: bad key", error_type="rejected"),
        sample(1, **cut),
        sample(2, **cut, endpoint=other),
    ) == (
        f"none of 3 samples finished: 2 truncated at {URL}, {other} (finish reason length); "
        f"1 failed at {URL} (HTTP 401: bad key). What to change: "
        "raise explorer.sampling.max_tokens, or the context of the server; "
        "set explorer.api_key_env to the variable of a valid key."
    )


def test_attempts_do_not_split_an_ending() -> None:
    errors = [f"{URL}: HTTP 500: crash (after {n} attempts)" for n in (2, 3)]
    failed = [sample(n, error=error, error_type="server_error") for n, error in enumerate(errors)]
    assert f"2 failed at {URL} (HTTP 500: crash)." in message(*failed)


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        ({"error_type": "unreachable"}, "explorer.endpoints"),
        ({"error_type": "unreachable", "role": "synthesizer"}, "synthesizer.endpoints"),
        ({"error_type": "rejected", "error": "HTTP 404: no"}, "explorer.model"),
        ({"error_type": "rejected", "error": "HTTP 402: no"}, "plan and billing"),
        ({"error_type": "rejected", "error": "no"}, "explorer.sampling"),
        ({"error_type": "context_overflow"}, "shorten the question"),
        ({"error_type": "timeout"}, "deadline.call"),
        ({"error_type": "deadline"}, "deadline.question"),
        ({"error_type": "rate_limited"}, "explorer.concurrency"),
        ({"error_type": "malformed_reply"}, "base URLs"),
        ({"error_type": "content_filter", "status": "abstained"}, "rephrase"),
        ({"error_type": "budget", "status": "cancelled"}, "raise the budget"),
        ({"status": "truncated", "finish_reason": "unstated"}, "states finish reasons"),
        ({"status": "abstained", "finish_reason": "stop"}, "chat template"),
    ],
    ids=str,
)
def test_every_ending_has_its_remedy(fields: dict[str, Any], remedy: str) -> None:
    what = message(sample(0, **fields), sample(1, status="cancelled", error="stopped"))
    assert remedy in what.partition("What to change: ")[2]


def test_without_a_remedy_there_is_none() -> None:
    stopped = sample(status="cancelled", error="stopped")
    assert message(stopped) == f"none of 1 samples finished: 1 cancelled at {URL} (stopped)"


def test_unreachable_endpoints_are_named() -> None:
    down = sample(error=f"{URL}: connection refused", error_type="unreachable")
    error = no_answer_error(result_with(down))
    assert isinstance(error, EndpointsUnreachableError)
    assert str(error) == (
        f"explorer: no endpoint can be reached ({URL}); 1 failed at {URL} (connection refused). "
        "What to change: start the server, or correct explorer.endpoints."
    )
