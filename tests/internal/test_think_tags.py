"""Splitting reasoning from the answer part, in complete and streamed replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2r._internal.think_tags import ReasoningParser, split_parts, split_reasoning


@pytest.mark.parametrize(
    ("content", "thinking", "answer"),
    [
        ("plain", "", "plain"),
        ("<think>a</think>b", "a", "b"),
        ("<think>cut off", "cut off", ""),
        ("began in the prompt</think>b", "began in the prompt", "b"),
        ("<think>a</think>b<think>c</think>d", "ac", "bd"),
        ("<think></think>", "", ""),
        ("1 < 2", "", "1 < 2"),
    ],
)
def test_split(content: str, thinking: str, answer: str) -> None:
    assert split_reasoning(content) == (thinking, answer)


PIECES = st.lists(
    st.sampled_from(["<think>", "</think>", "a", "<", "think", ">", " "]), max_size=12
)


@given(PIECES, st.lists(st.integers(1, 5), min_size=1))
def test_a_stream_splits_the_same_for_any_chunks(pieces: list[str], sizes: list[int]) -> None:
    content = "".join(pieces)
    complete, cut = ReasoningParser(), ReasoningParser()
    parts = [complete.feed(content), complete.end()]
    position, step, cuts = 0, 0, []
    while position < len(content):
        size = sizes[step % len(sizes)]
        cuts.append(cut.feed(content[position : position + size]))
        position, step = position + size, step + 1
    cuts.append(cut.end())
    assert "".join(p.thinking for p in parts) == "".join(p.thinking for p in cuts)
    assert "".join(p.answer for p in parts) == "".join(p.answer for p in cuts)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("text", ("", "text")),
        (None, ("", "")),
        ([{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "a"}, "b"], ("t", "ab")),
        ([{"type": "text", "text": None}, {"type": "image_url"}, 7], ("", "")),
    ],
)
def test_content_as_a_list_of_parts(content: object, parts: tuple[str, str]) -> None:
    assert split_parts(content) == parts
