"""Validating JSON against a schema, in a worker process: a short schema may take forever."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import jsonschema_rs

MAX_CACHED_SCHEMAS = 64


def validate_json(text: str | None, schema: str) -> str:
    """`yes` or `no` for JSON and a schema, both as text; `!` and the reason where it is no schema.

    Without JSON, whether it is a schema.
    """
    try:
        validator = _validator(schema)
    except (ValueError, RecursionError) as error:
        return f"!{str(error).partition(chr(10))[0]}"
    if text is None:
        return "yes"
    try:
        return "yes" if validator.is_valid(json.loads(text, parse_constant=_refuse)) else "no"
    except (ValueError, RecursionError):
        # NaN, no Unicode, or nested more deeply than can be looked into.
        return "no"


@lru_cache(maxsize=MAX_CACHED_SCHEMAS)
def _validator(schema: str) -> Any:
    read = json.loads(schema)
    if isinstance(read, str):
        # The library would read a text as JSON once more.
        raise ValueError("it is a text")
    return jsonschema_rs.validator_for(
        read, retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions()
    )


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is not part of it, and nothing is fetched")
