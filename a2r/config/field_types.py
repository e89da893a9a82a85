"""The value types of a config, and the base class of its sections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from a2r._internal.api_key_env import redact_variable_name
from a2r._internal.models import FrozenModel
from a2r._internal.secret_redaction import redact

EMBEDDED = "embedded"
MAX_COUNT = 10**9
MAX_SAMPLES = 10_000
MAX_SEED = 2**53
MAX_DEPTH = 100
# Routes below a base URL; the longer ones first.
ROUTES = ("/chat/completions", "/completions", "/chat", "/responses", "/embeddings", "/models")
RESERVED_KEYS = frozenset({"model", "messages", "stream", "stream_options", "n", "seed"})


def reject_bool(value: object) -> object:
    """Return the value if it is not a boolean, which pydantic would read as a number.

    Raises:
        ValueError: the value is true or false.
    """
    if isinstance(value, bool):
        raise ValueError("expected a number, not true or false")
    return value


def _check_endpoint(value: str) -> str:
    """Return the base URL: without the route of a request, a slash at the end, or a fragment."""
    if value == EMBEDDED:
        return value
    if not _is_url(value):
        raise ValueError("expected 'embedded' or a URL like http://host:8000/v1")
    parts = urlsplit(value)
    path = parts.path.rstrip("/")
    route = next((route for route in ROUTES if path.endswith(route)), "")
    path = path.removesuffix(route).rstrip("/")
    return parts._replace(path=path, fragment="").geturl()


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


def _check_request_body(value: dict[str, Any]) -> dict[str, Any]:
    reserved = sorted(RESERVED_KEYS & value.keys())
    if reserved:
        raise ValueError(f"{reserved[0]!r} is set by a2r and cannot go in extra_body")
    return json_serializable(value)


def json_serializable(value: dict[str, Any]) -> dict[str, Any]:
    """Return the value if it can be sent as JSON.

    Raises:
        ValueError: JSON or UTF-8 cannot represent it, or it is nested more than `MAX_DEPTH` levels.
    """
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"cannot be sent as JSON ({error})") from error
    if _is_deeper(value, MAX_DEPTH):
        raise ValueError(f"cannot be sent as JSON (nested more than {MAX_DEPTH} levels)")
    return value


def _is_deeper(value: dict[str, Any], max_depth: int) -> bool:
    level: list[Any] = [value]
    for _ in range(max_depth):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list | tuple)
        ]
    return bool(level)


Count = Annotated[int, BeforeValidator(reject_bool), Field(ge=1, le=MAX_COUNT)]
Samples = Annotated[int, BeforeValidator(reject_bool), Field(ge=1, le=MAX_SAMPLES)]
Number = Annotated[float, BeforeValidator(reject_bool), Field(allow_inf_nan=False)]
Seconds = Annotated[float, BeforeValidator(reject_bool), Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Endpoint = Annotated[str, AfterValidator(_check_endpoint)]
JsonObject = Annotated[dict[str, Any], AfterValidator(_check_request_body)]


class Section(FrozenModel):
    """Base of the sections: immutable, rejects unknown keys, hides secrets in its `repr`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """The fields that `repr` shows, without secrets."""
        for name, value in super().__repr_args__():
            if name == "api_key_env":
                yield name, value and redact_variable_name(value)
            else:
                yield name, redact(value, name or "")
