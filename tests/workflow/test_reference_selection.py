"""Selection of the synthesizer's references, and their truncation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2r.config.synthesis import ReferencesConfig
from a2r.result import Cluster, Sample
from a2r.workflow.reference import Reference
from a2r.workflow.reference_selection import select_references
from a2r.workflow.reference_truncation import ELLIPSIS, MIN_CHARACTERS, fit_to_length, truncate

SENTENCES = [
    "First we count the apples.",
    "There are three of them!",
    "Then we add two more.",
    "Is that right?",
    "Yes, it is.",
    "So the answer is \\boxed{5}.",
]


def sample(index: int, answer: str | None, text: str, **changes: Any) -> Sample:
    status: Any = "answered" if answer is not None else "abstained"
    return Sample(**{"index": index, "status": status, "answer": answer, "text": text} | changes)


def clusters(*groups: tuple[str, list[int]]) -> list[Cluster]:
    return [Cluster(answer=a, votes=len(members), samples=members) for a, members in groups]


SAMPLES = [
    sample(0, "7", "seven, told at length"),
    sample(1, "5", "five"),
    sample(2, "7", "seven"),
    sample(3, None, "no idea"),
    sample(4, "7", "seven it is"),
    sample(5, "9", "", status="failed"),
    sample(6, "8", "cut", status="truncated"),
]
CLUSTERS = clusters(("7", [0, 2, 4]), ("5", [1]))


def packed(**config: Any) -> list[Reference]:
    selection = ReferencesConfig(**config)
    return select_references(SAMPLES, CLUSTERS, selection, seed=0, question="?")


def test_all_finished_samples_by_default_in_a_seeded_order() -> None:
    assert sorted(ref.attempt for ref in packed()) == [0, 1, 2, 3, 4]
    assert packed() == packed()
    orders = {
        tuple(
            ref.attempt
            for ref in select_references(
                SAMPLES, CLUSTERS, ReferencesConfig(), seed=s, question="?"
            )
        )
        for s in range(8)
    }
    assert len(orders) > 3


@pytest.mark.parametrize(
    ("config", "attempts"),
    [
        ({"choose": "first"}, {0, 1}),
        ({"choose": "shortest"}, {2, 1}),
        ({"choose": "median"}, {4, 1}),
        ({"choose": "shortest", "per_cluster": 2}, {2, 4, 1}),
        ({"per_cluster": 9}, {0, 1, 2, 4}),
    ],
)
def test_references_from_each_cluster(config: dict[str, Any], attempts: set[int]) -> None:
    assert {ref.attempt for ref in packed(include="clusters", **config)} == attempts


def test_order_by_votes_and_only_answers() -> None:
    by_votes = packed(order="votes", include="clusters", content="answer")
    assert [(ref.text, ref.votes) for ref in by_votes] == [("7", 3), ("5", 1)]
    unordered = packed(content="answer")
    assert {ref.text for ref in unordered} == {"5", "7"}


def test_every_text_is_a_reference_for_open_questions() -> None:
    texts = [sample(n, None, f"essay {n}") for n in range(3)]
    selection = ReferencesConfig(include="clusters")
    assert len(select_references(texts, [], selection, seed=None, question="?")) == 3


def test_samples_of_one_role_unless_it_has_none() -> None:
    both = [sample(0, "1", "small"), sample(1, "2", "big", role="synthesizer")]
    groups = clusters(("1", [0]), ("2", [1]))
    selection = ReferencesConfig(roles="synthesizer")
    assert [
        ref.text for ref in select_references(both, groups, selection, seed=0, question="?")
    ] == ["big"]
    assert len(select_references(both[:1], groups[:1], selection, seed=0, question="?")) == 1


def test_a_text_is_truncated_at_sentences_and_keeps_its_end() -> None:
    text = " ".join(SENTENCES)
    short = truncate(text, 100)
    assert len(short) <= 100
    assert short.endswith("So the answer is \\boxed{5}.")
    head, _, tail = short.partition(ELLIPSIS)
    assert head in ("First we count the apples.", " ".join(SENTENCES[:2]))
    assert text.endswith(tail)
    assert truncate(text, len(text)) == text


@given(st.text(alphabet="ab. \n!?", max_size=400), st.integers(1, 300))
def test_a_truncated_text_is_never_too_long(text: str, room: int) -> None:
    short = truncate(text, room)
    assert len(short) <= max(room, 1)
    if len(text) <= room:
        assert short == text
    elif room > len(ELLIPSIS):
        head, mark, tail = short.partition(ELLIPSIS)
        assert mark
        assert text.startswith(head)
        assert text.endswith(tail)


@st.composite
def reference_lists(draw: st.DrawFn) -> list[Reference]:
    places = draw(st.lists(st.integers(0, 3) | st.none(), min_size=1, max_size=8))
    return [
        Reference(
            text="x" * draw(st.integers(1, 4000)),
            attempt=n,
            answer=None if cluster is None else str(cluster),
            cluster=cluster,
            votes=0 if cluster is None else places.count(cluster),
        )
        for n, cluster in enumerate(places)
    ]


@given(reference_lists(), st.integers(MIN_CHARACTERS, 20_000))
def test_packed_references_fit_and_duplicates_are_dropped_before_answers(
    references: list[Reference], room: int
) -> None:
    fitted = fit_to_length(references, room)
    assert fitted
    assert sum(len(ref.text) for ref in fitted) <= room
    assert [ref.attempt for ref in fitted] == sorted(ref.attempt for ref in fitted)
    before, after = {ref.cluster for ref in references}, {ref.cluster for ref in fitted}
    sizes = [sum(ref.cluster == cluster for ref in fitted) for cluster in after]
    if before != after:
        # An answer is dropped only when no other answer has two references left.
        assert max(sizes) == 1
    if sum(len(ref.text) for ref in references) <= room:
        assert fitted == references


def test_references_of_the_majority_are_dropped_first() -> None:
    long = "x" * 3000
    crowd = [Reference(text=long, attempt=n, answer="7", cluster=0, votes=4) for n in range(4)]
    loner = Reference(text=long, attempt=4, answer="5", cluster=1, votes=1)
    fitted = fit_to_length([*crowd, loner], 3000)
    assert {ref.answer for ref in fitted} == {"7", "5"}
    assert len(fit_to_length([*crowd, loner], 2400)) == 2
    # Room for only one reference: the answer with the most votes.
    [last] = fit_to_length([*crowd, loner], MIN_CHARACTERS + 20)
    assert last.answer == "7"
