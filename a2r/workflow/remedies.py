"""What to change where a sample gave no text, by the way it ended."""

from __future__ import annotations

import re
from collections.abc import Mapping

from a2r.inference.finish_reasons import is_stated
from a2r.result import ErrorType, Sample

HTTP_STATUS = re.compile(r"\bHTTP (\d{3})\b")
# `{role}` is the section of the config.
BY_ERROR_TYPE: Mapping[ErrorType, str] = {
    "unreachable": "start the server, or correct {role}.endpoints",
    "timeout": "raise deadline.call or deadline.idle, or lower {role}.concurrency",
    "deadline": "raise deadline.question or deadline.sample, or lower {role}.sampling.max_tokens",
    "rate_limited": "lower {role}.concurrency, or raise deadline.call, which limits the waiting",
    "server_error": "see the log of the server",
    "broken_stream": "see the log of the server and of the proxies before it",
    "malformed_reply": "check that {role}.endpoints are base URLs of the OpenAI API (…/v1)",
    "context_overflow": "shorten the question, or serve the model with a longer context",
    "content_filter": "rephrase the question, or use a model without this filter",
    "budget": "raise the budget",
}
BY_HTTP_STATUS: Mapping[int, str] = {
    401: "set {role}.api_key_env to the variable of a valid key",
    402: "check the plan and billing of the account",
    403: "check what the key in {role}.api_key_env may use",
    404: "correct {role}.model or {role}.endpoints",
}
REJECTED = "change what the server rejects: {role}.model, {role}.sampling or {role}.api_key_env"
UNSTATED_END = "use a server that states finish reasons, or ask for the answer in \\boxed{{}}"
LONGER = "raise {role}.sampling.max_tokens, or the context of the server"
NO_TEXT = "check the chat template and the reasoning parser of the server"


def remedy(sample: Sample) -> str | None:
    """What to change; `None` where only the model or the caller can do something."""
    template = _template(sample)
    return None if template is None else template.format(role=sample.role)


def _template(sample: Sample) -> str | None:
    if sample.error_type == "rejected":
        status = HTTP_STATUS.search(sample.error or "")
        return BY_HTTP_STATUS.get(int(status[1]), REJECTED) if status else REJECTED
    if sample.error_type is not None:
        return BY_ERROR_TYPE.get(sample.error_type)
    if sample.status == "truncated":
        return LONGER if is_stated(sample.finish_reason) else UNSTATED_END
    return NO_TEXT if sample.status == "abstained" else None
