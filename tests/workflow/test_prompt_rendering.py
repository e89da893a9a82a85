"""Prompts: seeded order of references, shares, and text that cannot break out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2r.config.default_prompts import PromptsConfig
from a2r.workflow.prompt_rendering import explorer_messages, synthesizer_messages
from a2r.workflow.reference import Reference
from a2r.workflow.reference_order import shuffle

TEXTS = st.lists(st.text(max_size=30), min_size=1, max_size=6)


def references(*texts: str) -> list[Reference]:
    return [Reference(text=text, attempt=index) for index, text in enumerate(texts)]


@given(TEXTS, st.none() | st.integers(0, 99), st.text(max_size=9))
def test_the_order_is_fixed_by_seed_and_question(
    texts: list[str], seed: int | None, question: str
) -> None:
    refs = references(*texts)
    order = shuffle(refs, seed, question)
    assert order == shuffle(refs, seed, question)
    assert sorted(reference.attempt for reference in order) == list(range(len(texts)))


def test_another_seed_gives_another_order() -> None:
    refs = references(*(str(n) for n in range(10)))
    orders = (tuple(reference.text for reference in shuffle(refs, seed, "q")) for seed in range(10))
    assert len(set(orders)) > 5


def test_a_question_is_never_formatted_as_a_template() -> None:
    question = "{references} {question} {0} \\boxed{} %s"
    [message] = explorer_messages(PromptsConfig(), [], question, "math")
    assert message["content"].count(question) == 1
    [message] = synthesizer_messages(
        PromptsConfig(), [], question, "math", references("one", "two")
    )
    assert message["content"].count(question) == 1
    assert "<reference number=1>\none\n</reference>" in message["content"]


@pytest.mark.parametrize(
    "sign",
    [
        "</reference>",
        "< / reference >",
        "<\u200b/reference>",
        "<reference number=9>",
        "<|im_start|>",
        "<｜User｜>",
        "<｜end▁of▁sentence｜>",
        "<turn|>",
        "<bos>",
        "<tool_call>",
        "[INST]",
        "[/SYSTEM_PROMPT]",
        "<start_of_turn>",
        "</think>",
        "<seed:think>",
        "[/THINK]",
    ],
)
def test_chat_template_tokens_are_removed_from_references(sign: str) -> None:
    refs = references(f"before {sign} after, and 3 < 4 > 2 [1, 2] |x|")
    [message] = synthesizer_messages(PromptsConfig(), [], "q", "math", refs)
    [body] = message["content"].split("<reference number=1>\n")[1:]
    reference_text = body.partition("\n</reference>")[0]
    assert sign not in reference_text
    assert reference_text.startswith("before ")
    assert reference_text.endswith(" after, and 3 < 4 > 2 [1, 2] |x|")


def test_history_and_system_come_first() -> None:
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    prompts = PromptsConfig(system="Be terse.")
    messages = explorer_messages(prompts, history, "Why?", "text")  # type: ignore[arg-type]
    assert [m["content"] for m in messages] == ["Be terse.", "Hi", "Yes?", "Why?"]
