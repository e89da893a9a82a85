"""What a call asks for and what comes back, whether it went well or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypedDict

from langchain_core.messages import AIMessage

from a2r.config import RoleConfig, RoleName
from a2r.models.chat_model import REASONING, REPORTED_USAGE, is_count
from a2r.models.faults import CallFault, valid_unicode
from a2r.models.thinking import split_thinking
from a2r.result import Fault, Status
from a2r.usage import Usage, estimate_tokens

MILLION = 1_000_000
LONGEST_REASON = 40
STATUS_OF_FINISH: Mapping[str, Status] = {
    "length": "truncated",
    "content_filter": "abstained",
    "abort": "cancelled",
}


class ChatMessage(TypedDict):
    """A chat message in the form that the OpenAI API takes."""

    role: str
    content: str


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of a role: the messages, the sample's own seed, and the seconds left for it."""

    role: RoleName
    messages: Sequence[ChatMessage]
    seed: int | None
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A call under way: new answer text and thinking, pieces so far, seconds since its start."""

    text: str
    thinking: str
    pieces: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Reply:
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
    fault: Fault | None = None

    def record(self) -> dict[str, Any]:
        """The reply as fields of a `Sample` or a `Synthesis`; the thinking is dropped here."""
        names = [field.name for field in fields(self) if field.name != "thinking"]
        return {name: getattr(self, name) for name in names}


@dataclass
class Transcript:
    """What one request has brought so far; kept outside the call, to be counted if it breaks."""

    text: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    pieces: int = 0
    finish_reason: str | None = None
    reported: Mapping[str, Any] | None = None
    outdated: bool = False

    def add(self, message: AIMessage) -> tuple[str, str]:
        """Take a message or a chunk of one; returns the text and the thinking it added."""
        text = valid_unicode(str(message.content))
        thinking = valid_unicode(str(message.additional_kwargs.get(REASONING, "")))
        self.text.append(text)
        self.thinking.append(thinking)
        self.pieces += bool(text or thinking)
        metadata = message.response_metadata
        if (reason := metadata.get("finish_reason")) is not None:
            self.finish_reason = valid_unicode(str(reason))[:LONGEST_REASON]
        usage = metadata.get(REPORTED_USAGE)
        # Text after the last report means that the report is not of the whole reply.
        self.outdated = not usage and (self.outdated or bool(text or thinking))
        self.reported = usage or self.reported
        return text, thinking

    def whole(self) -> tuple[str, str]:
        """The answer part and the thinking so far."""
        # A stream's closing tag without an opening one is seen only now that all of it is there.
        thinking, text = split_thinking("".join(self.text))
        return text, "".join([*self.thinking, thinking]).strip()

    def reasoning_tokens(self) -> int | None:
        """The reasoning tokens that the server reported; `None` where it does not."""
        details = (self.reported or {}).get("completion_tokens_details") or {}
        return _count(details.get("reasoning_tokens"))


def usage_of(transcript: Transcript, request: Request, role: RoleConfig) -> Usage:
    """The usage of one request that the server took: as reported, estimated where it is not."""
    reported = transcript.reported or {}
    prompt, completion = (
        _count(reported.get("prompt_tokens")),
        _count(reported.get("completion_tokens")),
    )
    estimated = prompt is None or completion is None or transcript.outdated
    if prompt is None:
        prompt = sum(estimate_tokens(m["content"]) for m in request.messages)
    if completion is None or transcript.outdated:
        seen = estimate_tokens("".join([*transcript.thinking, *transcript.text]))
        completion = max(seen, completion or 0)
    return Usage(
        calls=1,
        prompt_tokens=prompt,
        completion_tokens=completion,
        reasoning_tokens=transcript.reasoning_tokens(),
        cost=cost_of(prompt, completion, role),
        estimated=estimated,
    )


def usage_of_fault(
    fault: CallFault, transcript: Transcript, request: Request, role: RoleConfig
) -> Usage:
    """The usage of a request that failed: nothing where the server cannot have generated."""
    if not fault.reached:
        return Usage()
    return usage_of(transcript, request, role) if fault.generated else Usage(calls=1)


def cost_of(prompt: int, completion: int, role: RoleConfig) -> float | None:
    """The cost in the currency of the role's price; `None` where a price is unknown."""
    if role.price.input is None or role.price.output is None:
        return None
    return (prompt * role.price.input + completion * role.price.output) / MILLION


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and is_count(value) else None
