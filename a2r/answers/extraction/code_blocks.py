"""Fenced code blocks and JSON in a text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

FENCE = re.compile(
    r"^(?P<indent>[ \t]{0,16})(?P<marks>`{3,}|~{3,})[ \t]*(?P<language>[\w+#.-]*)[^\n`]*$",
    re.MULTILINE,
)
# A fence that is indented further than this is part of the body.
MAX_INDENT = 3
# A block of one short line after a label such as `Answer:` holds the answer.
ANSWER_BLOCK = re.compile(
    r"(?P<label>(?:answer|result|solution|output|is|réponse|respuesta|resposta|antwort|ответ|答案|答え"
    r"|정답)[ \t*_]{0,4}[:：]?[ \t*_]{0,4})"
    r"\n\s{0,8}```[\w-]{0,12}[ \t]*\n[ \t]*+(?P<body>[^\n`]{1,200}?)"
    r"(?<![ \t])[ \t]*+\n[ \t]*```",
    re.IGNORECASE,
)
# The answer of an object that is no JSON, such as `{"answer": 3/4}`.
BROKEN_ANSWER = re.compile(
    r"\{[^{}]{0,2000}\"(?:final_)?answer\"\s*:\s{0,20}\"?([^\"{}\n]{1,200}?)\"?\s{0,20}[,}]"
)
MAX_ATTEMPTS = 40
MAX_LEAD_CHARACTERS = 300


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: its language, its body, the line before it, and whether it is closed."""

    language: str
    body: str
    lead: str = ""
    closed: bool = True


def fenced_blocks(text: str) -> list[Block]:
    """The fenced blocks of a text, in order; a fence inside a longer one is part of its body."""
    blocks: list[Block] = []
    opening: re.Match[str] | None = None
    for match in FENCE.finditer(text):
        if opening is None:
            opening = match
        elif _closes(match, opening):
            blocks.append(_block(text, opening, match.start(), closed=True))
            opening = None
    if opening is not None:
        blocks.append(_block(text, opening, len(text), closed=False))
    return blocks


def _closes(fence: re.Match[str], opening: re.Match[str]) -> bool:
    """Whether a fence closes the block of an opening one."""
    return (
        fence["marks"].startswith(opening["marks"])
        and not fence["language"]
        and len(fence["indent"]) <= len(opening["indent"]) + MAX_INDENT
    )


def _block(text: str, opening: re.Match[str], end: int, *, closed: bool) -> Block:
    """The block after a fence, without the indentation of the fence."""
    body = text[opening.end() : end].strip("\n")
    if opening["indent"]:
        body = re.sub(rf"^[ \t]{{1,{len(opening['indent'])}}}", "", body, flags=re.MULTILINE)
    return Block(
        language=opening["language"].lower(), body=body, lead=_lead(text, opening), closed=closed
    )


def _lead(text: str, opening: re.Match[str]) -> str:
    """The line before a fence."""
    before = text[max(0, opening.start() - MAX_LEAD_CHARACTERS) : opening.start()].rstrip()
    return before.rpartition("\n")[2].strip()


def unfence_answers(text: str) -> str:
    """The text with blocks of one short line after a label of an answer as plain lines."""
    return ANSWER_BLOCK.sub(r"\g<label>\n\g<body>\n", text)


def strip_code(text: str) -> str:
    """The text without its fenced blocks; if there is nothing else, without the fences only."""
    prose, opening = [], None
    position = 0
    for match in FENCE.finditer(text):
        if opening is None:
            prose.append(text[position : match.start()])
            opening = match
        elif _closes(match, opening):
            position, opening = match.end(), None
    prose.append("" if opening is not None else text[position:])
    remaining = "\n".join(prose)
    return remaining if remaining.strip() else text.replace("```", "")


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
    broken = None if value is not None else BROKEN_ANSWER.search(text)
    return (True, broken[1].strip()) if broken else (False, None)


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
