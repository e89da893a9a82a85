"""A batch that is killed with SIGKILL at random times continues without paying twice."""

from __future__ import annotations

import pytest

from benchmarks.batch_recovery import failures

pytestmark = pytest.mark.integration


@pytest.mark.timeout(280)
def test_a_killed_batch_continues() -> None:
    assert failures(questions=120, kills=3) == []
