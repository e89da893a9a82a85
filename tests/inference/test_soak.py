"""A short soak test: no question is lost, and the usage matches the servers' request logs."""

from __future__ import annotations

import pytest

from benchmarks.soak import soak

pytestmark = pytest.mark.integration


@pytest.mark.timeout(240)
async def test_a_short_soak() -> None:
    done = await soak(questions=80, seconds=4.0)
    assert done.failures() == []
    assert len(done.results) == 80
    # Every kind of fault occurred.
    assert {"answer", "status_500", "reset_mid_reply", "hang_before_headers"} <= set(done.kinds)
