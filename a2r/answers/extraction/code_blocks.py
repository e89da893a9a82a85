"""Fenced code blocks and JSON in a text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

FENCE = re.compile(r"^[ \t]{0,3}(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^\n`]*$", re.MULTILINE)
OUTPUTS = frozenset(
    {"json", "output", "console", "text", "plaintext", "bash", "sh", "shell", "stdout"}
)
CODE = re.compile(
    r"^(?:def |class |import |from \w|#include|function |const |let |var |SELECT |package "
    r"|fn |pub |public |@)"
)
MAX_ATTEMPTS = 40


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: its language, its body, and whether its fence is closed."""

    language: str
    body: str
    closed: bool = True


def fenced_blocks(text: str) -> list[Block]:
    """The fenced blocks of a text, in order; a fence inside a longer one is part of its body."""
    blocks: list[Block] = []
    opening: re.Match[str] | None = None
    for match in FENCE.finditer(text):
        if opening is None:
            opening = match
        elif match[1].startswith(opening[1]) and not match[2]:
            body = text[opening.end() : match.start()].strip("\n")
            blocks.append(Block(language=opening[2].lower(), body=body))
            opening = None
    if opening is not None:
        body = text[opening.end() :].strip("\n")
        blocks.append(Block(language=opening[2].lower(), body=body, closed=False))
    return blocks


def strip_code(text: str) -> str:
    """The text without its fenced blocks; if there is nothing else, without the fences only."""
    prose, opening = [], None
    position = 0
    for match in FENCE.finditer(text):
        if opening is None:
            prose.append(text[position : match.start()])
            opening = match
        elif match[1].startswith(opening[1]) and not match[2]:
            position, opening = match.end(), None
    prose.append("" if opening is not None else text[position:])
    remaining = "\n".join(prose)
    return remaining if remaining.strip() else text.replace("```", "")


def last_code(text: str) -> str | None:
    """The last block of code; a text that is only code counts as a block."""
    blocks = [block for block in fenced_blocks(text) if block.body.strip()]
    programs = [block for block in blocks if block.language not in OUTPUTS] or blocks
    if programs:
        return programs[-1].body
    return text.strip("\n") if CODE.match(text.lstrip()) else None


def last_json(text: str) -> str | None:
    """The last JSON object or array of a text, as written; fenced blocks take precedence."""
    for block in reversed(fenced_blocks(text)):
        document = _last_document(block.body)
        if document is not None and (block.closed or _loads(block.body.strip()) is not None):
            return document
    return _last_document(text)


def answer_in_json(text: str) -> tuple[bool, Any]:
    """Whether the JSON of a text is an object with an answer, and that answer."""
    document = last_json(text) if "{" in text and "nswer" in text else None
    value = None if document is None else _loads(document)
    if isinstance(value, dict):
        for name in ("answer", "final_answer", "Answer", "finalAnswer", "final answer"):
            if name in value:
                return True, value[name]
    return False, None


def _last_document(text: str) -> str | None:
    decoder = json.JSONDecoder()
    document: str | None = None
    has_object = False
    position = attempts = 0
    while attempts < MAX_ATTEMPTS:
        starts = [n for n in (text.find("{", position), text.find("[", position)) if n >= 0]
        if not starts:
            break
        attempts += 1
        try:
            value, end = decoder.raw_decode(text, min(starts))
        except (ValueError, RecursionError):
            position = min(starts) + 1
            continue
        # After an object, a later [1] is a reference rather than an answer.
        if isinstance(value, dict) or not has_object:
            has_object = has_object or isinstance(value, dict)
            document = text[min(starts) : end]
        position = end
    if document is None and _loads(text.strip()) is not None:
        return text.strip()
    return document


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
