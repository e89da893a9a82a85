"""Split a model's thinking from its answer part, in full texts and in streams."""

from __future__ import annotations

from dataclasses import dataclass, field

OPEN_TAG = "<think>"
CLOSE_TAG = "</think>"


def split_reasoning(content: str) -> tuple[str, str]:
    """Return the thinking and the answer part of a content.

    A block without a closing tag is thinking to the end. A closing tag without an opening one ends
    thinking that the prompt opened, as with the chat templates of Qwen3 and DeepSeek-R1.
    """
    if OPEN_TAG not in content and CLOSE_TAG not in content:
        return "", content.strip()
    head, close, _ = content.partition(CLOSE_TAG)
    if close and OPEN_TAG not in head:
        content = OPEN_TAG + content
    parser = ReasoningParser()
    part, rest = parser.feed(content), parser.end()
    return (part.thinking + rest.thinking).strip(), (part.answer + rest.answer).strip()


def split_parts(content: object) -> tuple[str, str]:
    """Return the thinking and the text of a message's content: a string or a list of parts."""
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
    """The thinking and the answer text in a delta of a stream."""

    thinking: str = ""
    answer: str = ""


@dataclass
class ReasoningParser:
    """Splits a stream of content at `<think>` and `</think>`, also if a tag spans two deltas."""

    _inside: bool = False
    _held: str = field(default="")

    def feed(self, text: str) -> ReasoningPart:
        """Add the next delta; hold back its end if that may be the start of a tag."""
        text, self._held = self._held + text, ""
        parts: dict[bool, list[str]] = {True: [], False: []}
        while text:
            tag = CLOSE_TAG if self._inside else OPEN_TAG
            before, separator, after = text.partition(tag)
            if separator:
                parts[self._inside].append(before)
                self._inside, text = not self._inside, after
                continue
            end = len(text) - _partial_tag_length(tag, text)
            parts[self._inside].append(text[:end])
            self._held = text[end:]
            break
        return ReasoningPart(thinking="".join(parts[True]), answer="".join(parts[False]))

    def end(self) -> ReasoningPart:
        """Return the text that is held back, at the end of the stream."""
        held, self._held = self._held, ""
        return ReasoningPart(thinking=held) if self._inside else ReasoningPart(answer=held)


def _partial_tag_length(tag: str, text: str) -> int:
    """Return how many characters at the end of a text could be the start of a tag."""
    max_length = min(len(tag) - 1, len(text))
    return next((n for n in range(max_length, 0, -1) if text.endswith(tag[:n])), 0)
