"""Telling a model's thinking from its answer part, whole or while it streams."""

from __future__ import annotations

from dataclasses import dataclass, field

OPEN_TAG = "<think>"
CLOSE_TAG = "</think>"


def split_reasoning(content: str) -> tuple[str, str]:
    """The thinking and the answer part of a content.

    A block that is never closed is thinking to its end; a closing tag without an opening one ends
    thinking that began in the prompt, as the chat templates of Qwen3 and DeepSeek-R1 have it.
    """
    if OPEN_TAG not in content and CLOSE_TAG not in content:
        return "", content.strip()
    head, close, _ = content.partition(CLOSE_TAG)
    if close and OPEN_TAG not in head:
        content = OPEN_TAG + content
    splitter = ReasoningParser()
    first, second = splitter.feed(content), splitter.end()
    return (first.thinking + second.thinking).strip(), (first.answer + second.answer).strip()


def split_parts(content: object) -> tuple[str, str]:
    """The thinking and the text of a message's content, which is text or a list of parts."""
    if not isinstance(content, list):
        return "", content if isinstance(content, str) else ""
    thinking, text = [], []
    for part in content:
        if isinstance(part, str):
            text.append(part)
        elif isinstance(part, dict) and part.get("type") in (None, "text", "output_text"):
            text.append(str(part.get("text") or ""))
        elif isinstance(part, dict):
            thinking.append(str(part.get("thinking") or part.get("reasoning") or ""))
    return "".join(thinking), "".join(text)


@dataclass(frozen=True, kw_only=True)
class ReasoningPart:
    """What a piece of a stream adds to the thinking and to the answer part."""

    thinking: str = ""
    answer: str = ""


@dataclass
class ReasoningParser:
    """Splits a stream of content pieces at `<think>` and `</think>`, tags cut in two included."""

    _inside: bool = False
    _held: str = field(default="")

    def feed(self, text: str) -> ReasoningPart:
        """Take the next piece; what may be the beginning of a tag is held back."""
        text, self._held = self._held + text, ""
        parts: dict[bool, list[str]] = {True: [], False: []}
        while text:
            tag = CLOSE_TAG if self._inside else OPEN_TAG
            before, found, after = text.partition(tag)
            if found:
                parts[self._inside].append(before)
                self._inside, text = not self._inside, after
                continue
            held = _partial_tag_length(tag, text)
            parts[self._inside].append(text[: len(text) - held])
            self._held = text[len(text) - held :]
            break
        return ReasoningPart(thinking="".join(parts[True]), answer="".join(parts[False]))

    def end(self) -> ReasoningPart:
        """Give out what is still held back at the end of the stream."""
        held, self._held = self._held, ""
        return ReasoningPart(thinking=held) if self._inside else ReasoningPart(answer=held)


def _partial_tag_length(tag: str, text: str) -> int:
    """How many of the last characters of a text could be the beginning of a tag."""
    longest = min(len(tag) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if text.endswith(tag[:n])), 0)
