"""What one request has brought so far, read from the chunks of a stream or a whole reply."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from a2r._internal.reasoning_parser import (
    ReasoningParser,
    ReasoningPart,
    split_parts,
    split_reasoning,
)
from a2r._internal.text import replace_surrogates

MAX_FINISH_REASON_CHARACTERS = 40
MAX_TOKEN_COUNT = 10**12


class MalformedReplyError(ValueError):
    """A reply, or a chunk of one, that is no chat completion."""


class ErrorInStreamError(Exception):
    """A stream brought an error where a chunk was due."""

    def __init__(self, body: object) -> None:
        super().__init__(str(body))
        self.body = body


@dataclass
class StreamAccumulator:
    """The text, thinking, finish reason and usage of one request; kept when the request breaks.

    `pieces` counts the chunks that brought text, which is about one a token; `choices` everything
    that came as a choice. The reported usage is `outdated` when text came after it. `sent` says
    that the request went out, `began` that a reply to it began, `streamed` that it is a stream,
    `was_reset` that the other side reset the connection.
    """

    content: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    deltas: int = 0
    choice_count: int = 0
    finish_reason: str | None = None
    usage_stale: bool = False
    request_sent: bool = False
    response_started: bool = False
    streamed: bool = False
    was_reset: bool = False
    _splitter: ReasoningParser = field(default_factory=ReasoningParser)
    _usage: dict[str, Any] = field(default_factory=dict)
    _taken: tuple[int, int] = (0, 0)

    def add(self, chunk: object) -> None:
        """Take a chunk of a stream, or a whole completion.

        Raises:
            ErrorInStreamError: it is an error that the server sent.
            MalformedReplyError: it is neither.
        """
        if not isinstance(chunk, dict):
            raise MalformedReplyError(f"a {type(chunk).__name__} is no chat completion")
        if chunk.get("error") or chunk.get("object") == "error":
            raise ErrorInStreamError(chunk)
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise MalformedReplyError("it holds no choices")
        usage = chunk.get("usage")
        new = False
        for choice in choices:
            if not isinstance(choice, dict):
                raise MalformedReplyError("a choice is no object")
            # One request is one sample: a further choice is none of its text.
            if not choice.get("index"):
                new = self._add_choice(choice) or new
        self.deltas += new
        if usage and isinstance(usage, dict):
            self._usage, self.usage_stale = usage, False
        elif new:
            # Text after the last report means that the report is not of the whole reply.
            self.usage_stale = True

    @property
    def reported_usage(self) -> dict[str, Any]:
        """The counts of the last usage that the server told; empty where it told none.

        A server that gets an auxiliary field wrong still answered: its reply is not lost to it.
        """
        return clean_usage(self._usage)

    def take_delta(self) -> ReasoningPart:
        """What was added since the last call, thinking told from text as far as it is clear."""
        content, reasoning = self._taken
        self._taken = len(self.content), len(self.reasoning)
        thinking = replace_surrogates("".join(self.reasoning[reasoning:]))
        piece = self._splitter.feed(replace_surrogates("".join(self.content[content:])))
        return ReasoningPart(thinking=thinking + piece.thinking, answer=piece.answer)

    def flush(self) -> ReasoningPart:
        """What was held back as the possible beginning of a tag, at the end of the reply."""
        return self._splitter.end()

    def split(self) -> tuple[str, str]:
        """The answer part and the thinking so far."""
        # A closing tag without an opening one is seen only now that all of it is there.
        thinking, text = split_reasoning(replace_surrogates("".join(self.content)))
        told = replace_surrogates("".join(self.reasoning))
        return text, "\n".join(filter(None, (told.strip(), thinking)))

    def reasoning_tokens(self) -> int | None:
        """The reasoning tokens that the server reported; `None` where it does not."""
        return reasoning_tokens(self.reported_usage)

    def received_text(self) -> str:
        """Everything that was received, thinking and text."""
        return "".join([*self.reasoning, *self.content])

    def _add_choice(self, choice: Mapping[str, Any]) -> bool:
        message = choice.get("delta", choice.get("message"))
        if message is None and "delta" in choice:
            message = {}
        if not isinstance(message, dict):
            raise MalformedReplyError("a choice holds no message")
        self.choice_count += 1
        thinking, text = split_parts(message.get("content"))
        thinking = _reasoning_field(message) + thinking
        if text:
            self.content.append(text)
        if thinking:
            self.reasoning.append(thinking)
        reason = choice.get("finish_reason")
        # Some servers send an empty one with every chunk.
        if reason not in (None, ""):
            self.finish_reason = replace_surrogates(str(reason))[:MAX_FINISH_REASON_CHARACTERS]
        return bool(text or thinking)


def clean_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of a reported usage that are counts."""
    clean: dict[str, Any] = {name: n for name, n in usage.items() if is_count(n)}
    for name in ("prompt_tokens_details", "completion_tokens_details"):
        details = usage.get(name)
        if isinstance(details, dict):
            clean[name] = {key: n for key, n in details.items() if is_count(n)}
    return clean


def reasoning_tokens(reported: Mapping[str, Any]) -> int | None:
    """The reasoning tokens in a clean usage; `None` where it does not tell."""
    details = reported.get("completion_tokens_details") or {}
    return count_or_none(details.get("reasoning_tokens"))


def is_count(value: object) -> bool:
    """Whether a value is a count of tokens."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKEN_COUNT


def count_or_none(value: object) -> int | None:
    """The value if it is a count of tokens."""
    return value if isinstance(value, int) and is_count(value) else None


def _reasoning_field(message: Mapping[str, Any]) -> str:
    reasoning = message.get("reasoning") or message.get("reasoning_content") or ""
    return reasoning if isinstance(reasoning, str) else json.dumps(reasoning)
