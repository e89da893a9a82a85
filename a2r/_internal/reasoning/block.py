"""Thinking between an opening and a closing tag."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from a2r._internal.reasoning.code_spans import CodeTracker
from a2r._internal.reasoning.scanner import TagContext, Token
from a2r._internal.reasoning.tags import Tag

# `may end`: the tag is text, unless no other tag ends the thinking.
Verdict = Literal["ends", "may end", "text", "repeats"]


@dataclass
class ThinkingBlock:
    """Thinking that `tag` opened.

    `depth` is that of nested blocks, `blank` means that no text followed the tag, `inner` counts
    the opening tags of other names.
    """

    tag: Tag
    depth: int = 1
    blank: bool = True
    inner: Counter[str] = field(default_factory=Counter)
    _after: list[str] | None = None

    def add_text(self, text: str) -> None:
        """Add text."""
        self.blank = self.blank and text.isspace()
        if self._after is not None:
            self._after.append(text)

    def may_end(self) -> None:
        """Remember that the thinking may end here."""
        self._after = []

    def text_after_end(self) -> str:
        """Return the text after the last tag that may have ended the thinking."""
        return "".join(self._after or [])

    def add_tag(self, token: Token, tag: Tag, context: TagContext, code: CodeTracker) -> Verdict:
        """Return what a tag in the thinking means."""
        if context.in_span or context.quoted:
            return "text"
        is_own = tag.name == self.tag.name or token.text.lower() in self.tag.ends
        if context.in_fence:
            return self._in_fence(token, tag, context, code, is_own=is_own)
        if tag.kind == "open":
            return self._open(tag, context, is_own=is_own)
        if is_own:
            return self._close(context)
        if tag.kind != "close" or context.in_sentence:
            return "text"
        if self.inner[tag.name]:
            self.inner[tag.name] -= 1
            return "text"
        return "may end"

    def _open(self, tag: Tag, context: TagContext, *, is_own: bool) -> Verdict:
        if is_own and self.blank:
            return "repeats"
        if is_own and not context.in_sentence:
            self.depth += 1
        elif not is_own and not context.in_sentence:
            self.inner[tag.name] += 1
        return "text"

    def _close(self, context: TagContext) -> Verdict:
        self.depth -= 1
        if self.depth == 0:
            return "ends"
        return "may end" if context.starts_line and context.before_blank_line else "text"

    @staticmethod
    def _in_fence(
        token: Token, tag: Tag, context: TagContext, code: CodeTracker, *, is_own: bool
    ) -> Verdict:
        if code.add_tag(tag.name, opens=tag.kind == "open") or tag.kind == "open":
            return "text"
        # A special token is hardly a part of a program.
        if is_own and token.text.startswith("<|"):
            return "ends"
        if not context.starts_line or not (is_own or tag.kind == "close"):
            return "text"
        return "ends" if is_own and context.before_blank_line else "may end"
