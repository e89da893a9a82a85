"""Hide secrets wherever a config, an error message or a log line is shown.

A value is a secret by its name (`api_key`, `hf-token`, `Authorization`, `apiKey`) or by its own
form (the password of a URL, a bearer token, a key with the prefix of a known service).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from a2r._internal.encoded_values import replace_encoded

REDACTED = "[hidden]"
MIN_VALUE_CHARACTERS = 4
# Shorter values, searched for across spaces, would be found in any text.
MIN_ENCODED = 8
# Secret at the end of any word of a name (`apikey`, `authtoken`), or as the complete word.
SECRET_SUFFIX = re.compile(
    r"(?:token|key|secret|password|passwd|passphrase|passcode|credential|authorization)s?$"
)
SECRET_WORDS = frozenset(
    {"auth", "bearer", "cookie", "cookies", "cred", "creds", "jwt", "pass", "pwd", "salt", "sig"}
    | {"signature", "dsn"}
)
SECRET_ANYWHERE = re.compile(
    r"(?:api|access|private|auth)key|secret|password|passwd|credential|authorization"
)
# A number under a secret name is shown if the name says that it counts something, such as
# `max_tokens`, `num_key_value_heads` or `stop_token_ids`.
QUANTITY_WORDS = frozenset({"tokens", "num", "max", "min", "n", "count", "limit", "budget", "size"})
ID_WORDS = frozenset({"id", "ids"})
CREDENTIAL_WORDS = frozenset({"access", "api", "auth", "bearer", "hf", "refresh", "session"})
NAME_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
NUMBER = re.compile(r"[-+]?\d+(?:[._]\d+)*(?:[kKmMgG]i?)?")

URL_CREDENTIALS = re.compile(r"//[^/\s]*@|^[^/\s:@]+:[^/\s@]+@")
AUTHORIZATION = re.compile(r"(?i)(bearer|basic)\s+\S+")
AUTHORIZATION_INSIDE = re.compile(r"(?i)\b(bearer|basic)\s+(?=[\w.~+/=-]*\d)[\w.~+/=-]{6,}")
# Lines `NAME=value` or `Header: value`; then `name=value`, `--flag value` and `"name": "value"`.
LINE = re.compile(r"^([^\S\n]*+([\w.-]++)\s*+[=:]\s*+)(\S.*)$", re.MULTILINE)
ASSIGNMENT = re.compile(
    r"(?<![\w-])((--?[\w.-]{1,128}+)[= ]|(?<!\.)([\w.-]++)=)"
    r"(\"[^\"]*\"|'[^']*'|[^\s&;#'\"]+)"
)
# A text that is cut off may end within a value.
QUOTED_PAIR = re.compile(
    r"((['\"])([\w.-]+)\2\s*:\s*)(\"[^\"]*(?:\"|\Z)|'[^']*(?:'|\Z)|[^\s,}\]'\"]+)"
)
SERVICE_KEY = re.compile(
    r"\b(?:sk-|pk-|rk-|hf_|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|nvapi-|gsk_|AKIA|AIza)"
    r"[\w-]{16,}|\beyJ(?:(?!\beyJ)[\w-]){10,}\.[\w-]{10,}\.[\w-]*"
)
# Values that stay visible where a property of a JSON schema has a secret name.
JSON_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
FLAG = re.compile(r"--?[A-Za-z][\w.-]*")


def is_secret(name: str) -> bool:
    """Whether a variable, flag, header or field of this name usually holds a secret."""
    lowered = "".join(character for character in name.lower() if character.isalnum())
    return SECRET_ANYWHERE.search(lowered) is not None or any(
        word in SECRET_WORDS or SECRET_SUFFIX.search(word) for word in _words(name)
    )


def redact(value: Any, name: str = "") -> Any:
    """Return a copy of a JSON value in which secrets are hidden, at any depth.

    Everything inside a value with a secret name is hidden, but for booleans and nulls.

    Args:
        value: the value to show; mappings and lists are copied.
        name: the name of the value itself, such as a variable or a flag.
    """
    return _redact(value, name, is_secret(name))


def redact_text(text: str) -> str:
    """The text without secrets that are recognized by their own form, such as a URL's password."""
    if text.lstrip().startswith(("{", "[")):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            pass
        else:
            redacted = redact(value)
            return text if redacted == value else json.dumps(redacted, ensure_ascii=False)
    if AUTHORIZATION.fullmatch(text.strip()):
        return f"{text.split()[0]} {REDACTED}"
    text = LINE.sub(lambda m: _redact_pair(m, m[2], m[3]), text)
    text = ASSIGNMENT.sub(lambda m: _redact_pair(m, m[2] or m[3], m[4]), text)
    text = QUOTED_PAIR.sub(lambda m: _redact_pair(m, m[3], m[4]), text)
    text = URL_CREDENTIALS.sub(_redact_credentials, text)
    text = AUTHORIZATION_INSIDE.sub(rf"\1 {REDACTED}", text)
    return SERVICE_KEY.sub(REDACTED, text)


