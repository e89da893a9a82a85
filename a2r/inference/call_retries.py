"""The retry policy of failed calls: which errors are retried, and after which delay."""

from __future__ import annotations

from collections.abc import Callable

import tenacity

from a2r.inference.call_state import CallFailedError

MAX_WAIT = 8.0
BACKOFF = tenacity.wait_random_exponential(multiplier=0.5, max=MAX_WAIT)


def retry_policy(
    *, may_retry: Callable[[CallFailedError], bool], has_untried_endpoint: Callable[[], bool]
) -> tenacity.AsyncRetrying:
    """Return a policy of retries with jittered exponential backoff.

    There is no delay while another endpoint is untried, nor after an endpoint that is down or
    overloaded: for those the load balancer waits.
    """

    def should_retry(error: BaseException) -> bool:
        return isinstance(error, CallFailedError) and may_retry(error)

    def delay(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        awaited = isinstance(error, CallFailedError) and (
            error.error.overloaded or not error.error.reached
        )
        return 0.0 if awaited or has_untried_endpoint() else BACKOFF(state)

    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(should_retry),
        wait=delay,
        stop=tenacity.stop_never,
        reraise=True,
    )
