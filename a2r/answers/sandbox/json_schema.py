"""Whether JSON conforms to a schema: in a worker with limits, and without fetching anything."""

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
    """Whether a JSON value conforms to a schema, which is given as JSON text.

    What cannot be decided within `settings.compare_seconds` does not.

    Raises:
        SchemaError: the schema is none, or refers to what is not part of it.
        MissingExtraError: the library for it is not installed.
    """
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):
        return False
    return _ask_worker(text, schema, settings, settings.compare_seconds) == "yes"


def check_schema(schema: str) -> None:
    """Refuse what is no schema, or cannot be read within two seconds.

    Raises:
        SchemaError: it is none, or refers to what is not part of it.
        MissingExtraError: the library for it is not installed.
    """
    if _ask_worker(None, schema, DEFAULTS, CHECK_SECONDS) != "yes":
        raise SchemaError(f"no JSON schema that can be read within {CHECK_SECONDS:g} s")


def _ask_worker(text: str | None, schema: str, settings: Settings, seconds: float) -> str | None:
    if find_spec("jsonschema_rs") is None:
        raise MissingExtraError("jsonschema-rs", "json")
    request = {"do": "conforms", "text": text, "schema": schema, "seconds": seconds}
    found: str | None = get_worker_pool(settings).ask(request, seconds).get("value")
    if found is not None and found.startswith("!"):
        raise SchemaError(f"no JSON schema that can be used: {found[1:]}")
    return found
