"""Reading server-sent events, however their bytes are cut."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2r.inference.transport.sse import EventDecoder

VALUES = st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20)), max_size=8)
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def decoded(decoder: EventDecoder, pieces: list[bytes]) -> list[Any]:
    return [value for piece in pieces for value in decoder.feed(piece)] + decoder.finish()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(edges)]


@given(VALUES, LINE_ENDS, st.lists(st.integers(0, 10**6), max_size=20), st.sampled_from([1, 64]))
def test_the_values_do_not_depend_on_how_the_bytes_are_cut(
    values: list[Any], end: str, places: list[int], batch: int
) -> None:
    events = [f": note{end}data: {json.dumps(v, ensure_ascii=False)}{end}{end}" for v in values]
    stream = f"data:{end}{end}{''.join(events)}data: [DONE]{end}{end}".encode()
    decoder = EventDecoder(batch=batch)
    assert decoded(decoder, cut(stream, places)) == values
    assert decoder.done
    assert not decoder.malformed


def test_a_batch_is_held_until_it_is_due_and_given_out_where_the_stream_breaks() -> None:
    decoder = EventDecoder(batch=1000)
    assert decoder.feed(b'data: {"n": 1}\n\ndata: {"n": 2}\n\ndata: {"n"') == []
    assert decoder.finish() == [{"n": 1}, {"n": 2}]
    assert not decoder.malformed


def test_what_comes_before_a_malformed_event_is_kept() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b'data: {"n": 1}\n\ndata: {"n": \n\ndata: {"n": 3}\n\n') == [{"n": 1}]
    assert decoder.malformed
    assert decoder.feed(b'data: {"n": 4}\n\n') == []


def test_an_event_of_several_data_lines_is_one_value() -> None:
    assert EventDecoder().feed(b'data: {"n":\ndata: 1}\n\n') == [{"n": 1}]


@pytest.mark.parametrize("mark", [b"data: [DONE]\n\n", b"data:[DONE]\r\n\r\n"])
def test_the_end_mark_is_seen_at_once_also_when_it_is_cut_in_two(mark: bytes) -> None:
    for place in range(1, len(mark)):
        decoder = EventDecoder(batch=1 << 14)
        values = decoder.feed(b'data: {"n": 1}\n\n' + mark[:place]) + decoder.feed(mark[place:])
        assert (values, decoder.done) == ([{"n": 1}], True), place


def test_a_byte_order_mark_costs_no_event() -> None:
    assert EventDecoder().feed(b'\xef\xbb\xbfdata: {"n": 1}\n\n') == [{"n": 1}]


def test_an_event_without_end_is_given_up() -> None:
    decoder = EventDecoder()
    for _ in range(9):
        assert decoder.feed(b"data: " + b"z" * (1 << 20)) == []
    assert decoder.malformed
