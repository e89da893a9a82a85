"""A row becomes a question with its chat, kind, gold answer and other columns."""

from __future__ import annotations

from typing import Any

import pytest

from a2r.batch.errors import QuestionsError
from a2r.batch.questions import BatchQuestion, InvalidQuestion, QuestionFields, parse_question

FIELDS = QuestionFields()


def question(row: object, *mappings: str) -> BatchQuestion:
    parsed = parse_question(7, row, QuestionFields.parse(mappings))
    assert isinstance(parsed, BatchQuestion), parsed
    return parsed


@pytest.mark.parametrize("name", ["question", "problem", "prompt", "query"])
def test_usual_columns(name: str) -> None:
    parsed = question({name: "6 times 7?", "answer": 42, "level": "easy", "kind": "math"})
    assert (parsed.text, parsed.gold, parsed.kind) == ("6 times 7?", "42", "math")
    assert (parsed.number, parsed.id, parsed.fields) == (7, "7", {"level": "easy"})


def test_mapped_and_nested_columns() -> None:
    row = {"meta": {"q": "1+1?", "a": ["2"]}, "name": "first"}
    parsed = question(row, "question=meta.q", "gold=meta.a", "id=name")
    assert (parsed.text, parsed.gold, parsed.id, parsed.fields) == ("1+1?", "2", "first", {})


def test_a_text_is_a_question() -> None:
    assert question("6 times 7?").text == "6 times 7?"


@pytest.mark.parametrize(
    "choices",
    [["4", "5"], {"A": "4", "B": "5"}, {"text": ["4", "5"], "label": ["A", "B"]}],
)
def test_choices_are_listed_below_the_question(choices: object) -> None:
    parsed = question({"question": "2+2?", "choices": choices, "kind": "mcq", "gold": "A"})
    assert (parsed.text, parsed.kind) == ("2+2?\nA) 4\nB) 5", "choice")


CHAT = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "6 times 7?"}]


@pytest.mark.parametrize(
    "messages",
    [CHAT, [("system", "Be short."), ("user", "6 times 7?")], str(CHAT).replace("'", '"')],
)
def test_a_chat_is_asked_as_it_is(messages: Any) -> None:
    parsed = question({"messages": messages})
    assert parsed.text == "6 times 7?"
    assert parsed.question == CHAT


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": "?"}, "has no 'question' or 'problem'.*--map question=NAME"),
        ({"question": " "}, "empty"),
        ({"question": None}, "has no 'question'"),
        ({"question": ["a", "b"]}, "must be text, not list"),
        ({"question": True}, "must be text, not bool"),
        ({"question": "a", "kind": "maths"}, "maths"),
        ({"messages": "no"}, "messages are not JSON"),
        ({"messages": [{"role": "user"}]}, "content"),
        ({"messages": []}, "must be a list"),
        ([1], "expected an object or a text"),
        (None, "expected an object or a text"),
    ],
)
def test_what_is_no_question_says_why(row: object, reason: str) -> None:
    parsed = parse_question(0, row, FIELDS)
    assert isinstance(parsed, InvalidQuestion)
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(parsed.reason)


def test_the_hash_covers_what_is_asked() -> None:
    same = question({"question": "a", "gold": "1", "level": 1}).hash
    assert same == question({"problem": "a", "answer": "1", "level": 2}).hash
    for other in ({"question": "b", "gold": "1"}, {"question": "a", "gold": "2"}):
        assert question(other).hash != same


@pytest.mark.parametrize("mapping", ["question", "question=", "questions=a"])
def test_a_wrong_mapping_is_refused(mapping: str) -> None:
    with pytest.raises(QuestionsError, match="--map"):
        QuestionFields.parse([mapping])
