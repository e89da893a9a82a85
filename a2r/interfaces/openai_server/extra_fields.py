"""How the server handles request fields that OpenAI's API does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.openai_server.api_errors import unsupported_parameter
from a2r.interfaces.openai_server.request_models import ChatCompletionRequest
from a2r.interfaces.openai_server.validation_errors import unknown_parameter


@dataclass(frozen=True, kw_only=True)
class ExtraFields:
    """The fields of a request that the endpoints get, and warnings about those dropped."""

    passed: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def resolve_extra_fields(body: ChatCompletionRequest, settings: ServerSettings) -> ExtraFields:
    """Apply the setting `extra_fields` to a request.

    Raises:
        ApiError: a field is refused, or unknown.
    """
    known, unknown = body.vllm_fields(), body.model_extra or {}
    if settings.extra_fields == "drop":
        names = ", ".join([*known, *unknown])
        return ExtraFields(warnings=[f"dropped by this server: {names}"] if names else [])
    for name in unknown:
        raise unknown_parameter(name, ChatCompletionRequest.model_fields)
    if settings.extra_fields == "refuse" and known:
        raise unsupported_parameter(known[0], "is not allowed by this server")
    for name in body.unsupported_vllm_fields():
        raise unsupported_parameter(name)
    return ExtraFields(passed=body.passed_fields())
