from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the developer's own decides a test, but for the model cache."""
    for name in list(os.environ):
        if name.startswith(("A2R_", "OPENAI_")) and name != "A2R_CACHE":
            monkeypatch.delenv(name)
