"""Filling in prompts: seeded order, shares, and text that cannot break out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from a2r.config.prompts import PromptsConfig
from a2r.prompting import MARK, explorer_messages, shuffled, synthesizer_messages, trimmed

TEXTS = st.lists(st.text(max_size=30), min_size=1, max_size=6)


@given(TEXTS, st.none() | st.integers(0, 99), st.text(max_size=9))
def test_the_order_is_fixed_by_seed_and_question(
    texts: list[str], seed: int | None, question: str
) -> None:
    order = shuffled(texts, seed, question)
    assert order == shuffled(texts, seed, question)
    assert sorted(order) == sorted(texts)


def test_another_seed_gives_another_order() -> None:
    texts = [str(n) for n in range(10)]
    assert len({tuple(shuffled(texts, seed, "q")) for seed in range(10)}) > 5


@given(TEXTS, st.integers(0, 120))
def test_trimmed_references_keep_their_number_and_their_share(texts: list[str], room: int) -> None:
    cut = trimmed(texts, room)
    assert len(cut) == len(texts)
    if sum(map(len, texts)) <= room:
        assert cut == texts
    else:
        share = max(1, room // len(texts))
        for before, after in zip(texts, cut, strict=True):
            assert after in (before, before[:share] + MARK)


def test_a_question_is_never_read_as_a_template() -> None:
    question = "{references} {question} {0} \\boxed{} %s"
    [message] = explorer_messages(PromptsConfig(), [], question, "math")
    assert message["content"].count(question) == 1
    [message] = synthesizer_messages(PromptsConfig(), [], question, "math", ["one", "two"])
    assert message["content"].count(question) == 1
    assert "<reference number=1>\none\n</reference>" in message["content"]


def test_history_and_system_come_first() -> None:
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    prompts = PromptsConfig(system="Be terse.")
    messages = explorer_messages(prompts, history, "Why?", "text")  # type: ignore[arg-type]
    assert [m["content"] for m in messages] == ["Be terse.", "Hi", "Yes?", "Why?"]
