"""JSON and code in a text, fenced or bare."""

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
    found: list[Block] = []
    opened: re.Match[str] | None = None
    for match in FENCE.finditer(text):
        if opened is None:
            opened = match
        elif match[1].startswith(opened[1]) and not match[2]:
            body = text[opened.end() : match.start()].strip("\n")
            found.append(Block(language=opened[2].lower(), body=body))
            opened = None
    if opened is not None:
        body = text[opened.end() :].strip("\n")
        found.append(Block(language=opened[2].lower(), body=body, closed=False))
    return found


def strip_code(text: str) -> str:
    """The text without its fenced blocks, unless there is nothing else."""
    prose, opened = [], None
    position = 0
    for match in FENCE.finditer(text):
        if opened is None:
            prose.append(text[position : match.start()])
            opened = match
        elif match[1].startswith(opened[1]) and not match[2]:
            position, opened = match.end(), None
    prose.append("" if opened is not None else text[position:])
    kept = "\n".join(prose)
    return kept if kept.strip() else text.replace("```", "")


def last_code(text: str) -> str | None:
    """The last block of code; a text that is nothing but code counts as one."""
    bodies = [block for block in fenced_blocks(text) if block.body.strip()]
    programs = [block for block in bodies if block.language not in OUTPUTS] or bodies
    if programs:
        return programs[-1].body
    return text.strip("\n") if CODE.match(text.lstrip()) else None


def last_json(text: str) -> str | None:
    """The last JSON object or array of a text as it stands there; fenced ones come first."""
    for block in reversed(fenced_blocks(text)):
        found = _last_document(block.body)
        if found is not None and (block.closed or _loads(block.body.strip()) is not None):
            return found
    return _last_document(text)


def answer_in_json(text: str) -> tuple[bool, Any]:
    """Whether the text's JSON is an object with an answer, and that answer."""
    found = last_json(text) if "{" in text and "nswer" in text else None
    value = None if found is None else _loads(found)
    if isinstance(value, dict):
        for name in ("answer", "final_answer", "Answer", "finalAnswer", "final answer"):
            if name in value:
                return True, value[name]
    return False, None


def _last_document(text: str) -> str | None:
    decoder = json.JSONDecoder()
    found: str | None = None
    objects = False
    position = attempts = 0
    while attempts < MAX_ATTEMPTS:
        starts = [at for at in (text.find("{", position), text.find("[", position)) if at >= 0]
        if not starts:
            break
        attempts += 1
        try:
            value, end = decoder.raw_decode(text, min(starts))
        except (ValueError, RecursionError):
            position = min(starts) + 1
            continue
        # A later [1] is a reference, and no answer, where there is an object.
        if isinstance(value, dict) or not objects:
            objects = objects or isinstance(value, dict)
            found = text[min(starts) : end]
        position = end
    if found is None and _loads(text.strip()) is not None:
        return text.strip()
    return found


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
