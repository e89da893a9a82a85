"""Every cause has its type, and a word for the person who reads it."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import aiohttp
import pytest

from a2r.inference.call_errors import retry_after, to_call_error
from a2r.inference.context_overflow import context_limit
from a2r.inference.transport.completion_request import (
    BrokenStreamError,
    IdleTimeoutError,
    StreamCapabilities,
)
from a2r.inference.transport.http_sessions import StatusError
from a2r.inference.transport.stream_accumulator import ErrorInStreamError, MalformedReplyError


def status(code: int, body: Any = "", **headers: str) -> StatusError:
    return StatusError(code, "reason", body, headers)


@pytest.mark.parametrize("code", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_transient(code: int) -> None:
    assert to_call_error(status(code)).transient


@pytest.mark.parametrize("code", [301, 307, 400, 401, 403, 404, 405, 413, 422])
def test_what_will_not_pass_is_not(code: int) -> None:
    assert not to_call_error(status(code)).transient


@pytest.mark.parametrize(
    ("error", "fault", "transient", "reached"),
    [
        (aiohttp.ServerDisconnectedError(), "broken_stream", True, True),
        (aiohttp.ClientPayloadError(), "broken_stream", True, True),
        (aiohttp.ClientOSError(), "broken_stream", True, True),
        (ConnectionResetError(), "broken_stream", True, True),
        (BrokenStreamError(), "broken_stream", True, True),
        (aiohttp.ConnectionTimeoutError(), "unreachable", True, False),
        (IdleTimeoutError(), "timeout", True, True),
        (TimeoutError(), "timeout", True, True),
        (MalformedReplyError(), "malformed_reply", True, True),
        (ValueError("a callback's own"), "internal", False, True),
        (RuntimeError("odd"), "internal", False, True),
        (ErrorInStreamError({"error": {"message": "m", "code": 500}}), "server_error", True, True),
        (ErrorInStreamError({"error": {"message": "m", "code": 400}}), "rejected", False, True),
        (ErrorInStreamError({"error": "m"}), "server_error", True, True),
    ],
)
def test_each_exception_has_its_fault(
    error: Exception, fault: str, transient: bool, reached: bool
) -> None:
    found = to_call_error(error)
    assert (found.error_type, found.transient, found.reached) == (fault, transient, reached)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2),
        ("0", 0),
        ("1.5", 1.5),
        ("-3", 0),
        ("nan", 0),
        ("inf", None),
        ("1e999", None),
        ("soon", None),
        (None, None),
    ],
)
def test_retry_after_in_seconds(value: str | None, seconds: float | None) -> None:
    assert retry_after({} if value is None else {"retry-after": value}) == seconds


def test_retry_after_as_a_date() -> None:
    seconds = retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)})
    assert seconds is not None
    assert 50 < seconds <= 60
    assert retry_after({"retry-after": formatdate(0, usegmt=True)}) == 0
    assert retry_after({"retry-after": "Mon, 99999999999999999999 Jan 2024 00:00:00"}) is None


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no such thing", "type": "x"}},
        {"object": "error", "message": "no such thing"},
        {"detail": "no such thing"},
        {"error": "no such thing"},
        "no such thing",
    ],
)
def test_the_server_is_quoted_whatever_the_shape_of_its_error(body: Any) -> None:
    assert to_call_error(status(400, body)).message == "HTTP 400: no such thing"


@pytest.mark.parametrize(
    ("message", "limit", "excess"),
    [
        (
            "This model's maximum context length is 2048 tokens. However, you requested 3000 "
            "tokens (1000 in the messages, 2000 in the completion).",
            2048,
            952,
        ),
        (
            "This model's maximum context length is 2048 tokens. However, you requested 1024 "
            "output tokens and your prompt contains 1500 input tokens, for a total of 2524.",
            2048,
            476,
        ),
        (
            "This model's maximum context length is 2048 tokens. However, your prompt contains at "
            "least 2049 input tokens, which exceeds this limit.",
            2048,
            None,
        ),
        (
            "This model's maximum context length is 2048 tokens. However, your messages resulted "
            "in 3000 tokens.",
            2048,
            952,
        ),
        (
            "max_tokens=5000 cannot be greater than max_model_len=2048. Please request fewer.",
            2048,
            2952,
        ),
        ("the request exceeds the available context size, try increasing it", None, None),
        ("maximum context length exceeded " + "9" * 5000, 10**12 - 1, None),
    ],
)
def test_a_context_overflow_tells_by_how_much(
    message: str, limit: int | None, excess: int | None
) -> None:
    found = context_limit({}, message)
    assert found is not None
    assert (found.limit, found.excess) == (limit, excess)
    fault = to_call_error(status(400, {"error": {"message": message}}))
    assert fault.error_type == "context_overflow"
    assert (f"too long by {excess} tokens" in fault.message) == (excess is not None)


@pytest.mark.parametrize(
    ("message", "room"),
    [
        (
            "This model's maximum context length is 2048 tokens. However, you requested 3000 "
            "tokens (1000 in the messages, 2000 in the completion).",
            1048,
        ),
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 2000. This model's maximum "
            "context length is 2048 tokens and your request has 500 input tokens (2000 > 2048 - "
            "500).",
            1548,
        ),
        (
            "Requested token count exceeds the model's maximum context length of 4096 tokens. You "
            "requested a total of 5000 tokens: 1000 tokens from the input messages and 4000 tokens "
            "for the completion.",
            3096,
        ),
        (
            "This model's maximum context length is 2048 tokens. However, you requested 1024 "
            "output tokens and your prompt contains 1600 input tokens, for a total of 2624.",
            None,
        ),
        ("max_tokens=5000 cannot be greater than max_model_len=2048.", None),
    ],
)
def test_a_refusal_tells_how_long_a_reply_may_be(message: str, room: int | None) -> None:
    assert to_call_error(status(400, {"error": {"message": message}})).max_reply_tokens == room


def test_the_fields_of_llama_cpp_are_read() -> None:
    error = {"message": "exceeds the available context size", "n_ctx": 100, "n_prompt_tokens": 130}
    fault = to_call_error(status(400, {"error": error}))
    assert fault.message.startswith("HTTP 400: too long by 30 tokens")


@pytest.mark.parametrize("message", ["bad temperature", "the context of this request is unclear"])
def test_other_refusals_are_no_overflow(message: str) -> None:
    assert to_call_error(status(400, {"error": {"message": message}})).error_type == "rejected"


def test_a_server_that_knows_fewer_stream_options_is_asked_for_fewer() -> None:
    dialect = StreamCapabilities()
    unknown = "Unknown parameter: 'stream_options.continuous_usage_stats'"
    assert not dialect.downgrade("temperature is wrong", "continuous")
    # Two requests that were refused at once change it once, and both are worth another try.
    assert dialect.downgrade(unknown, "continuous")
    assert dialect.downgrade(unknown, "continuous")
    assert dialect.options == "final"
    assert dialect.downgrade("stream_options is not supported", "final")
    assert dialect.options == "none"
    assert not dialect.downgrade("stream_options is not supported", "none")
