"""The request ID that a caller gives, servers pass on, and log lines carry."""

from __future__ import annotations

import re

REQUEST_ID_HEADER = "X-Request-Id"
# What any header and any log line can carry.
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def valid_request_id(value: object) -> str | None:
    """The value if it can serve as a request ID, else `None`."""
    return value if isinstance(value, str) and REQUEST_ID.fullmatch(value) else None