def hide_values(text: str, values: Iterable[str], mark: str = REDACTED) -> str:
    """The text without these values, also as JSON, Python, URLs, HTML and base64 write them.

    Values of fewer than `MIN_VALUE_CHARACTERS` would be found in any text and stay.
    """
    parts: set[str] = set()
    for value in values:
        scheme = AUTHORIZATION.fullmatch(value.strip())
        parts |= {value, value.split()[-1]} if scheme else {value}
    text = replace_encoded(text, (part for part in parts if len(part) >= MIN_ENCODED), mark)
    forms: set[str] = set()
    for part in parts:
        if MIN_VALUE_CHARACTERS <= len(part) < MIN_ENCODED:
            forms |= {part, repr(part)[1:-1], quote(part, safe="")}
            forms |= {json.dumps(part, ensure_ascii=escaped)[1:-1] for escaped in (True, False)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, mark)
    return text


def secret_values(value: Any, name: str = "") -> Iterator[str]:
    """The strings that `redact` changes, for removal from a text such as a log."""
    yield from _changed(value, redact(value, name))


def _redact(value: Any, name: str, hidden: bool) -> Any:
    match value:
        case Mapping():
            # {"name": "X-Api-Key", "value": …} names the value beside it.
            label = next((value[k] for k in ("name", "key", "header") if k in value), None)
            pair = isinstance(label, str) and is_secret(label)
            return {
                _redact_key(key): _redact(
                    inner,
                    str(key),
                    hidden or is_secret(str(key)) or (pair and str(key) in ("value", "values")),
                )
                for key, inner in value.items()
            }
        case list() | tuple():
            return [
                _redact(inner, name, hidden or _follows_secret(value, index))
                for index, inner in enumerate(value)
            ]
        case bool() | None | "":
            return value
        case str() if name == "type" and value in JSON_TYPES:
            return value
        case str() | int() | float() if hidden:
            return value if is_secret(name) and _is_quantity(value, name) else REDACTED
        case str():
            return redact_text(value)
    return value


def _redact_key(key: Any) -> Any:
    return redact_text(key) if isinstance(key, str) else key


def _redact_pair(match: re.Match[str], name: str, value: str) -> str:
    if is_secret(name) and not _is_quantity(value.strip("'\""), name):
        return f"{match[1]}{REDACTED}"
    return match[0]


def _redact_credentials(match: re.Match[str]) -> str:
    return f"{'//' if match[0].startswith('//') else ''}{REDACTED}@"


def _follows_secret(values: Sequence[Any], index: int) -> bool:
    """Whether an item is the value of the one before: `--hf-token x`, `("X-Api-Key", "x")`."""
    before = values[index - 1] if index else None
    if not isinstance(before, str) or not is_secret(before):
        return False
    return FLAG.fullmatch(before) is not None or len(values) == 2


def _is_quantity(value: str | float, name: str) -> bool:
    words = set(_words(name))
    if words & CREDENTIAL_WORDS:
        return False
    counts = words & QUANTITY_WORDS or (words & ID_WORDS and words & {"token", "tokens"})
    return bool(counts) and NUMBER.fullmatch(str(value)) is not None


def _words(name: str) -> list[str]:
    return [word.lower() for word in NAME_WORD.findall(name)]


def _changed(value: Any, redacted: Any) -> Iterator[str]:
    match value:
        case Mapping():
            for inner, shown in zip(value.values(), redacted.values(), strict=False):
                yield from _changed(inner, shown)
        case list() | tuple():
            for inner, shown in zip(value, redacted, strict=True):
                yield from _changed(inner, shown)
        case _ if value != redacted:
            yield str(value)
            if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
                yield from _changed_json(value, redacted)


def _changed_json(text: str, redacted: str) -> Iterator[str]:
    try:
        yield from _changed(json.loads(text), json.loads(redacted))
    except (ValueError, RecursionError):
        return
