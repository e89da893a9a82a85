"""Exceptions and HTTP errors map to typed errors with readable messages."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import aiohttp
import pytest

from a2r.inference.call_errors import to_call_error
from a2r.inference.context_limit_parser import context_limit
from a2r.inference.retry_after_pause import parse_retry_after
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
def test_transient_statuses(code: int) -> None:
    assert to_call_error(status(code)).transient


@pytest.mark.parametrize("code", [301, 307, 400, 401, 403, 404, 405, 413, 422])
def test_permanent_statuses(code: int) -> None:
    assert not to_call_error(status(code)).transient


@pytest.mark.parametrize(
    ("error", "error_type", "transient", "reached"),
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
def test_exceptions_map_to_error_types(
    error: Exception, error_type: str, transient: bool, reached: bool
) -> None:
    call_error = to_call_error(error)
    assert (call_error.error_type, call_error.transient, call_error.reached) == (
        error_type,
        transient,
        reached,
    )


@pytest.mark.parametrize(
    ("body", "error_type", "transient", "overloaded"),
    [
        ({"error": {"message": "m", "code": "invalid_api_key"}}, "rejected", False, False),
        ({"error": {"message": "m", "code": "401"}}, "rejected", False, False),
        ({"error": {"message": "m", "status": 403}}, "rejected", False, False),
        ({"error": {"message": "m", "type": "authentication_error"}}, "rejected", False, False),
        ({"error": {"message": "m", "type": "BadRequestError"}}, "rejected", False, False),
        ({"error": "Unauthorized", "message": "m"}, "rejected", False, False),
        ({"error": "invalid_api_key"}, "rejected", False, False),
        ({"code": "InvalidApiKey", "message": "m"}, "rejected", False, False),
        ([{"error": {"message": "m", "status": "PERMISSION_DENIED"}}], "rejected", False, False),
        ({"errors": [{"message": "m", "code": "not_found"}]}, "rejected", False, False),
        ({"error": {"message": "m", "code": "rate_limit_exceeded"}}, "rate_limited", True, True),
        (
            {"error": {"message": "reduce the length of the messages, or wait", "code": 429}},
            "rate_limited",
            True,
            True,
        ),
        ({"type": "error", "error": {"type": "overloaded_error"}}, "server_error", True, True),
        ({"error": {"message": "m", "http_status_code": 422}}, "rejected", False, False),
        ({"detail": "Unauthorized"}, "rejected", False, False),
        ({"message": "Forbidden"}, "rejected", False, False),
        ({"error": "Too Many Requests"}, "rate_limited", True, True),
        ({"error": {"message": "Service Unavailable"}}, "server_error", True, True),
        ({"error": {"message": "m", "type": "server_error"}}, "server_error", True, False),
        ({"error": {"message": "m", "code": "upstream_error"}}, "server_error", True, False),
        ({"error": {"message": "m", "code": True}}, "server_error", True, False),
        ({"error": {"message": "m", "code": 200}}, "server_error", True, False),
        ({"error": {"message": "m", "code": "strange"}}, "server_error", True, False),
        (
            {"error": {"message": "too many words", "code": "context_length_exceeded"}},
            "context_overflow",
            False,
            False,
        ),
    ],
    ids=str,
)
def test_the_code_of_an_error_in_a_stream_stands_for_its_status(
    body: Any, error_type: str, transient: bool, overloaded: bool
) -> None:
    call_error = to_call_error(ErrorInStreamError(body))
    assert (call_error.error_type, call_error.transient) == (error_type, transient)
    assert call_error.overloaded == overloaded
    assert call_error.generated == (error_type == "server_error" and not overloaded)


UNPAID: list[Any] = [
    {"error": {"message": "m", "code": "insufficient_quota"}},
    {"error": {"message": "m", "type": "insufficient_quota", "code": None}},
    {"error": {"message": "m", "code": "billing_hard_limit_reached"}},
    {"error": {"message": "m", "code": "billing_not_active"}},
    {"error": {"message": "Insufficient Balance", "code": "invalid_request_error"}},
    {"error": {"code": "1113", "message": "Insufficient balance. Please recharge."}},
    {"error": {"message": "You exceeded your current quota, please check your plan and billing."}},
    {"error": {"message": "Your credit balance is too low to access the API."}},
    {"detail": "Payment required"},
]


@pytest.mark.parametrize("body", UNPAID, ids=str)
@pytest.mark.parametrize("code", [200, 400, 402, 403, 429, 503])
def test_an_account_without_quota_is_not_waited_out(body: Any, code: int) -> None:
    error = ErrorInStreamError(body) if code == 200 else status(code, body)
    call_error = to_call_error(error)
    assert (call_error.error_type, call_error.transient) == ("rejected", False)
    assert (call_error.overloaded, call_error.generated) == (False, False)
    assert "no quota left" in call_error.message


def test_limits_that_time_lifts_are_waited_out() -> None:
    google = "You exceeded your current quota, please check your plan and billing details."
    body = {"error": {"message": f"{google} Please retry in 31s.", "status": "RESOURCE_EXHAUSTED"}}
    for error in (
        status(429, body),
        ErrorInStreamError(body),
        status(429, {"error": {"message": google}}, **{"retry-after": "3"}),
        status(429, {"error": {"message": "quota of 5 per minute", "code": "quota_exceeded"}}),
        status(429, {"error": {"message": "m", "code": "load_balancer_limit"}}),
    ):
        assert to_call_error(error).error_type == "rate_limited"
        assert to_call_error(error).overloaded


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
    assert parse_retry_after({} if value is None else {"retry-after": value}) == seconds


def test_retry_after_as_a_date() -> None:
    seconds = parse_retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)})
    assert seconds is not None
    assert 50 < seconds <= 60
    assert parse_retry_after({"retry-after": formatdate(0, usegmt=True)}) == 0
    assert parse_retry_after({"retry-after": "Mon, 99999999999999999999 Jan 2024 00:00:00"}) is None


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
def test_the_servers_message_is_quoted_in_every_format(body: Any) -> None:
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
        (
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: "
            "2500 `inputs` tokens and 2000 `max_new_tokens`",
            4096,
            404,
        ),
        ("prompt is too long: 210000 tokens > 200000 maximum", 200000, 10000),
        (
            "The input token count (1200000) exceeds the maximum number of tokens allowed "
            "(1048576).",
            1048576,
            151424,
        ),
        ("Input is too long for requested model.", None, None),
        ("Please reduce the length of the messages or completion.", None, None),
        ("the request exceeds the available context size, try increasing it", None, None),
        ("maximum context length exceeded " + "9" * 5000, 10**12 - 1, None),
    ],
)
def test_a_context_overflow_reports_the_excess(
    message: str, limit: int | None, excess: int | None
) -> None:
    call_error = context_limit({}, message)
    assert call_error is not None
    assert (call_error.limit, call_error.excess) == (limit, excess)
    error_type = to_call_error(status(400, {"error": {"message": message}}))
    assert error_type.error_type == "context_overflow"
    assert (f"too long by {excess} tokens" in error_type.message) == (excess is not None)


@pytest.mark.parametrize(
    ("message", "max_reply_tokens"),
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
        (
            "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 2500 `inputs` tokens and "
            "2000 `max_new_tokens`",
            1596,
        ),
        (
            "input length and `max_tokens` exceed context limit: 120000 + 100000 > 200000, "
            "decrease input length or `max_tokens` and try again",
            80000,
        ),
        (
            "This endpoint's maximum context length is 32768 tokens. However, you requested about "
            "40000 tokens (20000 of text input, 20000 in the output).",
            12768,
        ),
    ],
)
def test_a_rejection_reports_the_maximum_reply(message: str, max_reply_tokens: int | None) -> None:
    assert (
        to_call_error(status(400, {"error": {"message": message}})).max_reply_tokens
        == max_reply_tokens
    )


def test_the_fields_of_llama_cpp() -> None:
    error = {"message": "exceeds the available context size", "n_ctx": 100, "n_prompt_tokens": 130}
    call_error = to_call_error(status(400, {"error": error}))
    assert call_error.message.startswith("HTTP 400: too long by 30 tokens")


@pytest.mark.parametrize("message", ["bad temperature", "the context of this request is unclear"])
def test_other_rejections_are_not_overflows(message: str) -> None:
    assert to_call_error(status(400, {"error": {"message": message}})).error_type == "rejected"


def test_unsupported_stream_options_are_dropped() -> None:
    capabilities = StreamCapabilities()
    unknown = "Unknown parameter: 'stream_options.continuous_usage_stats'"
    assert not capabilities.downgrade("temperature is wrong", "continuous")
    # Of two requests rejected at once, only the first drops an option; both can be retried.
    assert capabilities.downgrade(unknown, "continuous")
    assert capabilities.downgrade(unknown, "continuous")
    assert capabilities.options == "final"
    assert capabilities.downgrade("stream_options is not supported", "final")
    assert capabilities.options == "none"
    assert not capabilities.downgrade("stream_options is not supported", "none")
