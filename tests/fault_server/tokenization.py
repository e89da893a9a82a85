"""A fake tokenizer, a fake prefix cache, and replies split into tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.fault_server.behavior import Behavior

BYTES_PER_TOKEN = 4
TOKENS_PER_BLOCK = 16
BYTES_PER_BLOCK = BYTES_PER_TOKEN * TOKENS_PER_BLOCK


def token_count(text: str) -> int:
    """Return the number of tokens of a text: one for every four bytes of its UTF-8."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def token_ids(text: str) -> list[int]:
    """Return the token IDs of a text, the same on every server."""
    raw = text.encode("utf-8", "surrogatepass")
    return [
        int.from_bytes(raw[start : start + BYTES_PER_TOKEN])
        for start in range(0, len(raw), BYTES_PER_TOKEN)
    ]


def token_texts(text: str) -> list[str]:
    """Return the texts of the tokens, as a byte-level tokenizer writes them."""
    raw = text.translate(str.maketrans({" ": "Ġ", "\n": "Ċ"}))
    return [raw[start : start + BYTES_PER_TOKEN] for start in range(0, len(raw), BYTES_PER_TOKEN)]


def prompt_text(body: Mapping[str, Any]) -> str:
    """Return the prompt: the messages in a chat template, or the field `prompt`."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return str(body.get("prompt", ""))
    turns = [
        f"<|im_start|>{message.get('role')}\n{_content(message)}<|im_end|>\n"
        for message in messages
    ]
    if body.get("continue_final_message"):
        return "".join(turns).removesuffix("<|im_end|>\n")
    return "".join(turns) + "<|im_start|>assistant\n"


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return str(content)


class PrefixCache:
    """The leading token blocks of prompts, as in vLLM's prefix cache."""

    def __init__(self) -> None:
        self._blocks: set[int] = set()

    def lookup(self, prompt: str) -> int:
        """Return the number of cached tokens of a prompt, and cache its complete blocks."""
        raw = prompt.encode("utf-8", "surrogatepass")
        chain = hits = 0
        unbroken = True
        for start in range(0, (len(raw) - 1) // BYTES_PER_BLOCK * BYTES_PER_BLOCK, BYTES_PER_BLOCK):
            chain = hash((chain, raw[start : start + BYTES_PER_BLOCK]))
            unbroken = unbroken and chain in self._blocks
            hits += TOKENS_PER_BLOCK * unbroken
            self._blocks.add(chain)
        return hits


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizedReply:
    """The texts of a reply, each split into a number of tokens."""

    reasoning: str
    reasoning_tokens: int
    text: str
    text_tokens: int
    reasoning_key: str
    finish_reason: str | None

    @property
    def total(self) -> int:
        return self.reasoning_tokens + self.text_tokens

    def delta(self, first: int, last: int) -> dict[str, str]:
        """Return the tokens from `first` to before `last` as the delta of a chunk."""
        border = self.reasoning_tokens
        delta: dict[str, str] = {}
        if first < border:
            delta[self.reasoning_key] = _token_slice(
                self.reasoning, border, first, min(last, border)
            )
        if last > border:
            start = max(first, border) - border
            part = _token_slice(self.text, self.text_tokens, start, last - border)
            delta["content"] = delta.get("content", "") + part
        return delta

    def truncate(self, max_tokens: int) -> TokenizedReply:
        """Return the reply, stopped after `max_tokens` tokens."""
        if self.total <= max_tokens:
            return self
        thought = min(self.reasoning_tokens, max_tokens)
        text_tokens = max_tokens - thought
        return TokenizedReply(
            reasoning=_token_slice(self.reasoning, self.reasoning_tokens, 0, thought),
            reasoning_tokens=thought,
            text=_token_slice(self.text, self.text_tokens, 0, text_tokens),
            text_tokens=text_tokens,
            reasoning_key=self.reasoning_key,
            finish_reason="length",
        )

    def message(self) -> dict[str, Any]:
        """Return the fields of a message; the content is null if there is only reasoning."""
        if self.reasoning_key == "content":
            return {"content": self.reasoning + self.text}
        only_thinking = bool(self.reasoning) and not self.text
        named = {self.reasoning_key: self.reasoning} if self.reasoning else {}
        return {"content": None if only_thinking else self.text, **named}


def tokenize_reply(behavior: Behavior, body: Mapping[str, Any]) -> TokenizedReply:
    """Return the reply of a behavior to a request."""
    thinks = behavior.reasoning_field == "think"
    reasoning = behavior.reasoning
    if thinks and reasoning:
        reasoning = f"<think>\n{reasoning}\n</think>\n\n"
    thought = behavior.reasoning_tokens
    if thought is None:
        thought = token_count(reasoning)
    text_tokens = behavior.tokens
    if text_tokens is None:
        text_tokens = token_count(behavior.text) or int(not thought)
    reply = TokenizedReply(
        reasoning=reasoning,
        reasoning_tokens=thought,
        text=behavior.text,
        text_tokens=text_tokens,
        reasoning_key="content" if thinks else behavior.reasoning_field,
        finish_reason=behavior.finish_reason,
    )
    if not behavior.obey_max_tokens:
        return reply
    max_tokens = body.get("max_completion_tokens") or body.get("max_tokens")
    return reply.truncate(int(max_tokens)) if max_tokens else reply


def _token_slice(text: str, tokens: int, first: int, last: int) -> str:
    """Return the tokens from `first` to before `last` of a text that is split into `tokens`."""
    if tokens == 0:
        return ""
    return text[first * len(text) // tokens : last * len(text) // tokens]
