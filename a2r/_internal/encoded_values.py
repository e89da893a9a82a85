"""Find values in a text that spells them as JSON, Python, URLs, HTML or base64 do."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from html import unescape
from urllib.parse import unquote

# A URL may be encoded twice, and escapes of strings have a backslash for each nesting.
ESCAPE = re.compile(
    r"\\++(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|[rnt])?"
    r"|((?:%(?:25)?[0-9a-fA-F]{2})++)"
    r"|(&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});)"
    r"|[\s+]++"
)
IGNORED = re.compile(r"[\\\s+]+")
TWICE_ENCODED = re.compile("%25(?=[0-9a-fA-F]{2})")


def replace_encoded(text: str, values: Iterable[str], mark: str) -> str:
    """The text with a mark in place of the values, in any spelling and also split over lines."""
    plain, starts, ends = _plain(text)
    spans = [
        (starts[start], ends[start + len(form) - 1])
        for value in values
        for form in _forms(value)
        for start in _positions(plain, form)
    ]
    parts, done = [], 0
    for start, end in sorted(spans):
        if start >= done:
            parts += [text[done:start], mark]
        done = max(done, end)
    return "".join([*parts, text[done:]])


def _forms(value: str) -> set[str]:
    data = value.encode("utf-8", "surrogatepass")
    base64 = (encode(data).decode().rstrip("=") for encode in (b64encode, urlsafe_b64encode))
    return {_plain(form)[0] for form in (value, *base64)} - {""}


def _positions(text: str, part: str) -> Iterator[int]:
    start = text.find(part)
    while start >= 0:
        yield start
        start = text.find(part, start + len(part))


def _plain(text: str) -> tuple[str, list[int], list[int]]:
    """The text without escapes, backslashes and spaces, and where each character is in `text`.

    A plus sign is a space in URLs.
    """
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []

    def add(part: str, spans: Iterable[tuple[int, int]]) -> None:
        parts.append(part)
        for start, end in spans:
            starts.append(start)
            ends.append(end)

    done = 0
    for match in ESCAPE.finditer(text):
        start, end = match.span()
        add(text[done:start], ((index, index + 1) for index in range(done, start)))
        part = IGNORED.sub("", _unescaped(match))
        add(part, [(start, end)] * len(part))
        done = end
    add(text[done:], ((index, index + 1) for index in range(done, len(text))))
    return "".join(parts), starts, ends


def _unescaped(match: re.Match[str]) -> str:
    code, octets, entity = match[1] or match[2], match[3], match[4]
    if code:
        return chr(int(code, 16))
    if octets:
        return unquote(TWICE_ENCODED.sub("%", octets))
    return unescape(entity) if entity else ""
