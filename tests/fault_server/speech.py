"""The fake tokenizer, and a reply's texts cut into tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.fault_server.behaviour import Behaviour

BYTES_A_TOKEN = 4
TOKENS_A_BLOCK = 16
BYTES_A_BLOCK = BYTES_A_TOKEN * TOKENS_A_BLOCK


def token_count(text: str) -> int:
    """How many tokens a text is: one for every four bytes of its UTF-8."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_A_TOKEN)


def token_ids(text: str) -> list[int]:
    """A text's tokens; the same text has the same ones on every server."""
    raw = text.encode("utf-8", "surrogatepass")
    return [
        int.from_bytes(raw[start : start + BYTES_A_TOKEN])
        for start in range(0, len(raw), BYTES_A_TOKEN)
    ]


def prompt_of(body: Mapping[str, Any]) -> str:
    """What the model reads: the messages through a chat template, or the prompt."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return str(body.get("prompt", ""))
    turns = [f"<|im_start|>{one.get('role')}\n{_content(one)}<|im_end|>\n" for one in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return str(content)


class PrefixCache:
    """The blocks of tokens that prompts began with, as vLLM's prefix cache keeps them."""

    def __init__(self) -> None:
        self._blocks: set[int] = set()

    def cached(self, prompt: str) -> int:
        """How many tokens of a prompt were there already; afterwards all whole blocks are."""
        raw = prompt.encode("utf-8", "surrogatepass")
        chain = hits = 0
        unbroken = True
        for start in range(0, (len(raw) - 1) // BYTES_A_BLOCK * BYTES_A_BLOCK, BYTES_A_BLOCK):
            chain = hash((chain, raw[start : start + BYTES_A_BLOCK]))
            unbroken = unbroken and chain in self._blocks
            hits += TOKENS_A_BLOCK * unbroken
            self._blocks.add(chain)
        return hits


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """What a reply says, as texts that are cut into so many tokens each."""

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
        """The tokens from `first` to before `last`, as the fields of a chunk's delta."""
        border = self.reasoning_tokens
        delta: dict[str, str] = {}
        if first < border:
            delta[self.reasoning_key] = _cut(self.reasoning, border, first, min(last, border))
        if last > border:
            start = max(first, border) - border
            piece = _cut(self.text, self.text_tokens, start, last - border)
            delta["content"] = delta.get("content", "") + piece
        return delta

    def limited(self, most: int) -> Speech:
        """The same speech, stopped after `most` tokens."""
        if self.total <= most:
            return self
        thought = min(self.reasoning_tokens, most)
        said = most - thought
        return Speech(
            reasoning=_cut(self.reasoning, self.reasoning_tokens, 0, thought),
            reasoning_tokens=thought,
            text=_cut(self.text, self.text_tokens, 0, said),
            text_tokens=said,
            reasoning_key=self.reasoning_key,
            finish_reason="length",
        )

    def message(self) -> dict[str, Any]:
        """The fields of a whole message; content is null where there is only reasoning."""
        if self.reasoning_key == "content":
            return {"content": self.reasoning + self.text}
        only_thinking = bool(self.reasoning) and not self.text
        named = {self.reasoning_key: self.reasoning} if self.reasoning else {}
        return {"content": None if only_thinking else self.text, **named}


def speech_of(behaviour: Behaviour, body: Mapping[str, Any]) -> Speech:
    """What a behaviour says to a request."""
    thinks = behaviour.reasoning_field == "think"
    reasoning = behaviour.reasoning
    if thinks and reasoning:
        reasoning = f"<think>\n{reasoning}\n</think>\n\n"
    thought = behaviour.reasoning_tokens
    if thought is None:
        thought = token_count(reasoning)
    said = behaviour.tokens
    if said is None:
        said = token_count(behaviour.text) or int(not thought)
    speech = Speech(
        reasoning=reasoning,
        reasoning_tokens=thought,
        text=behaviour.text,
        text_tokens=said,
        reasoning_key="content" if thinks else behaviour.reasoning_field,
        finish_reason=behaviour.finish_reason,
    )
    if not behaviour.obey_max_tokens:
        return speech
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    return speech.limited(int(most)) if most else speech


def _cut(text: str, pieces: int, first: int, last: int) -> str:
    """The pieces from `first` to before `last` of a text that is cut into so many."""
    if pieces == 0:
        return ""
    return text[first * len(text) // pieces : last * len(text) // pieces]
