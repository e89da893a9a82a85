"""Servers for tests with real clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clients import AGREEING, Setup, Start, disagreement, server_starter
from tests.support.fake_openai import replies


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with server_starter(tmp_path) as start:
        yield start


@pytest.fixture
def agreeing(start: Start) -> Setup:
    return start(replies(small=AGREEING))


@pytest.fixture
def disagreeing(start: Start) -> Setup:
    return start(disagreement)
