"""Remove HTML formatting from a text."""

from __future__ import annotations

import re

INLINE = re.compile(
    r"</?(?:b|strong|i|em|u|span|font|mark|center|code|big"
    r"|small)(?:\s[^<>]{0,200})?/?>",
    re.IGNORECASE,
)
BREAK = re.compile(
    r"</?(?:p|div|br|li|ul|ol|h[1-6]|table|thead|tbody|tr|hr)(?:\s[^<>]{0,200})?/?>", re.IGNORECASE
)
CELL = re.compile(r"</?t[dh](?:\s[^<>]{0,200})?>", re.IGNORECASE)


def strip_html(text: str) -> str:
    """The text without tags of formatting; blocks and rows of tables become lines."""
    if "<" not in text and "&nbsp;" not in text:
        return text
    text = CELL.sub(" ", BREAK.sub("\n", INLINE.sub("", text)))
    return text.replace("&nbsp;", " ")
