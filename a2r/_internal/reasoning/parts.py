"""The thinking and the answer of a text as consecutive parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ReasoningPart:
    """The thinking and the answer text in a part of a stream.

    `retracts` means that the answer text of all earlier parts was thinking: the prompt started it,
    and a closing tag without an opening one ended it.
    """

    thinking: str = ""
    answer: str = ""
    retracts: bool = False


def merge_parts(parts: Iterable[ReasoningPart]) -> ReasoningPart:
    """Return consecutive parts as one."""
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    thinking: list[str] = []
    answer: list[str] = []
    retracts = False
    for part in parts:
        if part.retracts:
            thinking += answer
            answer, retracts = [], True
        thinking.append(part.thinking)
        answer.append(part.answer)
    return ReasoningPart(thinking="".join(thinking), answer="".join(answer), retracts=retracts)


@dataclass
class PartBuilder:
    """Collects parts.

    `answered` means that there is an answer, `retracts_later` that the answer so far is thinking if
    more text follows.
    """

    answered: bool = False
    retracts_later: bool = False
    _separates: bool = False
    _parts: list[ReasoningPart] = field(default_factory=list)

    def add_thinking(self, text: str) -> None:
        """Add thinking."""
        self._parts.append(ReasoningPart(thinking=text))

    def add_answer(self, text: str) -> None:
        """Add text of the answer."""
        if self._separates and text and not text[0].isspace():
            text = "\n" + text
        self._separates = False
        visible = text.lstrip()
        if visible and self.retracts_later:
            self._parts.append(ReasoningPart(answer=text[: -len(visible)]))
            self.retract()
            text = visible
        self.answered = self.answered or bool(visible)
        self._parts.append(ReasoningPart(answer=text))

    def end_thinking(self) -> None:
        """Separate what the answer has before and after thinking."""
        self._separates = self.answered

    def retract(self) -> None:
        """Make the answer so far thinking."""
        if self.answered:
            self._parts.append(ReasoningPart(retracts=True))
        self.answered = self.retracts_later = False

    def extend(self, parts: Iterable[ReasoningPart]) -> None:
        """Add parts."""
        self._parts += parts

    def take(self) -> list[ReasoningPart]:
        """Return the parts that were added since the last call."""
        parts, self._parts = self._parts, []
        return parts
