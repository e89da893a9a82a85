"""Servers whose streams, finish reasons and errors differ at random: nothing is lost."""

from __future__ import annotations

import pytest

from benchmarks.odd_servers import failures

pytestmark = pytest.mark.integration


async def test_no_sample_and_no_token_is_lost() -> None:
    assert await failures(questions=40) == []
