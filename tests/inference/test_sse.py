"""Decoding server-sent events, independent of read boundaries."""

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


def decode_parts(decoder: EventDecoder, parts: list[bytes]) -> list[Any]:
    return [value for part in parts for value in decoder.feed(part)] + decoder.finish()


def split_at(data: bytes, positions: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(position % (len(data) + 1) for position in positions)})
    return [data[a:b] for a, b in pairwise(edges)]


@given(VALUES, LINE_ENDS, st.lists(st.integers(0, 10**6), max_size=20), st.sampled_from([1, 64]))
def test_values_do_not_depend_on_read_boundaries(
    values: list[Any], end: str, positions: list[int], batch: int
) -> None:
    events = [f": note{end}data: {json.dumps(v, ensure_ascii=False)}{end}{end}" for v in values]
    stream = f"data:{end}{end}{''.join(events)}data: [DONE]{end}{end}".encode()
    decoder = EventDecoder(batch=batch)
    assert decode_parts(decoder, split_at(stream, positions)) == values
    assert decoder.done
    assert not decoder.malformed


def test_a_batch_is_buffered_and_returned_when_the_stream_breaks() -> None:
    decoder = EventDecoder(batch=1000)
    assert decoder.feed(b'data: {"n": 1}\n\ndata: {"n": 2}\n\ndata: {"n"') == []
    assert decoder.finish() == [{"n": 1}, {"n": 2}]
    assert not decoder.malformed


def test_events_before_a_malformed_event_are_returned() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b'data: {"n": 1}\n\ndata: {"n": \n\ndata: {"n": 3}\n\n') == [{"n": 1}]
    assert decoder.malformed
    assert decoder.feed(b'data: {"n": 4}\n\n') == []


def test_an_event_of_several_data_lines_is_one_value() -> None:
    assert EventDecoder().feed(b'data: {"n":\ndata: 1}\n\n') == [{"n": 1}]


@pytest.mark.parametrize("mark", [b"data: [DONE]\n\n", b"data:[DONE]\r\n\r\n"])
def test_done_is_detected_at_once_across_reads(mark: bytes) -> None:
    for position in range(1, len(mark)):
        decoder = EventDecoder(batch=1 << 14)
        values = decoder.feed(b'data: {"n": 1}\n\n' + mark[:position]) + decoder.feed(
            mark[position:]
        )
        assert (values, decoder.done) == ([{"n": 1}], True), position


def test_a_byte_order_mark_is_ignored() -> None:
    assert EventDecoder().feed(b'\xef\xbb\xbfdata: {"n": 1}\n\n') == [{"n": 1}]


def test_an_oversized_event_is_malformed() -> None:
    decoder = EventDecoder()
    for _ in range(9):
        assert decoder.feed(b"data: " + b"z" * (1 << 20)) == []
    assert decoder.malformed


CHUNK = b'data: {"n": 1}\n\n'


@pytest.mark.parametrize(
    ("event", "values"),
    [
        (b"event: ping\ndata: {}\n\n", [{}]),
        (b"event: ping\ndata: ping\n\n", []),
        (b"data: ping\n\n", []),
        (b"data: [HEARTBEAT]\n\n", []),
        (b"event: message\nid: 7\nretry: 10\ndata: {}\n\n", [{}]),
        (b"event: ping\n\n", []),
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [1, 1 << 14])
def test_other_events_are_no_errors(event: bytes, values: list[Any], batch: int) -> None:
    decoder = EventDecoder(batch=batch)
    found = decode_parts(decoder, [CHUNK + event, event + CHUNK, b"data: [DONE]\n\n"])
    assert found == [{"n": 1}, *values, *values, {"n": 1}]
    assert (decoder.malformed, decoder.done) == (False, True)


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (b'error: {"message": "m"}', {"error": {"message": "m"}}),
        (b'error: {"error": {"message": "m"}}', {"error": {"message": "m"}}),
        (b"error: out of memory", {"error": "out of memory"}),
        (b'event: error\ndata: {"message": "m"}', {"error": {"message": "m"}}),
        (b'event: error\ndata: {"object": "error"}', {"object": "error"}),
        (b"event: error\ndata: out of memory", {"error": "out of memory"}),
        (b'{"error": {"message": "m"}}', {"error": {"message": "m"}}),
        (b'{\n  "error": {\n    "message": "m"\n  }\n}', {"error": {"message": "m"}}),
    ],
    ids=str,
)
@pytest.mark.parametrize("end", [b"\n\n", b"\n", b""])
def test_an_error_in_any_form_is_an_error(event: bytes, error: Any, end: bytes) -> None:
    decoder = EventDecoder()
    assert decode_parts(decoder, [CHUNK, event + end]) == [{"n": 1}, error]
    assert not decoder.malformed
