"""The agreement of samples: what it is a share of, and when it is unanimous."""

from __future__ import annotations

from typing import Any

import pytest

from a2r import A2R
from a2r.result import Cluster, Sample
from a2r.usage import Usage
from a2r.workflow.agreement import count_agreement, format_agreement
from tests.support.fake_openai import ScriptedReply, boxed, config_for, fake_openai, replies

HANG = ScriptedReply(hang=True)


def sample(index: int, status: Any, answer: str | None = None, **changes: Any) -> Sample:
    fields = {"text": "", "usage": Usage(calls=1), "seconds": 1.0, "wave": 0, "role": "explorer"}
    return Sample(index=index, status=status, answer=answer, **{**fields, **changes})


@pytest.mark.parametrize(
    ("others", "samples", "unanimous"),
    [
        ([], 2, True),
        ([("cancelled", "stopped")], 3, False),
        ([("cancelled", "straggler")], 3, False),
        # The budget ended one sample, and refused the other.
        ([("cancelled", "budget")], 3, False),
        ([("refused", "budget")], 2, True),
        ([("failed", "server_error"), ("truncated", None), ("abstained", None)], 2, True),
    ],
)
def test_samples_that_were_given_up_vote_for_nobody(
    others: list[tuple[str, Any]], samples: int, unanimous: bool
) -> None:
    voting = [sample(0, "answered", "4"), sample(1, "answered", "4")]
    for index, (status, error_type) in enumerate(others, start=2):
        usage = Usage(calls=0 if status == "refused" else 1)
        name = "cancelled" if status == "refused" else status
        voting.append(sample(index, name, error_type=error_type, usage=usage))
    agreement = count_agreement(voting, [Cluster(answer="4", votes=2, samples=[0, 1])])
    assert (agreement.samples, agreement.share) == (samples, 2 / samples)
    assert agreement.is_unanimous == unanimous


def test_without_answers_there_is_no_agreement() -> None:
    agreement = count_agreement([sample(0, "cancelled", error_type="stopped")], [])
    assert agreement.share is None
    assert not agreement.is_unanimous


@pytest.mark.integration
async def test_the_agreement_does_not_depend_on_who_comes_first() -> None:
    """Five of nine say 42; the other four say 7, sooner or later, or never."""
    found = set()
    right, wrong = [boxed("42")] * 5, [boxed("7")] * 4
    for scripted in ([*right, *wrong], [*wrong, *right], [*right, *[HANG] * 4]):
        with fake_openai(replies(small=scripted)) as server:
            config = config_for(
                server.url, graph="self_consistency", explorer__samples=9, gate__rule="never"
            )
            result = await A2R(config).aask("6 times 7?")
        found.add((result.answer, result.method, result.agreement, result.agreement_samples))
    assert found == {("42", "majority", 5 / 9, 9)}
    assert format_agreement(result) == "56% (5 of 9 samples, 4 given up)"


@pytest.mark.integration
async def test_only_the_waves_that_the_gate_has_judged_count() -> None:
    with fake_openai(replies(small=boxed("42"))) as server:
        config = config_for(server.url, explorer__samples=None, explorer__waves=[2, 6])
        result = await A2R(config).aask("6 times 7?")
    assert (result.method, result.agreement, result.agreement_samples) == ("unanimous", 1.0, 2)
    assert format_agreement(result) == "100% (2 of 2 samples)"
