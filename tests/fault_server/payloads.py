"""JSON payloads in the format of vLLM 0.32."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from tests.fault_server.behavior import Behavior

VERSION = "0.32.0"
FINGERPRINT = f"vllm-{VERSION}-fault-server"
STARTED = int(time.time())
ERROR_TYPES = {
    400: "BadRequestError",
    404: "NotFoundError",
    422: "UnprocessableEntityError",
    500: "InternalServerError",
    501: "NotImplementedError",
    503: "ServiceUnavailableError",
}
dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""JSON as vLLM writes it: no spaces, unescaped UTF-8."""
OPENAI_ERRORS = {
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", None),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", None),
}


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def error_body(behavior: Behavior) -> bytes:
    """Return the body of an HTTP error."""
    error = behavior.error
    if not isinstance(error, str):
        return encode(dumps(dict(error)))
    if behavior.error_shape == "text":
        return encode(error)
    return encode(dumps(error_json(error, behavior.status, behavior.error_shape)))


def error_json(
    message: str, status: int, shape: str = "vllm", *, param: str | None = None
) -> dict[str, Any]:
    """Return an error object; `code` is the status in vLLM, a word or null in OpenAI."""
    if shape == "detail":
        return {"detail": message}
    if shape == "llama.cpp":
        kind = "unavailable_error" if status == 503 else "server_error"
        return {"error": {"code": status, "message": message, "type": kind}}
    if shape == "openai":
        kind, code = OPENAI_ERRORS.get(status, ("invalid_request_error", None))
        return {"error": {"message": message, "type": kind, "param": param, "code": code}}
    kind = ERROR_TYPES.get(status, HTTPStatus(status).phrase)
    return {"error": {"message": message, "type": kind, "param": param, "code": status}}


def error_headers(behavior: Behavior) -> dict[str, str]:
    """Return the headers of an HTTP error, including Retry-After."""
    kind = "text/plain" if behavior.error_shape == "text" else "application/json"
    headers = {"Server": "uvicorn", "Content-Type": kind}
    after = behavior.retry_after
    if after is not None and behavior.retry_after_as == "seconds":
        headers["Retry-After"] = f"{after:g}"
    elif after is not None:
        headers["Retry-After"] = formatdate(math.ceil(time.time() + after), usegmt=True)
    return {**headers, **behavior.headers}


def reported_usage(
    behavior: Behavior, *, prompt: int, completion: int, reasoning_tokens: int
) -> dict[str, Any] | None:
    """Return the usage as the behavior reports it; `None` if it reports none."""
    if behavior.usage == "missing":
        return None
    if isinstance(behavior.usage, Mapping):
        return dict(behavior.usage)
    if behavior.usage == "zero":
        prompt = completion = reasoning_tokens = 0
    details = {"reasoning_tokens": reasoning_tokens} if behavior.report_reasoning_tokens else None
    return {
        "prompt_tokens": prompt,
        "total_tokens": prompt + completion,
        "completion_tokens": completion,
        "completion_tokens_details": details,
    }


def new_id() -> str:
    return f"chatcmpl-{uuid4().hex[:16]}"


def completion(
    model: str, message: Mapping[str, Any], reason: str | None, usage: dict[str, Any] | None
) -> dict[str, Any]:
    """Return a complete chat completion."""
    nothing = dict.fromkeys(("refusal", "annotations", "audio", "function_call", "reasoning"))
    reply: dict[str, Any] = {
        "id": new_id(),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", **nothing, **message},
                "logprobs": None,
                "finish_reason": reason,
                "stop_reason": None,
                "token_ids": None,
            }
        ],
        "service_tier": None,
        "system_fingerprint": FINGERPRINT,
        "prompt_logprobs": None,
        "kv_transfer_params": None,
    }
    if usage is not None:
        reply["usage"] = {**usage, "prompt_tokens_details": None}
    return reply


@dataclass(frozen=True, slots=True)
class Chunks:
    """The chunks of one stream."""

    id: str
    created: int
    model: str

    def role_chunk(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        delta = {"role": "assistant", "content": "", **extra}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        return self._chunk([choice])

    def delta_chunk(self, delta: Mapping[str, str]) -> dict[str, Any]:
        return self._chunk([{**_choice(delta, None), "token_ids": None}])

    def final_chunk(self, delta: Mapping[str, str], reason: str) -> dict[str, Any]:
        return self._chunk([{**_choice(delta, reason), "stop_reason": None, "token_ids": None}])

    def usage_chunk(self, usage: Mapping[str, Any]) -> dict[str, Any]:
        reported = {name: value for name, value in usage.items() if value is not None}
        return {**self._chunk([]), "usage": reported, "system_fingerprint": FINGERPRINT}

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }


def _choice(delta: Mapping[str, str], reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def openai_model_list(models: tuple[str, ...]) -> dict[str, Any]:
    """Return the response of OpenAI's /v1/models."""
    entries = [
        {"id": model, "object": "model", "created": STARTED, "owned_by": "system"}
        for model in models
    ]
    return {"object": "list", "data": entries}


def model_list(models: tuple[str, ...], max_model_len: int) -> dict[str, Any]:
    """Return the response of vLLM's /v1/models."""
    entries: list[dict[str, Any]] = [
        {
            "id": model,
            "object": "model",
            "created": STARTED,
            "owned_by": "vllm",
            "root": model,
            "parent": None,
            "max_model_len": max_model_len,
            "permission": [],
        }
        for model in models
    ]
    return {"object": "list", "data": entries}
