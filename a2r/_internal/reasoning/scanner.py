"""Find the tags in a text that arrives in pieces, and what surrounds them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from a2r._internal.reasoning.code_spans import CodeTracker
from a2r._internal.reasoning.tags import TOKEN, Tag, find_tag, partial_tag_start

# How much text after a tag decides what it is: where inline code may be open, and elsewhere.
MAX_SPAN_CHARACTERS = 80
LOOKAHEAD_CHARACTERS = 8
QUOTES = {
    '"': '"',
    "'": "'",
    "“": "”",
    "‘": "’",
    "«": "»",
    "(": ")",
    "[": "]",
    "{": "}",
    "「": "」",
}
# After a tag in the middle of a sentence.
PUNCTUATION = frozenset(".,;:!?)|")
CONTINUATION = frozenset("|=-–—:(/&+")
# What a piece of text has if it is not certainly text in the middle of a line.
TOKEN_START = re.compile(r"[\n`~<\[◁]|a(?:\Z|s(?:\Z|s))")
BLANK_LINE = re.compile(r"[ \t]*(?:\n[ \t]*\n|\n?\Z)")


@dataclass(frozen=True, kw_only=True, slots=True)
class TagContext:
    """What surrounds a tag.

    `starts_line` means that only white space is before the tag in its line, `line` is the number of
    the line, `previous` and `following` are the characters around the tag. `in_span` and `in_fence`
    mean inline code and a fenced block, `quoted` quotes or brackets directly around the tag,
    `in_line` spaces and text on both sides, `in_sentence` words of one sentence on both sides,
    `before_blank_line` that the line ends with the tag and a blank line follows, `ends_text` that
    only white space follows. What follows the tag is known where that may make it text.
    """

    starts_line: bool
    line: int
    previous: str
    following: str = ""
    in_span: bool = False
    in_fence: bool = False
    quoted: bool = False
    in_line: bool = False
    in_sentence: bool = False
    before_blank_line: bool = False
    ends_text: bool = False

    @property
    def is_mention(self) -> bool:
        """Whether the text is about the tag."""
        return self.in_span or self.quoted or self.in_sentence


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A piece of text, or a tag or a channel's word with a `context`; a word has no `tag`."""

    text: str
    tag: Tag | None = None
    context: TagContext | None = None


class TagScanner:
    """Splits a text into tokens; holds back an end that may be a part of a tag.

    `code` is where the text so far ends. `looks_ahead` means that what follows a tag matters.
    """

    def __init__(self) -> None:
        """Start with no text."""
        self.code = CodeTracker()
        self.looks_ahead = False
        self._held = ""

    def add_plain(self, text: str) -> bool:
        """Add a piece of text if it surely has no tag; return whether it is added.

        Most pieces of a stream have none, and this takes a fraction of the time of `scan`.
        """
        if self._held or TOKEN_START.search(text):
            return False
        self.code.add_text(text)
        return True

    def scan(self, text: str, *, final: bool) -> Iterator[Token]:
        """Return the tokens of the text so far that were not returned before."""
        buffer, self._held = self._held + text, ""
        start = position = 0
        for match in TOKEN.finditer(buffer):
            self.code.add_text(buffer[position : match.start()])
            position = match.start()
            if match.lastgroup == "newline":
                self.code.add_newlines(match[0])
            elif match.lastgroup == "fence":
                self.code.add_run(match[0])
            else:
                if start < position:
                    yield Token(text=buffer[start:position])
                context = self._context(buffer, match, final=final)
                if context is None:
                    self._held = buffer[position:]
                    return
                yield Token(text=match[0], tag=find_tag(match[0]), context=context)
                start = match.end()
            position = match.end()
        end = len(buffer) if final else partial_tag_start(buffer, position)
        self.code.add_text(buffer[position:end])
        if start < end:
            yield Token(text=buffer[start:end])
        self._held = buffer[end:]

    def start_line(self) -> None:
        """Continue as at the start of a line, outside of code."""
        self.code = CodeTracker(line=self.code.line)

    def _context(self, buffer: str, match: re.Match[str], *, final: bool) -> TagContext | None:
        """Return what surrounds a tag; `None` if the text after it is missing."""
        code = self.code
        code.end_run("\n")
        quote = QUOTES.get(code.previous)
        spaced = code.previous in " \t" and not code.line_blank
        certain = code.previous.isascii() and match.lastgroup == "tag" and not self.looks_ahead
        if certain and not (code.span or code.fence or quote or spaced):
            return TagContext(starts_line=code.line_blank, line=code.line, previous=code.previous)
        after = buffer[match.end() : match.end() + MAX_SPAN_CHARACTERS]
        line = after.partition("\n")[0]
        in_span = bool(code.span) and "`" in line
        needed = MAX_SPAN_CHARACTERS if code.span and line == after else LOOKAHEAD_CHARACTERS
        if not (final or in_span or len(after) >= needed):
            return None
        after = after[:LOOKAHEAD_CHARACTERS]
        return TagContext(
            starts_line=code.line_blank,
            line=code.line,
            previous=code.previous,
            following=after[:1],
            in_span=in_span,
            in_fence=bool(code.fence),
            quoted=quote is not None and after[:1] == quote,
            in_line=spaced
            and after[:1] in (" ", "\t")
            and after.lstrip(" \t")[:1] not in ("", "\n"),
            in_sentence=spaced and _continues_sentence(after),
            before_blank_line=BLANK_LINE.match(after) is not None,
            ends_text=not after.strip(),
        )


def _continues_sentence(after: str) -> bool:
    following, next_one = after[:1], after[1:2]
    if following in (" ", "\t"):
        return next_one.islower() or next_one in CONTINUATION
    return following in PUNCTUATION
