"""JSON schema validation, for a worker process: a short schema may take exponential time."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import jsonschema_rs

MAX_CACHED_SCHEMAS = 64


def validate_json(text: str | None, schema: str) -> str:
    """`yes` if JSON text conforms to a schema, else `no`; `!` and the reason for a bad schema.

    Without JSON text, only the schema is checked.
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
        # NaN, invalid Unicode, or nested too deeply for the library.
        return "no"


@lru_cache(maxsize=MAX_CACHED_SCHEMAS)
def _validator(schema: str) -> Any:
    document = json.loads(schema)
    if isinstance(document, str):
        # The library would parse a string as JSON once more.
        raise ValueError("it is a string")
    return jsonschema_rs.validator_for(
        document, retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions()
    )


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is not part of the document, and nothing is fetched")
