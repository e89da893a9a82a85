"""A run as deltas: the content ends with the result's text, and has no text twice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from itertools import groupby
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from a2r.errors import NoAnswerError
from a2r.events import (
    AnyEvent,
    RunFinished,
    RunStarted,
    SynthesisDelta,
    SynthesisFinished,
    SynthesisRestarted,
    SynthesisStarted,
)
from a2r.interfaces.chat import Delta, deltas
from a2r.interfaces.chat.stream_deltas import INTERRUPTED
from a2r.result import Result, Sample, Synthesis
from a2r.usage import Usage, UsageByRole

PIECES = st.lists(st.text(alphabet="ab \n-", max_size=4), max_size=5)
ATTEMPTS = st.lists(PIECES, min_size=1, max_size=4)
ATTEMPTS_WITHOUT_A_LINE = st.lists(
    st.lists(st.text(alphabet="ab \n", max_size=4), max_size=5), min_size=1, max_size=4
)

# The pieces of an attempt: thinking, text, and whether the piece retracts the text before it.
THOUGHTS = st.lists(
    st.tuples(st.sampled_from(["", "hm"]), st.sampled_from(["", "a", "b", " "]), st.booleans()),
    max_size=5,
)


def make_result(text: str, answer: str | None = "a", **changes: Any) -> Result:
    usage = UsageByRole(explorer=Usage(), synthesizer=Usage(), total=Usage())
    known: dict[str, Any] = {
        "question": "q",
        "answer": answer,
        "kind": "text",
        "method": "synthesized",
        "text": text,
        "agreement": None,
        "clusters": [],
        "samples": [],
        "gate": None,
        "decisions": [],
        "synthesis": [],
        "usage": usage,
        "savings": None,
        "seconds": 1.0,
        "run_id": "r",
        "config": "c",
        "warnings": [],
    }
    return Result(**(known | changes))


def synthesis_started(*, result: bool = True, round_: int = 0) -> SynthesisStarted:
    return SynthesisStarted(index=0, round=round_, references=2, result=result)


def synthesis_delta(text: str, thinking: str = "", round_: int = 0) -> SynthesisDelta:
    return SynthesisDelta(index=0, round=round_, text=text, thinking=thinking)


def synthesis_events(attempts: Iterable[Iterable[str]]) -> list[AnyEvent]:
    """The events of a synthesis that is restarted after every attempt but the last."""
    events: list[AnyEvent] = [synthesis_started()]
    for number, pieces in enumerate(attempts):
        if number:
            events.append(SynthesisRestarted(index=0, round=0))
        events += [synthesis_delta(piece) for piece in pieces]
    return events


async def stream(
    events: Iterable[AnyEvent], error: NoAnswerError | None = None
) -> AsyncGenerator[AnyEvent, None]:
    for event in events:
        yield event
    if error is not None:
        raise error


def collect_deltas(
    events: Sequence[AnyEvent], *, error: NoAnswerError | None = None, answer_alone: bool = False
) -> list[Delta]:
    async def collect() -> list[Delta]:
        return [delta async for delta in deltas(stream(events, error), answer_alone=answer_alone)]

    return asyncio.run(collect())


def content(parts: Iterable[Delta]) -> str:
    return "".join(delta.content for delta in parts)


@given(attempts=ATTEMPTS, final=st.text(alphabet="ab \n-", max_size=12))
@example(attempts=[["ab"], ["aa"]], final="aa")
@example(attempts=[["ab"]], final="")
@example(attempts=[["a"], [" "]], final="")
@example(attempts=[["\n\n---"]], final="")
@example(attempts=[["ab "], ["ab\n", "c"]], final="ab\nc")
def test_the_content_is_the_final_text_or_ends_with_it_after_the_separator(
    attempts: list[list[str]], final: str
) -> None:
    collected = collect_deltas(
        [*synthesis_events(attempts), RunFinished(result=make_result(final))]
    )
    text = content(collected)
    # The text itself may have a separator, which overlaps with the next one.
    separators = re.finditer(f"(?={INTERRUPTED})", text)
    ends = [text, *(text[at.start() + len(INTERRUPTED) :] for at in separators)]
    assert final.strip() in [end.strip() for end in ends]
    assert [delta.result is not None for delta in collected].index(True) == len(collected) - 1


@given(attempts=ATTEMPTS_WITHOUT_A_LINE, blank=st.sampled_from(["", "\n"]))
@example(attempts=[["ab"], ["aa"]], blank="\n")
@example(attempts=[["ab"], ["aa"], ["aa", "b"]], blank="")
def test_streamed_text_of_the_last_attempt_is_not_repeated_at_the_end(
    attempts: list[list[str]], blank: str
) -> None:
    last = "".join(attempts[-1])
    before = content(collect_deltas(synthesis_events(attempts)))
    text = content(
        collect_deltas(
            [*synthesis_events(attempts), RunFinished(result=make_result(f"{last}{blank}"))]
        )
    )
    if last.strip() and (before == last or before.endswith(f"{INTERRUPTED}{last}")):
        assert text.strip() == before.strip()


@given(
    final=st.text(alphabet="ab \n-", max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=4),
    width=st.integers(1, 5),
)
def test_a_restarted_attempt_with_the_same_text_sends_nothing_twice(
    final: str, cuts: list[int], width: int
) -> None:
    attempts = [final[:cut] for cut in cuts] + [final]
    pieces = [[text[i : i + width] for i in range(0, len(text), width)] for text in attempts]
    collected = collect_deltas([*synthesis_events(pieces), RunFinished(result=make_result(final))])
    assert content(collected) == final


def test_a_different_attempt_follows_once_after_the_separator() -> None:
    events = synthesis_events([["One ", "is"], ["Two", " is it."]])
    collected = collect_deltas([*events, RunFinished(result=make_result("Two is it."))])
    assert content(collected) == f"One is{INTERRUPTED}Two is it."


def test_a_third_attempt_with_the_text_of_the_second_sends_nothing_twice() -> None:
    events = synthesis_events([["One"], ["Two is"], ["Two", " is it."]])
    collected = collect_deltas([*events, RunFinished(result=make_result("Two is it."))])
    assert content(collected) == f"One{INTERRUPTED}Two is it."


def test_a_fallback_to_the_samples_follows_in_full() -> None:
    events: list[AnyEvent] = [synthesis_started(), synthesis_delta("I cannot")]
    fallback = make_result("It is 4.", method="majority_fallback")
    collected = collect_deltas([*events, RunFinished(result=fallback)])
    assert content(collected) == f"I cannot{INTERRUPTED}It is 4."
    assert collected[-1] == Delta(result=fallback)


def test_text_is_streamed_as_content_and_thinking_as_reasoning() -> None:
    events: list[AnyEvent] = [
        synthesis_started(),
        synthesis_delta("", "Let me"),
        synthesis_delta("4", " see"),
        synthesis_delta(" it is"),
    ]
    collected = collect_deltas([*events, RunFinished(result=make_result("4 it is\n"))])
    assert [delta.content for delta in collected if delta.content] == ["4", " it is", "\n"]
    assert "".join(delta.reasoning for delta in collected).endswith("Let me see")


def kinds(parts: Iterable[Delta]) -> list[str]:
    """The kinds of the deltas in order, without repetitions."""
    names = [
        name
        for delta in parts
        for name, part in (
            ("reasoning", delta.reasoning),
            ("content", delta.content),
            ("result", delta.result),
        )
        if part
    ]
    return [kind for kind, _ in groupby(names)]


@given(attempts=st.lists(THOUGHTS, min_size=1, max_size=4), final=st.text("ab", max_size=4))
@example(attempts=[[("so", "a", False)], [("again", "b", False)]], final="b")
@example(attempts=[[("", "a", False), ("more", "b", False)]], final="ab")
@example(attempts=[[("", "hm", False), ("", "a", True), ("x", "", False)]], final="a")
def test_no_reasoning_follows_the_content(
    attempts: list[list[tuple[str, str, bool]]], final: str
) -> None:
    events: list[AnyEvent] = [
        RunStarted(run_id="r", question="q", kind="math", samples=4),
        synthesis_started(),
    ]
    for number, pieces in enumerate(attempts):
        if number:
            events.append(SynthesisRestarted(index=0, round=0))
        events += [
            SynthesisDelta(index=0, round=0, text=text, thinking=thinking, retracts=retracts)
            for thinking, text, retracts in pieces
        ]
    events.append(SynthesisFinished(synthesis=Synthesis(index=0, round=0, status="answered")))
    collected = collect_deltas([*events, RunFinished(result=make_result(final))])
    assert kinds(collected) in (
        ["reasoning", "content", "result"],
        ["reasoning", "result"],
        ["content", "result"],
    )


def test_several_syntheses_are_content_after_all_progress() -> None:
    events: list[AnyEvent] = [
        *(synthesis_started(result=False), synthesis_started(result=False)),
        *(synthesis_delta("4", "Let me"), synthesis_delta("5", "And I")),
        *(
            SynthesisFinished(synthesis=Synthesis(index=n, round=0, status="answered"))
            for n in (0, 1)
        ),
    ]
    collected = collect_deltas([*events, RunFinished(result=make_result("5"))])
    assert kinds(collected) == ["reasoning", "content", "result"]
    assert content(collected) == "5"


def test_content_after_retracted_text_starts_anew() -> None:
    events: list[AnyEvent] = [
        synthesis_started(),
        synthesis_delta("hm"),
        SynthesisDelta(index=0, round=0, text="So", thinking="", retracts=True),
        synthesis_delta(" 4"),
    ]
    collected = collect_deltas([*events, RunFinished(result=make_result("So 4"))])
    assert content(collected) == f"hm{INTERRUPTED}So 4"


def test_text_that_cannot_be_the_result_is_not_content() -> None:
    drafts: list[AnyEvent] = [
        synthesis_started(result=False),
        synthesis_delta("draft"),
        SynthesisRestarted(index=0, round=0),
    ]
    last: list[AnyEvent] = [synthesis_started(round_=1), synthesis_delta("final", round_=1)]
    collected = collect_deltas(
        [*drafts, synthesis_delta("draft"), *last, RunFinished(result=make_result("final"))]
    )
    assert content(collected) == "final"
    assert content(collect_deltas([*drafts, RunFinished(result=make_result("chosen"))])) == "chosen"


def test_a_unanimous_result_is_its_text() -> None:
    events: list[AnyEvent] = [RunStarted(run_id="r", question="q", kind="math", samples=4)]
    collected = collect_deltas(
        [*events, RunFinished(result=make_result("So it is 4.", method="unanimous"))]
    )
    assert content(collected) == "So it is 4."


def test_only_the_answer_is_sent_at_the_end() -> None:
    result = make_result('Well.\n{"a": 1}', answer='{"a": 1}')
    collected = collect_deltas(
        [*synthesis_events([["Well.", "\n"], ["Hm"]]), RunFinished(result=result)],
        answer_alone=True,
    )
    assert [delta.content for delta in collected if delta.content] == ['{"a": 1}']
    without = make_result("no json", answer=None)
    assert (
        content(
            collect_deltas([synthesis_started(), RunFinished(result=without)], answer_alone=True)
        )
        == ""
    )


def sample(index: int, **changes: Any) -> Sample:
    return Sample(index=index, **({"status": "failed"} | changes))


def no_answer(*samples: Sample) -> NoAnswerError:
    result = make_result("", answer=None, method=None, samples=list(samples))
    return NoAnswerError("none of the samples finished", result)


def test_truncated_samples_are_a_result() -> None:
    error = no_answer(
        sample(0), sample(1, status="truncated", text="As far"), sample(2, status="truncated")
    )
    collected = collect_deltas([], error=error)
    assert content(collected) == "As far"
    assert collected[-1].result == error.result


def test_a_filtered_sample_is_a_result_without_content() -> None:
    collected = collect_deltas([], error=no_answer(sample(0, error_type="content_filter")))
    assert (content(collected), collected[-1].result is None) == ("", False)


def test_a_run_without_any_text_is_an_error() -> None:
    error = no_answer(sample(0, error_type="unreachable"), sample(1, status="cancelled"))
    with pytest.raises(NoAnswerError) as raised:
        collect_deltas([], error=error)
    assert raised.value is error


async def test_closing_the_deltas_closes_the_run() -> None:
    closed: list[bool] = []

    async def run() -> AsyncGenerator[AnyEvent, None]:
        try:
            yield synthesis_started()
            yield synthesis_delta("a")
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    following = deltas(run())
    assert (await anext(following)).reasoning
    assert (await anext(following)).content == "a"
    await following.aclose()
    assert closed == [True]
