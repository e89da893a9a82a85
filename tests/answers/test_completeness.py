"""Whether a text is complete by its own form."""

from __future__ import annotations

import pytest

from a2r.answers.extraction.completeness import is_complete


@pytest.mark.parametrize(
    "text",
    [
        "So it is \\boxed{42}.",
        "So $\\boxed{\\frac{1}{2}}$",
        "So it is \\boxed{42} apples",
        "\\boxed{42}\n\nThis is the final answer.",
        "\\[\n\\boxed{42}\n\\]",
        '{"answer": 42}',
        '[{"a": {"b": [1]}}]',
        'Here it is: {"answer": {"x": 1}}',
        '```json\n{"answer": 42}\n```',
        "```python\nprint(42)\n```",
        "First we add.\n\nThe answer is 42.",
        "Answer: 42",
        "**Final answer:** 42",
        "#### 42",
        "Therefore, x = 42.",
        "42",
        "Some words about it.\n\n(B)",
        "The correct answer is B.",
        "<answer>42</answer>",
        "Judgment: 3",
        "La respuesta es 42.",
        "答案是42。",
    ],
)
def test_complete_texts(text: str) -> None:
    assert is_complete(text)
    assert is_complete(f"{text}\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "So it is \\boxed{4",
        "So it is \\boxed{42}. But wait: \\boxed{\\frac{1}{2}",
        "\\boxed{42} is what the first part gives.\n\nNow for the second part we",
        "So it is \\boxed{42} +",
        "So it is \\boxed{",
        '{"answer": 4',
        '{"answer": {"x": 1}',
        '{"answer": [1]',
        "as [1] and [2",
        "```json\n{",
        "```python\nprint(42)\n",
        "First we add 4 and 8, and then",
        "Let us think step by step.",
        "We need to compute 6 *",
        "The answer is",
        "The answer is 6 +",
        "Therefore, x =",
        "Therefore, the answer is \\frac{1}{",
        "The answer is 42. Let me check that: we",
    ],
)
def test_unfinished_texts(text: str) -> None:
    assert not is_complete(text)


@pytest.mark.parametrize("part", ["\n", "{", "[", "\\boxed{", "```\n", "the answer is ", "a = "])
def test_a_long_text_takes_linear_time(part: str) -> None:
    assert isinstance(is_complete(part * 100_000), bool)
