"""Fixtures of the tests of inference."""

from __future__ import annotations

import pytest

from a2r.inference.routing import load_balancer as module
from tests.support.routing import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock
