"""What one request gets: the reply, its timing, and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, get_args

ReasoningField = Literal["reasoning", "reasoning_content", "think"]
Reset = Literal["before_body", "before_reply", "before_done"]
Hang = Literal["before_headers", "after_headers"]
Truncation = Literal["body", "connection"]
Endless = Literal["comments", "data", "tokens"]
ErrorShape = Literal["vllm", "openai", "llama.cpp", "detail", "text"]
UsageKind = Literal["right", "missing", "zero"]
RetryAfterForm = Literal["seconds", "date"]


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """One scripted reply; as it stands, a healthy and instant one.

    Where a fault takes a number, it strikes after so many tokens (never later than the last).
    """

    kind: str = ""
    """The name in the books; made of the faults if empty."""

    # What is said.
    text: str = ""
    tokens: int | None = None
    """How many tokens `text` is said in; null: as many as the tokenizer counts."""
    reasoning: str = ""
    reasoning_tokens: int | None = None
    reasoning_field: ReasoningField = "reasoning"
    """`think` puts the reasoning into the content, inside <think> tags."""
    tell_reasoning_tokens: bool = False
    """Usage holds completion_tokens_details.reasoning_tokens, as with a reasoning parser."""
    finish_reason: str | None = "stop"
    usage: UsageKind | Mapping[str, Any] = "right"
    obey_max_tokens: bool = False
    """Stop at the request's max_tokens with finish reason `length`."""
    message: Mapping[str, Any] = field(default_factory=dict)
    """More fields of the message, or of the stream's first delta."""
    body: str | None = None
    """The body of a reply that isn't streamed, instead of a completion."""

    # When it is said, in seconds.
    header_delay: float = 0.0
    first_token_delay: float = 0.0
    token_delay: float = 0.0

    # Refusals.
    status: int = 200
    error: str | Mapping[str, Any] = "scripted error"
    """The message, or the whole JSON body."""
    error_shape: ErrorShape = "vllm"
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    retry_after_as: RetryAfterForm = "seconds"

    # Replies that never come to an end, or to a bad one.
    reset: Reset | int | None = None
    """RST; `before_done`: all but the stream's [DONE], or all but the last byte of a body."""
    hang: Hang | int | None = None
    truncate: Truncation | None = None
    """Half the reply: as if that were all (`body`), or closed short of its end (`connection`)."""
    endless: Endless | None = None
    """After its tokens the stream goes on for ever; `tokens` repeats the last one."""
    ping_interval: float = 0.02
    malformed: int | None = None
    """A chunk of broken JSON, then on as if nothing had been; a body that isn't streamed is cut."""
    stream_error: int | None = None
    """vLLM's `data: {"error": …}`, then [DONE]; where nothing is streamed, a plain 500."""
    done: bool = True
    """Whether the stream ends with [DONE]."""
    stream_as_json: bool = False
    """Answers a request for a stream with a plain JSON completion."""

    # How the bytes are written.
    stream_interval: int = 1
    """Tokens a chunk (the first token always has its own, as vLLM does it)."""
    line_end: str = "\n"
    comments: bool = False
    blank_events: bool = False
    coalesce: int = 1
    """Events a write."""
    split_utf8: bool = False
    """Cuts every character of several bytes across two writes."""
    write_size: int | None = None
    """Bytes a write."""
    write_pause: float = 0.001
    """Seconds between the writes that `split_utf8` and `write_size` make."""

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if isinstance(value, str) and value not in allowed:
                raise ValueError(f"{name} is one of {', '.join(allowed)}, not {value!r}")
        for name in ("tokens", "reasoning_tokens", "reset", "hang", "malformed", "stream_error"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 0:
                raise ValueError(f"{name} can't be negative: {value}")
        for name in ("stream_interval", "coalesce", "write_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is at least 1, not {value}")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], base: Behaviour | None = None) -> Behaviour:
        """A behaviour from a script file, over `base`; an unknown name is an error."""
        unknown = sorted(set(mapping) - FIELDS)
        if unknown:
            raise ValueError(f"a behaviour has no {', '.join(unknown)}; it has {sorted(FIELDS)}")
        kept = {} if base is None else {name: getattr(base, name) for name in FIELDS}
        return cls(**{**kept, **mapping})

    @cached_property
    def label(self) -> str:
        """The name under which the books count it."""
        if self.kind:
            return self.kind
        if self.status != 200:
            return f"status_{self.status}"
        if self.reset is not None:
            return f"reset_{_place(self.reset)}"
        if self.hang is not None:
            return f"hang_{_place(self.hang)}"
        if self.truncate is not None:
            return f"truncate_{self.truncate}"
        if self.endless is not None:
            return f"endless_{self.endless}"
        if self.malformed is not None:
            return "malformed"
        if self.stream_error is not None:
            return "stream_error"
        return "answer"

    @cached_property
    def writes_plainly(self) -> bool:
        """Whether a body is written whole and left alone."""
        return (
            self.reset is None
            and self.hang is None
            and self.truncate is None
            and self.endless is None
            and self.write_size is None
            and not self.split_utf8
        )


def _place(fault: str | int) -> str:
    return "mid_reply" if isinstance(fault, int) else fault


FIELDS = frozenset(one.name for one in fields(Behaviour))
_CHOICES: dict[str, tuple[str, ...]] = {
    "reasoning_field": get_args(ReasoningField),
    "usage": get_args(UsageKind),
    "error_shape": get_args(ErrorShape),
    "retry_after_as": get_args(RetryAfterForm),
    "reset": get_args(Reset),
    "hang": get_args(Hang),
    "truncate": get_args(Truncation),
    "endless": get_args(Endless),
}
