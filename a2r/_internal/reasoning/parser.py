"""Split thinking from the answer in a text that arrives in pieces."""

from __future__ import annotations

import re
from typing import Literal

from a2r._internal.reasoning.block import ThinkingBlock
from a2r._internal.reasoning.parts import PartBuilder, ReasoningPart
from a2r._internal.reasoning.scanner import TagContext, TagScanner, Token
from a2r._internal.reasoning.tags import Tag
from a2r._internal.reasoning.unmarked import UnmarkedReasoning

Mode = Literal["answer", "thinking", "header", "over"]

MAX_HEADER_CHARACTERS = 200
HEADER = re.compile(r"\s{0,40}(analysis|commentary|final|assistant|model|[\w.]{0,40})")
OTHER_ROLES = frozenset(
    ("user", "human", "system", "developer", "tool", "function", "observation", "ipython")
)
# What an opening tag directly follows where it does not start a line; in a sentence, a space does.
BEFORE_OPENING = re.compile(r"[A-Za-z0-9.!?。！？)}]")
# Sentences without spaces: Chinese and Japanese.
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
# A channel of harmony: any of these ends its message.
CHANNEL = Tag(kind="open", name="", ends=frozenset({"<|end|>", "<|return|>", "<|call|>"}))
FINAL = "assistantfinal"
# Around a channel's word, these make it text.
NOT_BEFORE_WORD, NOT_AFTER_WORD = frozenset(" \t\"'`“‘(_-"), frozenset(" \t\"'`”’),.;:!?_-")
ANY_LINE = -1


