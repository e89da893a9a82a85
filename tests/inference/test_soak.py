"""A short soak: nothing is lost, and what is counted is what the servers have in their books."""

from __future__ import annotations

import pytest

from benchmarks.soak import soak

pytestmark = pytest.mark.integration


@pytest.mark.timeout(240)
async def test_a_short_soak_loses_nothing_and_miscounts_nothing() -> None:
    done = await soak(questions=80, seconds=4.0)
    assert done.complaints() == []
    assert len(done.results) == 80
    # Every kind of trouble was met.
    assert {"answer", "status_500", "reset_mid_reply", "hang_before_headers"} <= set(done.kinds)
