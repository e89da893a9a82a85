"""The request ID of a caller, passed on to endpoints and shown in log lines."""

from __future__ import annotations

import re

REQUEST_ID_HEADER = "X-Request-Id"
# Characters that are safe in a header and in a log line.
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def valid_request_id(value: object) -> str | None:
    """The value if it is a valid request ID, else `None`."""
    return value if isinstance(value, str) and REQUEST_ID.fullmatch(value) else None