class ReasoningParser:
    """Splits a text at the tags of `tags`, however the text is cut into pieces.

    An opening tag counts at the start of a line, after another tag and directly after text. A
    closing tag without an opening one ends thinking that the prompt started. Tags in
    Markdown code, in quotes and in the middle of a sentence are text. Thinking that is never
    closed lasts to the end. Special tokens are dropped, and so is the text after the one that ends
    the turn of the model.
    """

    def __init__(self, *, opened: Tag | None = None, recovers: bool = True) -> None:
        """Start with no text.

        Args:
            opened: the tag of thinking that the prompt has opened, if it is known.
            recovers: whether thinking that nothing else ends is ended by a tag that may have ended
                it, such as one in a fenced block that is not closed.
        """
        self._recovers = recovers
        self._start: UnmarkedReasoning | None = UnmarkedReasoning()
        self._scanner = TagScanner()
        self._output = PartBuilder()
        self._mode: Mode = "answer"
        self._block = ThinkingBlock(tag=CHANNEL)
        # The text of a header, and whether it is that of a channel.
        self._header, self._in_channel = "", False
        # Whether there is closed thinking, and only white space after it.
        self._closed = self._after_block = False
        self._wrapper = ""
        # The lines of opening tags that are text.
        self._mentions: dict[str, int] = {}
        # Whether the text has channels: with special tokens, and without.
        self._has_channels = self._has_channel_words = False
        self._may_resume = False
        self.opening_of_prompt: Tag | None = None
        """The tag of thinking that the prompt has opened, known as soon as the text closes it."""
        self._opened = opened
        if opened is not None:
            self._start = None
            self._open(opened)

    def feed(self, text: str) -> list[ReasoningPart]:
        """Add the next piece; hold back its end if what follows decides what it is."""
        if self._start is None and self._scanner.add_plain(text):
            self._add_text(text)
            return self._output.take()
        return self._parse(text, final=False)

    def end(self) -> list[ReasoningPart]:
        """Return the text that is held back, at the end of the stream."""
        return self._parse("", final=True)

    def _parse(self, text: str, *, final: bool) -> list[ReasoningPart]:
        if self._start is not None:
            start = self._start.feed(text, final=final)
            if start is None:
                return []
            self._start, text = None, start.text
            self._has_channel_words = start.harmony
            if start.thinking_continues:
                self._open(CHANNEL)
            elif start.thinking:
                self._output.add_thinking(start.thinking)
                self._close()
        for token in self._scanner.scan(text, final=final):
            if token.context is None:
                self._add_text(token.text)
            elif not self._add_tag(token, token.context):
                self._add_tag_as_text(token)
        if final:
            self._finish()
        return self._output.take()

    def _finish(self) -> None:
        if self._mode == "header":
            self._end_header(complete=False)
        rest = self._block.text_after_end() if self._mode == "thinking" and self._recovers else ""
        if rest:
            parser = ReasoningParser(recovers=False)
            self._output.extend([*parser.feed(rest), *parser.end()])

    def _add_text(self, text: str) -> None:
        if self._mode == "answer":
            self._after_block = self._after_block and text.isspace()
            self._output.add_answer(text)
        elif self._mode == "thinking":
            self._block.add_text(text)
            self._output.add_thinking(text)
        elif self._mode == "header":
            self._add_to_header(text)
        elif not text.isspace():
            self._may_resume = False

    def _add_tag_as_text(self, token: Token) -> None:
        self._scanner.code.add_text(token.text)
        self._add_text(token.text)

    def _add_tag(self, token: Token, context: TagContext) -> bool:
        """Add a tag, or a word that may be a channel; return `False` if it is text."""
        tag = token.tag
        if self._mode == "header":
            return self._add_tag_in_header(token, context)
        if tag is None:
            return self._add_channel_word(token.text, context)
        if self._mode == "thinking":
            return self._add_tag_in_thinking(token, tag, context)
        if self._mode == "over":
            return self._resume(tag)
        if context.in_fence:
            return self._add_tag_in_fence(tag, context)
        if tag.kind == "open":
            return self._add_opening(tag, context)
        if tag.kind == "close":
            return self._add_unpaired_closing(tag, context)
        return self._add_special_token(tag, context)

    def _open(self, tag: Tag) -> None:
        self._mode, self._block = "thinking", ThinkingBlock(tag=tag)
        self._scanner.start_line()

    def _close(self) -> None:
        self._mode, self._closed, self._after_block = "answer", True, True
        self._mentions = {}
        if self._opened is not None and self._block.tag is self._opened:
            self.opening_of_prompt = self._opened
        self._output.end_thinking()
        self._scanner.looks_ahead = False
        self._scanner.start_line()

    def _add_tag_in_thinking(self, token: Token, tag: Tag, context: TagContext) -> bool:
        if self._block.tag is CHANNEL and tag.name in ("<|start|>", "<|channel|>"):
            self._start_header(tag)
            return True
        verdict = self._block.add_tag(token, tag, context, self._scanner.code)
        if verdict == "ends":
            self._close()
        elif verdict != "repeats":
            self._add_tag_as_text(token)
            self._scanner.looks_ahead = self._block.depth > 1
        if verdict == "may end":
            self._block.may_end()
        return True

    def _add_tag_in_fence(self, tag: Tag, context: TagContext) -> bool:
        closes_inner = self._scanner.code.add_tag(tag.name, opens=tag.kind == "open")
        if tag.kind == "close" and context.starts_line and context.before_blank_line:
            return not closes_inner and self._add_unpaired_closing(tag, context)
        return tag.kind == "end" and context.ends_text

    def _add_opening(self, tag: Tag, context: TagContext) -> bool:
        if context.starts_line or BEFORE_OPENING.match(context.previous):
            self._open(tag)
            return True
        # An element within another one is a part of a document.
        self._mentions[tag.name] = ANY_LINE if context.previous == ">" else context.line
        return False

    def _add_unpaired_closing(self, tag: Tag, context: TagContext) -> bool:
        mention = self._mentions.pop(tag.name, None)
        if context.is_mention or _in_words(context) or mention in (context.line, ANY_LINE):
            return False
        if self._closed:
            # The text may have a closing tag too many at its end.
            self._output.retracts_later = self._output.answered
        else:
            self._output.retract()
            self.opening_of_prompt = Tag(kind="open", name=tag.name)
        self._close()
        return True

    def _add_special_token(self, tag: Tag, context: TagContext) -> bool:
        match tag.kind:
            case "wrap":
                if not self._after_block:
                    return False
                self._wrapper = tag.name
            case "unwrap":
                if tag.name != self._wrapper:
                    return False
                self._wrapper = ""
            case "strike":
                self._mentions[tag.name] = context.line
                return False
            case "end" | "role" | "channel":
                return self._add_turn_token(tag, context)
            case _ if context.in_span or context.quoted:
                return False
        self._scanner.start_line()
        return True

    def _add_turn_token(self, tag: Tag, context: TagContext) -> bool:
        is_strike = tag.name == "</s>" and self._mentions.pop("<s>", None) == context.line
        if context.is_mention or context.in_line or is_strike:
            return False
        if tag.kind == "channel" or tag.name == "<|start|>":
            self._start_header(tag)
        elif self._output.answered:
            self._mode, self._may_resume = "over", True
        elif tag.kind == "role":
            self._start_header(tag)
        self._scanner.start_line()
        return True

    def _resume(self, tag: Tag) -> bool:
        """Continue after the end of a turn, if it only was the end of a channel."""
        if self._may_resume and tag.name in ("<|start|>", "<|channel|>"):
            self._start_header(tag)
        return True

    def _start_header(self, tag: Tag) -> None:
        self._mode, self._header, self._in_channel = "header", "", tag.kind == "channel"

    def _add_tag_in_header(self, token: Token, context: TagContext) -> bool:
        kind = token.tag.kind if token.tag else None
        if kind == "channel":
            self._header, self._in_channel = "", True
        elif kind == "message":
            self._end_header(complete=True)
            self._scanner.start_line()
        elif kind != "marker":
            self._end_header(complete=False)
            return self._add_tag(token, context)
        return True

    def _add_to_header(self, text: str) -> None:
        line, newline, rest = text.partition("\n")
        self._header += line
        if len(self._header) > MAX_HEADER_CHARACTERS:
            self._end_header(complete=False)
            rest = newline + rest
        elif newline:
            self._end_header(complete=True)
        if rest:
            self._add_text(rest)

    def _end_header(self, *, complete: bool) -> None:
        """Start what the header announces; an incomplete one may have text after its first word."""
        match = HEADER.match(self._header)
        word, rest = (match[1], self._header[match.end() :]) if match else ("", self._header)
        if self._in_channel:
            self._start_channel(word)
        elif self._output.answered or (self._closed and word.lower() in OTHER_ROLES):
            self._mode, self._may_resume = "over", False
        else:
            self._mode = "answer"
        if rest and not complete:
            self._add_text(rest)

    def _start_channel(self, name: str) -> None:
        if not self._has_channels:
            # The prompt started the first channel.
            self._output.retract()
        self._has_channels = True
        if name != "final":
            self._mode, self._block = "thinking", ThinkingBlock(tag=CHANNEL)
            return
        self._mode = "answer"
        if self._output.answered:
            self._output.add_answer("\n\n")

    def _add_channel_word(self, word: str, context: TagContext) -> bool:
        if context.in_span or context.quoted or context.in_fence:
            return False
        if self._mode == "thinking" and self._block.tag is CHANNEL:
            if word == FINAL and not context.in_sentence:
                self._close()
                return True
            return False
        if self._mode != "answer" or not _is_glued(context):
            return False
        if word != FINAL and not self._has_channel_words:
            return False
        if word != FINAL:
            self._open(CHANNEL)
        elif self._has_channel_words:
            self._output.add_answer("\n\n")
        else:
            # The prompt started the channel of the thinking.
            self._output.retract()
            self._has_channel_words = True
            self._close()
        return True


def _in_words(context: TagContext) -> bool:
    """Whether a tag is in the middle of a sentence that has no spaces."""
    around = context.previous, context.following
    return all(UNSPACED.match(character) for character in around)


def _is_glued(context: TagContext) -> bool:
    """Whether text is directly around a channel's word, which is rare where the word is text."""
    before = context.starts_line or context.previous not in NOT_BEFORE_WORD
    return before and context.following not in NOT_AFTER_WORD and not context.following.islower()
