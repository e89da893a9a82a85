"""The types of a config's values, and the base of its sections."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from a2r._internal.models import FrozenModel

EMBEDDED = "embedded"
MAX_COUNT = 10**9
MAX_SAMPLES = 10_000
MAX_SEED = 2**53
MAX_DEPTH = 100
RESERVED_KEYS = frozenset({"model", "messages", "stream", "stream_options", "n", "seed"})


def reject_bool(value: object) -> object:
    """The value, unless it is true or false, which pydantic would take for a number."""
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


def _endpoint(value: str) -> str:
    if value == EMBEDDED:
        return value
    if not _is_url(value):
        raise ValueError("neither 'embedded' nor a URL like http://host:8000/v1")
    return value.rstrip("/")


def _is_url(value: str) -> bool:
    if not value.isascii() or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host)


def _json_object(value: dict[str, Any]) -> dict[str, Any]:
    taken = sorted(RESERVED_KEYS & value.keys())
    if taken:
        raise ValueError(f"{taken[0]!r} is a2r's own to send")
    return json_serializable(value)


def json_serializable(value: dict[str, Any]) -> dict[str, Any]:
    """An object that can go out as JSON.

    Raises:
        ValueError: it holds what JSON or UTF-8 does not, or is nested more than `DEEPEST` times.
    """
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"cannot be sent as JSON ({error})") from error
    if _is_deeper(value, MAX_DEPTH):
        raise ValueError(f"cannot be sent as JSON (nested more than {MAX_DEPTH} times)")
    return value


def _is_deeper(value: dict[str, Any], most: int) -> bool:
    level: list[Any] = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list | tuple)
        ]
    return bool(level)


Count = Annotated[int, BeforeValidator(reject_bool), Field(ge=1, le=MAX_COUNT)]
Samples = Annotated[int, BeforeValidator(reject_bool), Field(ge=1, le=MAX_SAMPLES)]
Number = Annotated[float, BeforeValidator(reject_bool), Field(allow_inf_nan=False)]
Seconds = Annotated[float, BeforeValidator(reject_bool), Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
JsonObject = Annotated[dict[str, Any], AfterValidator(_json_object)]


class Section(FrozenModel):
    """Base of the sections: immutable, unknown keys refused."""
