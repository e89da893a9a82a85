"""JSON schema validation in a worker process with limits; nothing is fetched."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any

from a2r.answers.errors import SchemaError
from a2r.answers.sandbox.worker_pool import get_worker_pool
from a2r.answers.settings import DEFAULTS, Settings
from a2r.errors import MissingExtraError

CHECK_SECONDS = 2.0


def conforms(value: Any, schema: str, settings: Settings = DEFAULTS) -> bool:
    """Whether a JSON value conforms to a schema, which is JSON text.

    A value that cannot be validated within `settings.compare_seconds` does not conform.

    Raises:
        SchemaError: the schema is invalid or refers to another document.
        MissingExtraError: jsonschema-rs is not installed.
    """
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):
        return False
    return _validate(text, schema, settings, settings.compare_seconds) == "yes"


def check_schema(schema: str) -> None:
    """Check that a JSON schema is valid and loads within two seconds.

    Raises:
        SchemaError: the schema is invalid, refers to another document, or takes too long to load.
        MissingExtraError: jsonschema-rs is not installed.
    """
    if _validate(None, schema, DEFAULTS, CHECK_SECONDS) != "yes":
        raise SchemaError(f"the JSON schema does not load within {CHECK_SECONDS:g} s")


def _validate(text: str | None, schema: str, settings: Settings, seconds: float) -> str | None:
    if find_spec("jsonschema_rs") is None:
        raise MissingExtraError("jsonschema-rs", "json")
    request = {"task": "conforms", "text": text, "schema": schema, "seconds": seconds}
    verdict: str | None = get_worker_pool(settings).run(request, seconds).get("value")
    if verdict is not None and verdict.startswith("!"):
        raise SchemaError(f"the JSON schema cannot be used: {verdict[1:]}")
    return verdict
