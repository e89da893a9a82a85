"""What reads a text takes time linear in its length: no text of a model or a request stops it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from a2r._internal.reasoning import ReasoningParser, split_reasoning
from a2r._internal.secret_redaction import redact_text
from a2r.answers import extract
from a2r.answers.extraction.completeness import is_complete
from a2r.answers.extraction.infer_kind import infer_kind
from a2r.answers.parsing.answer_parser import parse_answer
from a2r.answers.parsing.multiple_choice import parse_options
from a2r.answers.sandbox.program_tests import parse_tests
from a2r.config.default_prompts import PromptsConfig
from a2r.interfaces.openai_server.request_models import ChatCompletionRequest
from a2r.nodes.select import parse_judgment
from a2r.workflow.chat_messages import to_messages
from a2r.workflow.prompt_rendering import explorer_messages, synthesizer_messages
from a2r.workflow.reference import Reference
from a2r.workflow.reference_truncation import truncate
from tests.support.pattern_attacks import PIECES, Attack
from tests.support.pattern_timing import duration, grows

pytestmark = pytest.mark.timing

FRAMES = Path(__file__).parents[1] / "answers" / "data" / "frames.jsonl"
CHOICES = "Which of the following?\nA) red\nB) green\nC) blue"
# Functions that read the end of a text alone, or a sentence of limited length, take the time of
# these lengths already at the smaller size.
CHARACTERS = 8192
# Slower than this for one character, a function is suspicious, and its growth is measured.
SUSPICIOUS_SECONDS = 2.5e-6
# What texts of models repeat when they go wrong, and what a request may repeat on purpose.
REPEATED = (
    *PIECES,
    *("<answer>", "</answer>", "<answer>B</answer>", "</think>\n", "<think>\n", "<|im_start|>"),
    *("not A but B ", "is not A ", "A is correct\n", "the answer is A. ", "(A),\n", "B ✓\n"),
    *("**Answer:** 4\n", "Answer: 4\n", "A: 4\n", "\\boxed{1} ", "\\[x\\] ", "$x$ ", "x = 1\n"),
    *("| a | b |\n", "```python\nx=1\n```\n", '{"answer": ', '{"answer": 1}\n', "[asy]", '\\"'),
    *("Question: 4\n", "<div>", "<!--", "&amp;", "def f(x):\n return 1\n", ">>> a\n", "assert a\n"),
    *("Input: 3\nOutput: 4\n", "Input\n", "http://a:b@c ", "token=", 'a="', "judgment: ", "1. "),
)
AROUND = (("", "\x00"), ("The answer is ", ""), ("x ", "\n\nThe answer is 42."))


def parse_in_pieces(text: str) -> None:
    parser = ReasoningParser()
    for start in range(0, len(text), 3):
        parser.feed(text[start : start + 3])
    parser.end()


def parse_request(text: str) -> None:
    message = {"role": "user", "content": text}
    body = ChatCompletionRequest.model_validate_json(
        json.dumps({"model": "a2r", "messages": [message]})
    )
    to_messages([{"role": "user", "content": part.content} for part in body.messages])


def synthesizer_prompt(text: str) -> None:
    reference = Reference(attempt=0, text=text, answer=text, votes=1)
    synthesizer_messages(PromptsConfig(), [], text, "math", [reference])


READERS: Mapping[str, Callable[[str], object]] = {
    "extract": extract,
    "extract a number": partial(extract, kind="math"),
    "extract a letter": partial(extract, kind="choice", question=CHOICES),
    "extract JSON": partial(extract, kind="json"),
    "extract code": partial(extract, kind="code", question="Write a function f(x) in Python."),
    "extract for a long question": lambda text: extract("The answer is B.", "choice", text),
    "extract code for a long question": lambda text: extract("```\nx = 1\n```", "code", text),
    "parse": parse_answer,
    "completeness": is_complete,
    "kind": infer_kind,
    "options": parse_options,
    "tests of programs": parse_tests,
    "thinking": split_reasoning,
    "thinking in pieces": parse_in_pieces,
    "judgment": lambda text: parse_judgment(text, []),
    "request": parse_request,
    "explorer prompt": lambda text: explorer_messages(PromptsConfig(), [], text, "math"),
    "synthesizer prompt": synthesizer_prompt,
    "truncation of a reference": lambda text: truncate(text, len(text) // 2),
    "redaction": redact_text,
}


@pytest.mark.parametrize("name", READERS)
def test_time_of_readers_is_linear(name: str) -> None:
    read = READERS[name]
    attacks = [Attack(head, unit, tail) for unit in REPEATED for head, tail in AROUND]
    suspicious = [
        attack
        for attack in attacks
        if duration(read, attack.text(CHARACTERS)) > SUSPICIOUS_SECONDS * CHARACTERS
    ]
    slow = [attack for attack in suspicious if grows(read, attack.text, CHARACTERS)]
    assert slow == []


@pytest.mark.parametrize("answer", ["number", "letter", "letters"])
def test_time_of_repeated_statements_of_answers_is_linear(answer: str) -> None:
    found = [json.loads(line) for line in FRAMES.read_text("utf-8").splitlines()]
    frames = [frame["frame"] for frame in found if frame["answer"] == answer]
    kind, value = ("math", "42") if answer == "number" else ("choice", "B")
    read = READERS["extract a number" if kind == "math" else "extract a letter"]
    texts = [frame.format(answer=value, decoy="C") + "\n" for frame in frames]
    slow = [text for text in texts if grows(read, Attack("", text, "").text, CHARACTERS)]
    assert texts
    assert slow == []


def test_growth_is_found() -> None:
    text = Attack("", "ab", "").text
    assert grows(lambda text: [text.count(text[:n]) for n in range(0, len(text), 64)], text, 1024)
    assert not grows(lambda text: [char for char in text if char == "a"], text, 1024)
