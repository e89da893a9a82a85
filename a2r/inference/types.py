"""The request and the reply of one call to a model, and its progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from typing_extensions import TypedDict

from a2r.inference.cancel_token import CancelToken
from a2r.result import ErrorType, LogProbs, Role, Status
from a2r.usage import Usage


class ChatMessage(TypedDict):
    """A chat message of the OpenAI API."""

    role: str
    content: str


@dataclass(frozen=True, kw_only=True)
class Continuation:
    """A reply for the server to continue: `text`, then `cue`, which starts what is missing.

    Only some servers can continue a message; others get the text as a complete message, and
    `instruction` as the next message of the user.
    """

    text: str
    cue: str
    instruction: str

    def messages(self, *, continues: bool) -> list[ChatMessage]:
        """The last messages of the request, for a server that continues a message or not."""
        if continues:
            return [{"role": "assistant", "content": self.text + self.cue}]
        return [
            {"role": "assistant", "content": self.text},
            {"role": "user", "content": self.instruction},
        ]

    def without_echo(self, text: str) -> str:
        """The new part of a reply; llama.cpp repeats the continued message where it streams not."""
        return text.removeprefix((self.text + self.cue).strip()).strip()


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of a role: its messages, seed, and timeout in seconds.

    Calls with the same `affinity_key` go to the same endpoint while it has capacity, so that its
    prefix cache computes their common prompt once. Calls that wait for an endpoint share it by
    `client`, then by `origin`: the caller's request, if it asks several questions. `cancel_token`
    cancels the call from outside. `pre_send_check` runs before every HTTP request; if it returns a
    reason, the request is not sent. `timeout_reason` is the error text when the timeout is not the
    question's deadline. `id` is sent in the header `X-Request-Id`; `call` names the call within its
    run, such as `sample-3`. `response_format` is sent unchanged. `max_tokens` replaces the role's
    limit. `continuation` is a reply that follows the messages and is continued. `elapsed` are the
    seconds of `deadline.sample` that earlier calls took.
    """

    role: Role
    messages: Sequence[ChatMessage]
    seed: int | None
    timeout: float
    timeout_reason: str | None = None
    affinity_key: str | None = None
    client: str | None = None
    origin: str | None = None
    temperature: float | None = None
    cancel_token: CancelToken | None = None
    pre_send_check: Callable[[], str | None] | None = None
    id: str | None = None
    call: str | None = None
    response_format: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    continuation: Continuation | None = None
    elapsed: float = 0.0

    def prompt(self, *, continues: bool = False) -> list[ChatMessage]:
        """All messages to send; `continues` if the server continues an assistant's message."""
        if self.continuation is None:
            return list(self.messages)
        return [*self.messages, *self.continuation.messages(continues=continues)]

    def overrides(self) -> dict[str, Any]:
        """The sampling parameters of this call; `None` means the role's setting applies."""
        return {
            "seed": self.seed,
            "temperature": self.temperature,
            "response_format": self.response_format,
        }


@dataclass(frozen=True, kw_only=True)
class CallProgress:
    """The progress of a call: new text and thinking, deltas so far, seconds since its start.

    A new `attempt` restarts the reply: the text of earlier attempts is void. `retracts` means that
    the text before this progress was thinking.
    """

    text: str
    thinking: str
    deltas: int
    seconds: float
    attempt: int = 1
    retracts: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelReply:
    """The result of a call; `status` is `answered` for every complete text."""

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
    logprobs: LogProbs | None = None

    def with_usage(self, usage: Usage) -> ModelReply:
        """Return the reply with another usage, such as the sum of several calls."""
        return replace(self, usage=usage)

    def to_record(self) -> dict[str, Any]:
        """Return the reply as fields of a `Sample` or a `Synthesis`, without the thinking."""
        return {name: getattr(self, name) for name in RECORDED_FIELDS}


RECORDED_FIELDS = tuple(field.name for field in fields(ModelReply) if field.name != "thinking")
