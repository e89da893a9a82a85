"""Thinking without tags at the start of a text, known by its first words.

Two formats have no tags: harmony without its special tokens ("analysisWe need … assistantfinal42")
and Granite's ("Here is my thought process: … Here is my response: 42").
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from a2r._internal.reasoning.tags import ANALYSIS, FIRST_WORDS, THOUGHTS

FINAL = re.compile(r"(?<![`\"'“‘ \t])assistantfinal(?=[^`\"'”’])")
RESPONSE = re.compile(r"Here(?: is|'s|’s) my response:(?=.)", re.DOTALL)
MESSAGE = "<|message|>"
STARTS = (*FIRST_WORDS, *(f"{word}{MESSAGE}" for word in ANALYSIS))
# After the word "analysis", these start or continue a text about an analysis.
PUNCTUATION = ".,:;!?-'’)"
MAX_HEAD_CHARACTERS = 64


@dataclass(frozen=True, kw_only=True)
class TextStart:
    """The start of a text: thinking that is complete, and the text after it.

    `harmony` means that the text has channels without special tokens, `thinking_continues` that
    the text after the start is thinking, too.
    """

    thinking: str = ""
    text: str
    harmony: bool = False
    thinking_continues: bool = False


@dataclass
class UnmarkedReasoning:
    """Decides whether a text starts with thinking that has no tags.

    The word "analysis" with text directly after it is harmony's channel, and the text is thinking.
    The word alone, as in "analysis of the data …", may be both, and so may "Here is my thought
    process:". Then the words that start the answer decide; a text without them is an answer.
    """

    _parts: list[str] = field(default_factory=list)
    _head: str = ""
    _answer: re.Pattern[str] | None = None
    _searched: str = ""

    def feed(self, text: str, *, final: bool) -> TextStart | None:
        """Add the next text; return `None` until its start is known, at the end at the latest."""
        if self._answer is not None:
            return self._find_answer(text, self._answer, final=final)
        self._parts.append(text)
        self._head = (self._head + text).lstrip()[:MAX_HEAD_CHARACTERS]
        if not final and any(words.startswith(self._head) for words in STARTS):
            return None
        whole = "".join(self._parts)
        if self._head.startswith(THOUGHTS):
            answer = RESPONSE
        else:
            word = next((word for word in ANALYSIS if self._head.startswith(word)), "")
            following = self._head[len(word) :]
            if not word or not following or following[0] in PUNCTUATION:
                return TextStart(text=whole)
            if following[0].isalnum() or following.startswith(MESSAGE):
                rest = whole.lstrip()[len(word) :].removeprefix(MESSAGE)
                return TextStart(text=rest, harmony=True, thinking_continues=True)
            answer = FINAL
        self._parts, self._answer = [], answer
        return self._find_answer(whole, answer, final=final)

    def _find_answer(self, text: str, answer: re.Pattern[str], *, final: bool) -> TextStart | None:
        self._parts.append(text)
        searched = self._searched + text
        # The first words are no answer, and later, a match at the start was already rejected.
        found = answer.search(searched, 1)
        if found:
            thinking = "".join(self._parts).removesuffix(searched[found.start() :])
            rest = searched[found.end() :]
            return TextStart(thinking=thinking, text=rest, harmony=answer is FINAL)
        self._searched = searched[-MAX_HEAD_CHARACTERS:]
        return TextStart(text="".join(self._parts)) if final else None
