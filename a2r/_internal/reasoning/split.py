"""Split a complete text, or the parts of a message, into thinking and answer."""

from __future__ import annotations

from a2r._internal.reasoning.parser import ReasoningParser
from a2r._internal.reasoning.parts import merge_parts
from a2r._internal.reasoning.tags import may_have_reasoning


def split_reasoning(content: str) -> tuple[str, str]:
    """Return the thinking and the answer part of a content.

    A block without a closing tag is thinking to the end. A closing tag without an opening one ends
    thinking that the prompt opened, as with the chat templates of Qwen3 and DeepSeek-R1.
    """
    if not may_have_reasoning(content):
        return "", content.strip()
    parser = ReasoningParser()
    part = merge_parts([*parser.feed(content), *parser.end()])
    return part.thinking.strip(), part.answer.strip()


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
