"""The accumulated response of one request, from the chunks of a stream or a full completion."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from a2r._internal.reasoning import (
    ReasoningParser,
    ReasoningPart,
    Tag,
    merge_parts,
    split_parts,
    split_reasoning,
)
from a2r._internal.text import replace_surrogates
from a2r.inference.error_codes import is_error
from a2r.inference.finish_reasons import MAX_CHARACTERS, UNSTATED, is_failure, is_stated
from a2r.inference.transport.log_probabilities import token_logprobs

MAX_TOKEN_COUNT = 10**12
# The index of the first choice; some servers omit it or write it as text.
FIRST = (0, None, "0")


class MalformedReplyError(ValueError):
    """A response, or a chunk of it, is not a chat completion; `body` is what it was, if known.

    The message, which callbacks and tracers read, has nothing of the body: a server may repeat
    secrets of the request.
    """

    def __init__(self, message: str = "", body: object = None) -> None:
        super().__init__(message)
        self.body = body


class ErrorInStreamError(Exception):
    """The server sent an error in place of a chunk; `body`, not the message, has its text."""

    def __init__(self, body: object) -> None:
        super().__init__("the server sent an error in place of a reply")
        self.body = body


@dataclass
class StreamAccumulator:
    """The text, thinking, refusal, finish reason and usage of one request, complete or not.

    `deltas` counts the chunks with text, which is about one per token; `events` those received,
    which may not be decoded yet; `choice_count` all choices,
    `skipped` the chunks without choices, of which `last_skipped` is the last. `usage_stale` means
    that text arrived after the last reported usage. `request_sent` means that the request was
    written, `response_started` that the response headers arrived, `streamed` that the response is
    a stream, `was_reset` that the server reset the connection. `on_sent` is called when the request
    was written, `on_first_choice` once.
    `logprobs` are the log-probabilities of its tokens, if the server reports them.
    `opened` is the tag of thinking that the prompt opens, where that is known before the reply.
    """

    content: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    has_tool_calls: bool = False
    deltas: int = 0
    events: int = 0
    choice_count: int = 0
    skipped: int = 0
    last_skipped: object = None
    logprobs: list[float] = field(default_factory=list)
    finish_reason: str | None = None
    usage_stale: bool = False
    request_sent: bool = False
    response_started: bool = False
    streamed: bool = False
    was_reset: bool = False
    on_sent: Callable[[], None] | None = None
    on_first_choice: Callable[[], None] | None = None
    opened: Tag | None = None
    _parser: ReasoningParser | None = None
    _usage: dict[str, Any] = field(default_factory=dict)
    _taken: tuple[int, int] = (0, 0)
    _others: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, chunk: object) -> None:
        """Add a chunk of a stream, or a full completion.

        A chunk without choices is no part of the reply and is skipped, but for its usage: servers
        send pings, sources and other events of their own between the chunks.

        Raises:
            ErrorInStreamError: it is an error of the server.
        """
        if isinstance(chunk, list) and len(chunk) == 1:
            # Google sends its errors so.
            chunk = chunk[0]
        if not isinstance(chunk, dict):
            self.skipped, self.last_skipped = self.skipped + 1, chunk
            return
        if chunk.get("error") or chunk.get("object") == "error":
            raise ErrorInStreamError(chunk)
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            self.skipped, self.last_skipped = self.skipped + 1, chunk
            choices = []
        usage = chunk.get("usage")
        has_text = False
        for choice in choices:
            if not isinstance(choice, dict):
                continue
            # Some servers report the usage in the choice.
            usage = usage or choice.get("usage")
            # One request is one sample: only the first choice counts.
            if choice.get("index") in FIRST:
                has_text = self._add_choice(choice) or has_text
            else:
                self._others.append(choice)
        self.deltas += has_text
        if usage and isinstance(usage, dict):
            self._usage, self.usage_stale = usage, False
        elif has_text:
            # Text after the last report: the report does not cover the full reply.
            self.usage_stale = True

    def adopt_other_choice(self) -> None:
        """Let the choice of another index count at the end of a reply that has no text without it.

        Some gateways number the blocks of one reply, thinking and text, as choices.
        """
        others, self._others = self._others, []
        if self.content:
            return
        for choice in others:
            if choice["index"] == others[0]["index"]:
                self.deltas += self._add_choice(choice)

    @property
    def is_complete(self) -> bool:
        """Whether the server ended the reply, and not because it failed."""
        return self.finish_reason is not None and not is_failure(self.finish_reason)

    def end(self) -> None:
        """Record the end of a complete response, with or without a finish reason."""
        if self.choice_count and self.finish_reason is None:
            self.finish_reason = UNSTATED

    @property
    def reported_usage(self) -> dict[str, Any]:
        """The valid counts of the last reported usage; empty without one.

        An invalid auxiliary field does not invalidate the reply.
        """
        return clean_usage(self._usage)

    @property
    def prompt_tokens(self) -> int | None:
        """The reported tokens of the prompt; `None` if the server reports none."""
        return count_or_none(self._usage.get("prompt_tokens")) or None

    def take_delta(self) -> ReasoningPart:
        """Return the text and thinking added since the last call, as far as they can be split."""
        content, reasoning = self._taken
        self._taken = len(self.content), len(self.reasoning)
        thinking = replace_surrogates("".join(self.reasoning[reasoning:]))
        text = replace_surrogates("".join(self.content[content:]))
        if not text:
            return ReasoningPart(thinking=thinking)
        part = merge_parts(self._reasoning_parser().feed(text))
        return replace(part, thinking=thinking + part.thinking) if thinking else part

    def flush(self) -> ReasoningPart:
        """Return the rest at the end of the reply, held back as a possible start of a tag."""
        return merge_parts(self._reasoning_parser().end())

    @property
    def opening_of_prompt(self) -> Tag | None:
        """The tag of thinking that the prompt opened, as the deltas so far show it."""
        return None if self._parser is None else self._parser.opening_of_prompt

    def split(self) -> tuple[str, str]:
        """Return the answer part and the thinking so far."""
        # A closing tag without an opening one is only visible in the full content.
        thinking, text = split_reasoning(replace_surrogates("".join(self.content)))
        reasoning = replace_surrogates("".join(self.reasoning))
        return text, "\n".join(filter(None, (reasoning.strip(), thinking)))

    def reasoning_tokens(self) -> int | None:
        """Return the reported reasoning tokens; `None` if the server reports none."""
        return reasoning_tokens(self.reported_usage)

    def received_text(self) -> str:
        """Return everything received, thinking and text."""
        return "".join([*self.reasoning, *self.content])

    def check_choices(self) -> None:
        """Check at the end of a response that it was a chat completion and that it did not fail.

        Raises:
            MalformedReplyError: none of its chunks had a choice.
            ErrorInStreamError: it is an error of the server, or its finish reason says so.
        """
        if self.choice_count == 0:
            if is_error(self.last_skipped):
                raise ErrorInStreamError(self.last_skipped)
            raise MalformedReplyError("no choices", self.last_skipped)
        if is_failure(self.finish_reason):
            raise ErrorInStreamError({"error": {"message": f"finish reason {self.finish_reason}"}})

    def _reasoning_parser(self) -> ReasoningParser:
        # Most calls are read as a whole: only a reader of their deltas needs it.
        if self._parser is None:
            # A server that separates the thinking sends none of it as content.
            self._parser = ReasoningParser(opened=None if self.reasoning else self.opened)
        return self._parser

    def _add_choice(self, choice: Mapping[str, Any]) -> bool:
        if choice.get("error"):
            raise ErrorInStreamError({"error": choice["error"]})
        message = choice.get("delta")
        if not isinstance(message, dict):
            # Beside a delta, the message is all of the text so far.
            message = choice.get("message")
        reason = choice.get("finish_reason")
        if not isinstance(message, dict):
            # The last chunk of a stream may have a finish reason alone.
            message = {}
        self.choice_count += bool("delta" in choice or message or reason)
        if self.choice_count and self.on_first_choice is not None:
            on_first_choice, self.on_first_choice = self.on_first_choice, None
            on_first_choice()
        content = message.get("content")
        # Nearly all contents are text, and this runs for every token.
        thinking, text = ("", content) if isinstance(content, str) else split_parts(content)
        thinking = _reasoning_field(message) + thinking
        if choice.get("logprobs"):
            self.logprobs += token_logprobs(choice)
        if refusal := message.get("refusal") or _refusal_parts(content):
            self.refusal.append(str(refusal))
        if message.get("tool_calls") or message.get("function_call"):
            self.has_tool_calls = True
        if text:
            self.content.append(text)
        if thinking:
            self.reasoning.append(thinking)
        if reason is not None and is_stated(reason):
            self.finish_reason = replace_surrogates(str(reason))[:MAX_CHARACTERS]
        return bool(text or thinking)


def clean_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the valid counts of a reported usage."""
    clean: dict[str, Any] = {name: n for name, n in usage.items() if is_count(n)}
    for name in ("prompt_tokens_details", "completion_tokens_details"):
        details = usage.get(name)
        if isinstance(details, dict):
            clean[name] = {key: n for key, n in details.items() if is_count(n)}
    return clean


def reasoning_tokens(reported: Mapping[str, Any]) -> int | None:
    """Return the reasoning tokens of a clean usage; `None` without them."""
    details = reported.get("completion_tokens_details") or {}
    return count_or_none(details.get("reasoning_tokens"))


def is_count(value: object) -> bool:
    """Whether a value is a valid count of tokens."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKEN_COUNT


def count_or_none(value: object) -> int | None:
    """Return the value if it is a valid count of tokens."""
    return value if isinstance(value, int) and is_count(value) else None


def _refusal_parts(content: object) -> str:
    """The text of a refusal that is a part of a message's content."""
    if not isinstance(content, list):
        return ""
    return "".join(str(part.get("refusal") or "") for part in content if isinstance(part, dict))


def _reasoning_field(message: Mapping[str, Any]) -> str:
    reasoning = message.get("reasoning") or message.get("reasoning_content")
    if not reasoning:
        return ""
    return reasoning if isinstance(reasoning, str) else json.dumps(reasoning)
