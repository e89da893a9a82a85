"""A few numbers of the log-probabilities that a server reports are stored with a sample."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2r.inference.transport.log_probabilities import WINDOW, summarize, token_logprobs
from a2r.inference.transport.stream_accumulator import StreamAccumulator


@given(st.lists(st.floats(-50, 0), min_size=1, max_size=300))
def test_the_lowest_window_is_the_lowest_mean_of_its_tokens(values: list[float]) -> None:
    summary = summarize(values)
    assert summary is not None
    window = min(WINDOW, len(values))
    means = [
        sum(values[start : start + window]) / window for start in range(len(values) - window + 1)
    ]
    assert (summary.tokens, summary.window) == (len(values), window)
    assert summary.mean == pytest.approx(sum(values) / len(values), abs=1e-6)
    assert summary.lowest_window == pytest.approx(min(means), abs=1e-6)


def test_none_are_unknown() -> None:
    assert summarize([]) is None


@pytest.mark.parametrize(
    ("logprobs", "expected"),
    [
        ({"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": 0}]}, [-0.5, 0]),
        ({"content": [{"token": "a", "logprob": None}, "b", {"logprob": float("nan")}]}, []),
        ({"content": None}, []),
        ({"tokens": ["a"], "token_logprobs": [-1]}, []),
        (None, []),
        ([], []),
    ],
)
def test_only_numbers_of_tokens_count(logprobs: Any, expected: list[float]) -> None:
    assert token_logprobs({"logprobs": logprobs}) == expected


def test_the_chunks_of_a_stream_add_up() -> None:
    accumulator = StreamAccumulator()
    for text, logprob in (("a", -1.0), ("b", -3.0)):
        content = [{"token": text, "logprob": logprob}]
        choice = {"index": 0, "delta": {"content": text}, "logprobs": {"content": content}}
        accumulator.add({"choices": [choice]})
    assert accumulator.logprobs == [-1.0, -3.0]
