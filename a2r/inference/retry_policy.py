"""When a failed call is tried again, and after how long."""

from __future__ import annotations

from collections.abc import Callable

import tenacity

from a2r.inference.call_state import CallFailedError

MAX_WAIT = 8.0
BACKOFF = tenacity.wait_random_exponential(multiplier=0.5, max=MAX_WAIT)


def retry_policy(
    *, may_retry: Callable[[CallFailedError], bool], elsewhere: Callable[[], bool]
) -> tenacity.AsyncRetrying:
    """Jittered exponential backoff over the faults that may pass.

    There is no wait where another endpoint has not been tried; nor for an endpoint that is down
    or has too much to do, since whoever gives out the places waits for it.
    """

    def again(error: BaseException) -> bool:
        return isinstance(error, CallFailedError) and may_retry(error)

    def seconds(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        waited_for = isinstance(error, CallFailedError) and (
            error.error.overloaded or not error.error.reached
        )
        return 0.0 if waited_for or elsewhere() else BACKOFF(state)

    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(again),
        wait=seconds,
        stop=tenacity.stop_never,
        reraise=True,
    )
