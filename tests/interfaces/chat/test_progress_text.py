"""The progress text of a run: one line per event, and the synthesizer's thinking."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2r.events import (
    AnyEvent,
    ClustersUpdated,
    GateDecided,
    RecoveryFinished,
    ReferencesPacked,
    RunStarted,
    SampleFinished,
    SampleProgress,
    SampleStarted,
    SynthesisDelta,
    SynthesisFinished,
    SynthesisRestarted,
    SynthesisStarted,
)
from a2r.interfaces.chat.progress_text import MAX_ANSWER_CHARACTERS, ProgressText
from a2r.result import Cluster, GateReport, Recovery, Sample, Status, Synthesis
from a2r.usage import Usage

RUN = RunStarted(run_id="r", question="q", kind="math", samples=4)
RESTARTED = SynthesisRestarted(index=0, round=0)


def sample_finished(**changes: Any) -> SampleFinished:
    known: dict[str, Any] = {
        "index": 0,
        "status": "answered",
        "usage": Usage(completion_tokens=57),
        "seconds": 1.4,
    }
    return SampleFinished(sample=Sample(**(known | changes)))


def clusters_updated(*answers: str) -> ClustersUpdated:
    clusters = [
        Cluster(answer=answer, votes=len(answers) - index, samples=[index])
        for index, answer in enumerate(answers)
    ]
    return ClustersUpdated(kind="math", samples=[], clusters=clusters)


def gate_decided(reason: str = "2 answers") -> GateDecided:
    return GateDecided(gate=GateReport(rule="unanimous", decision="synthesize", reason=reason))


def synthesis_delta(thinking: str, text: str = "") -> SynthesisDelta:
    return SynthesisDelta(index=0, round=0, text=text, thinking=thinking)


def render(*events: AnyEvent) -> str:
    progress = ProgressText()
    return "".join(progress.line(event) for event in events)


def test_a_complete_run() -> None:
    synthesis = Synthesis(index=0, status="answered", usage=Usage(completion_tokens=9))
    assert render(
        RUN,
        SampleStarted(index=0, wave=0, role="explorer"),
        SampleProgress(index=0, tokens=3, seconds=0.1),
        sample_finished(),
        sample_finished(index=1, status="truncated", seconds=None),
        sample_finished(index=3, status="failed", usage=Usage(completion_tokens=None)),
        clusters_updated("4", "5"),
        gate_decided(),
        ReferencesPacked(round=0, references=2, left_out=0, cut=0, tokens=9, exact=True),
        SynthesisStarted(index=0, round=0, references=2, result=True),
        synthesis_delta("Both "),
        synthesis_delta("", "4"),
        synthesis_delta("look"),
        SynthesisFinished(synthesis=synthesis),
    ) == (
        "sample 1 of 4 done, 57 tokens, 1.4 s\n"
        "sample 2 of 4 truncated, 57 tokens\n"
        "sample 3 of 4 failed, 1.4 s\n"
        "votes: 2 for 4, 1 for 5\n"
        "gate: synthesize, 2 answers\n"
        "synthesizer: reads 2 references\n"
        "Both look\n"
        "synthesizer: answered, 9 tokens\n"
    )


@pytest.mark.parametrize("status", ["abstained", "truncated", "failed", "cancelled"])
def test_an_unfinished_sample_shows_its_status(status: Status) -> None:
    assert render(RUN, sample_finished(status=status)).startswith(f"sample 1 of 4 {status}")


@pytest.mark.parametrize(
    ("status", "answer", "line"),
    [
        ("answered", "4\n2", "recovery: answered 4 2, 5 tokens\n"),
        ("cancelled", None, "recovery: cancelled, 5 tokens\n"),
    ],
)
def test_a_recovery(status: Status, answer: str | None, line: str) -> None:
    recovery = Recovery(status=status, usage=Usage(calls=1, completion_tokens=5))
    assert render(RecoveryFinished(index=0, answer=answer, recovery=recovery)) == line


def test_a_run_streamed_from_the_middle_counts_the_events_seen() -> None:
    assert (
        render(sample_finished(), sample_finished())
        .splitlines()[1]
        .startswith("sample 2 of 2 done")
    )


def test_without_votes_and_with_interrupted_thinking() -> None:
    assert render(clusters_updated()) == "votes: none\n"
    assert render(synthesis_delta("Hm"), RESTARTED, synthesis_delta("Hm, 4")) == (
        "Hm\nsynthesizer: interrupted, restarting\nHm, 4"
    )


@given(st.text(max_size=300))
def test_an_answer_takes_one_line_of_bounded_length(answer: str) -> None:
    line = render(clusters_updated(answer))
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1
    assert len(line) <= len("votes: 1 for \n") + MAX_ANSWER_CHARACTERS


@given(
    st.lists(
        st.sampled_from(
            [RUN, sample_finished(), clusters_updated("4"), gate_decided(), RESTARTED, "Hm", ""]
        )
    )
)
def test_every_progress_line_starts_on_a_new_line(events: list[Any]) -> None:
    progress, before = ProgressText(), ""
    for event in events:
        isolated = ProgressText(samples=progress.samples, finished=progress.finished)
        if isinstance(event, str):
            before += progress.line(synthesis_delta(event))
            continue
        line, added = isolated.line(event), progress.line(event)
        assert added.removeprefix("\n") == line
        if line:
            assert not before or before.endswith("\n") or added.startswith("\n")
        before += added
