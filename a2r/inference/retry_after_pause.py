"""`Retry-After`: read the header of an overloaded endpoint, and pause the endpoint for as long."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time

# From this many overloads on, an endpoint pauses even without the header, each time for longer.
OVERLOAD_THRESHOLD = 3
INITIAL_PAUSE = 0.25
MAX_PAUSE = 8.0
# The longest pause that a header can request.
MAX_RETRY_AFTER = 3600.0


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a `Retry-After` header (a number or a date); `None` without one."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time()
        except (ValueError, OverflowError):
            return None
    if math.isinf(seconds):
        return None
    # NaN and dates in the past mean no wait.
    return seconds if seconds > 0 else 0.0


def overload_pause(retry_after: float | None, overload_count: int) -> float:
    """Return the seconds for which an overloaded endpoint gets no requests.

    At least the `Retry-After` of its reply, at most an hour; after repeated overloads, at least a
    jittered exponential backoff.
    """
    pause = min(MAX_RETRY_AFTER, retry_after or 0.0)
    if overload_count < OVERLOAD_THRESHOLD:
        return pause
    doublings = min(overload_count - OVERLOAD_THRESHOLD, 10)
    backoff = min(MAX_PAUSE, INITIAL_PAUSE * 2.0**doublings)
    return max(pause, backoff * random.uniform(0.5, 1))
