"""`a2r schema`: the JSON Schema of a result."""

from __future__ import annotations

import json


def schema() -> None:
    """Print the JSON Schema of the result that 'a2r ask --json' prints."""
    from a2r.result import SCHEMA_VERSION, Result

    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:a2r:result:{SCHEMA_VERSION}",
        **Result.model_json_schema(mode="serialization"),
    }
    print(json.dumps(document, indent=2))
