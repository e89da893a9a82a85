"""The behavior of the server for one request: the reply, its timing, and its faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
class Behavior:
    """One scripted reply; the defaults are a healthy, immediate reply.

    A fault with a number occurs after that many tokens, or after the last one if there are fewer.
    """

    kind: str = ""
    """The name in the request log; derived from the faults if empty."""

    # The content of the reply.
    text: str = ""
    tokens: int | None = None
    """The number of tokens that `text` is split into; null: as counted by the tokenizer."""
    reasoning: str = ""
    reasoning_tokens: int | None = None
    reasoning_field: ReasoningField = "reasoning"
    """`think` puts the reasoning into the content, inside <think> tags."""
    report_reasoning_tokens: bool = False
    """Report completion_tokens_details.reasoning_tokens, as with a reasoning parser."""
    finish_reason: str | None = "stop"
    usage: UsageKind | Mapping[str, Any] = "right"
    obey_max_tokens: bool = False
    """Stop at the request's max_tokens with finish reason `length`."""
    message: Mapping[str, Any] = field(default_factory=dict)
    """More fields of the message, or of the stream's first delta."""
    body: str | None = None
    """The body of an unstreamed reply, in place of a completion."""

    # Timing in seconds.
    header_delay: float = 0.0
    first_token_delay: float = 0.0
    token_delay: float = 0.0

    # HTTP errors.
    status: int = 200
    error: str | Mapping[str, Any] = "scripted error"
    """The message, or the whole JSON body."""
    error_shape: ErrorShape = "vllm"
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    retry_after_as: RetryAfterForm = "seconds"

    # Replies that never end, or end abnormally.
    reset: Reset | int | None = None
    """RST; `before_done`: all but the stream's [DONE], or all but the last byte of a body."""
    hang: Hang | int | None = None
    truncate: Truncation | None = None
    """Half the reply: as a complete body (`body`), or with the connection closed (`connection`)."""
    endless: Endless | None = None
    """After its tokens the stream never ends; `tokens` repeats the last one."""
    ping_interval: float = 0.02
    malformed: int | None = None
    """Insert a chunk of invalid JSON into the stream; cut an unstreamed body."""
    stream_error: int | None = None
    """vLLM's `data: {"error": …}`, then [DONE]; without streaming, a plain 500."""
    done: bool = True
    """Whether the stream ends with [DONE]."""
    events: Sequence[str] = ()
    """More events of the stream as written, such as `event: ping\\ndata: {}`: before each delta."""
    only_events: bool = False
    """The stream has the `events` once, in place of the reply."""
    rejects: bool = False
    """The only `events` reject the request, whose prompt is not read."""
    bare_end: bool = False
    """The chunk with the finish reason has no `delta`."""
    stream_as_json: bool = False
    """Answer a streaming request with a plain JSON completion."""

    # The layout of the bytes.
    stream_interval: int = 1
    """Tokens per chunk (the first token has its own chunk, as in vLLM)."""
    line_end: str = "\n"
    comments: bool = False
    blank_events: bool = False
    coalesce: int = 1
    """Events per write."""
    split_utf8: bool = False
    """Split every multi-byte character across two writes."""
    write_size: int | None = None
    """Bytes per write."""
    write_pause: float = 0.001
    """Seconds between the writes of `split_utf8` and `write_size`."""

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if isinstance(value, str) and value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
        for name in ("tokens", "reasoning_tokens", "reset", "hang", "malformed", "stream_error"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 0:
                raise ValueError(f"{name} must not be negative: {value}")
        for name in ("stream_interval", "coalesce", "write_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], base: Behavior | None = None) -> Behavior:
        """Return the behavior of a mapping over `base`.

        Raises:
            ValueError: unknown keys or invalid values.
        """
        unknown = sorted(set(mapping) - FIELDS)
        if unknown:
            raise ValueError(f"unknown keys {', '.join(unknown)}; known: {sorted(FIELDS)}")
        base_values = {} if base is None else {name: getattr(base, name) for name in FIELDS}
        return cls(**{**base_values, **mapping})

    @cached_property
    def label(self) -> str:
        """The name in the request log."""
        if self.kind:
            return self.kind
        if self.status != 200:
            return f"status_{self.status}"
        if self.reset is not None:
            return f"reset_{_fault_position(self.reset)}"
        if self.hang is not None:
            return f"hang_{_fault_position(self.hang)}"
        if self.truncate is not None:
            return f"truncate_{self.truncate}"
        if self.endless is not None:
            return f"endless_{self.endless}"
        if self.malformed is not None:
            return "malformed"
        if self.stream_error is not None:
            return "stream_error"
        if self.only_events:
            return "only_events"
        return "answer"

    @cached_property
    def is_unmodified(self) -> bool:
        """Whether a body is written completely and unchanged."""
        return (
            self.reset is None
            and self.hang is None
            and self.truncate is None
            and self.endless is None
            and self.write_size is None
            and not self.split_utf8
        )


def _fault_position(fault: str | int) -> str:
    return "mid_reply" if isinstance(fault, int) else fault


FIELDS = frozenset(item.name for item in fields(Behavior))
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
