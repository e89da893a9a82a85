"""The answers of full texts, in the formats that models write.

`data/texts.jsonl` has hand-written texts with their answers; most have another text, which differs
in the answer alone. The two must never agree.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from a2r.answers import Answer, equivalent, extract, grade

TEXTS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "texts.jsonl").read_text("utf-8").splitlines()
]
CLASSES = sorted({case["class"] for case in TEXTS})

pytestmark = pytest.mark.integration


def answer_of(case: dict[str, Any], text: str) -> Answer | None:
    return extract(case[text], case["kind"], case["question"])


def is_expected(found: Answer | None, expected: str | None) -> bool:
    if found is None or expected is None:
        return found is None and expected is None
    return (
        found.text.strip() == expected.strip()
        or equivalent(found.text, expected, found.kind)
        or grade(found.text, expected, found.kind)
    )


@pytest.mark.parametrize("name", CLASSES)
def test_texts_have_the_expected_answers(name: str) -> None:
    cases = [case for case in TEXTS if case["class"] == name]
    wrong = [
        (case[text], found)
        for case in cases
        for text, answer in (("text", "answer"), ("other_text", "other_answer"))
        if text in case and not is_expected(found := answer_of(case, text), case[answer])
    ]
    assert len(cases) >= 35
    assert wrong == []


@pytest.mark.parametrize("name", CLASSES)
def test_texts_with_different_answers_never_agree(name: str) -> None:
    pairs = [case for case in TEXTS if case["class"] == name and "other_text" in case]
    agreeing = []
    for case in pairs:
        first, second = answer_of(case, "text"), answer_of(case, "other_text")
        if first and second and equivalent(first.text, second.text, first.kind):
            agreeing.append(case["text"])
    assert len(pairs) >= 30
    assert agreeing == []
