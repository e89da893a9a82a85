"""Samples whose answers differ are never unanimous, in whatever format they come."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from a2r import A2R
from tests.support.fake_openai import ScriptedReply, config_for, fake_openai, replies

pytestmark = pytest.mark.integration

TEXTS = Path(__file__).parents[1] / "answers" / "data" / "texts.jsonl"
CLASSES = ("programs", "several letters", "invented questions", "signs and contrasts")
PAIRS_PER_CLASS = 8


def pairs(name: str) -> list[dict[str, Any]]:
    """Pairs of a class, spread over the file."""
    lines = map(json.loads, TEXTS.read_text("utf-8").splitlines())
    cases = [case for case in lines if case["class"] == name and "other_text" in case]
    return list(islice(cases, 0, None, max(1, len(cases) // PAIRS_PER_CLASS)))


@pytest.mark.parametrize("name", CLASSES)
def test_texts_that_differ_in_the_answer_alone_are_synthesized(name: str) -> None:
    tried = pairs(name)
    for case in tried:
        says = [ScriptedReply(text=case["text"]), ScriptedReply(text=case["other_text"])]
        big = ScriptedReply(text=case["text"])
        with fake_openai(replies(small=says, big=big)) as server:
            config = config_for(server.url, kind=case["kind"], explorer__samples=2)
            result = A2R(config).ask(case["question"] or "How many are there?")
        assert result.method != "unanimous", case["text"]
        assert len(server.request_log.calls("big")) == 1, case["text"]
    assert len(tried) >= PAIRS_PER_CLASS
