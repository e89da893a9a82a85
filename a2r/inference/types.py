"""What a call asks for and what comes back, whether it went well or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from typing_extensions import TypedDict

from a2r.inference.cancellation import CancelToken
from a2r.result import ErrorType, Role, Status
from a2r.usage import Usage

STATUS_BY_FINISH_REASON: Mapping[str, Status] = {
    "length": "truncated",
    "max_tokens": "truncated",
    "model_length": "truncated",
    "repetition": "truncated",
    "content_filter": "abstained",
    "abort": "cancelled",
    "cancelled": "cancelled",
}


class ChatMessage(TypedDict):
    """A chat message in the form that the OpenAI API takes."""

    role: str
    content: str


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of a role: the messages, the sample's own seed, and the seconds left for it.

    Calls of the same `affinity` go to the same endpoint while it has room, so that the prompt
    they share is computed once. `stop` cuts the call off from outside; `refusal` is asked before
    every request, and a reason that it gives keeps it from being sent; `out_of_time` is what to say
    when the seconds are over, where it is not the question's deadline that sets them. `id` names
    the call to the endpoint, in the header `X-Request-Id`. `response_format` goes with it as it is.
    """

    role: Role
    messages: Sequence[ChatMessage]
    seed: int | None
    timeout: float
    timeout_reason: str | None = None
    affinity_key: str | None = None
    temperature: float | None = None
    cancel_token: CancelToken | None = None
    pre_send_check: Callable[[], str | None] | None = None
    id: str | None = None
    response_format: Mapping[str, Any] | None = None

    def overrides(self) -> dict[str, Any]:
        """What this call asks for beside its role's sampling; what is not set is `None`."""
        return {
            "seed": self.seed,
            "temperature": self.temperature,
            "response_format": self.response_format,
        }


@dataclass(frozen=True, kw_only=True)
class CallProgress:
    """A call under way: new answer text and thinking, pieces so far, seconds since its start.

    With another `attempt` a reply begins anew: what an earlier one brought counts no more.
    """

    text: str
    thinking: str
    deltas: int
    seconds: float
    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class ModelReply:
    """How a call ended; `status` is `answered` for a finished text, found answer or not."""

    status: Status
    text: str = ""
    thinking: str = ""
    finish_reason: str | None = None
    usage: Usage
    reasoning_tokens: int | None = None
    seconds: float
    endpoint: str | None = None
    error: str | None = None
    error_type: ErrorType | None = None

    def with_usage(self, usage: Usage) -> ModelReply:
        """The reply with the usage of several calls."""
        return replace(self, usage=usage)

    def to_record(self) -> dict[str, Any]:
        """The reply as fields of a `Sample` or a `Synthesis`; the thinking is dropped here."""
        return {name: getattr(self, name) for name in RECORDED_FIELDS}


RECORDED_FIELDS = tuple(field.name for field in fields(ModelReply) if field.name != "thinking")
