"""A server whose samples agree, or disagree and are synthesized, for clients of other projects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clients import Setup, Start, disagreement, server_starter
from tests.support.fake_openai import boxed, replies


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with server_starter(tmp_path) as begin:
        yield begin


@pytest.fixture
def agreeing(start: Start) -> Setup:
    return start(replies(small=boxed("42")))


@pytest.fixture
def disagreeing(start: Start) -> Setup:
    return start(disagreement)
