"""Extraction, equivalence and clusters: basic cases and laws."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2r.answers import Kind, Settings, cluster, equivalent, extract, infer_kind


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"So \boxed{42}.", "42"),
        (r"First \boxed{1}, but in the end \boxed{2}.", "2"),
        (r"\boxed{7} and an empty \boxed{}", "7"),
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"$$\boxed{x^{2}}$$", "x^{2}"),
        (r"\fbox{3}", "3"),
        (r"\boxed 5", "5"),
        ("The answer is 12.", "12"),
        ("So the final answer is: **3.5**", "3.5"),
        ("**Answer:** 9 apples", "9 apples"),
        ("Answer: $\\frac12$", r"\frac12"),
        ("blah\n#### 1,234", "1,234"),
        ("The answer is 5. But wait, the answer is 6.", "6"),
        (r"<think>\boxed{1}</think>It is \boxed{2}", "2"),
        (r"thinking \boxed{1}</think>It is \boxed{2}", "2"),
    ],
)
def test_extraction(text: str, answer: str) -> None:
    extracted = extract(text, "math")
    assert extracted is not None
    assert extracted.text == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No idea.",
        r"\boxed{}",
        r"\boxed{1",
        r"<think>\boxed{1}",
        r"The final answer is within \boxed{}.",
        "I thought about 5 things.",
    ],
)
def test_a_text_without_an_answer_is_none(text: str) -> None:
    assert extract(text, "math") is None


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        (r"\boxed{C}", "C"),
        (r"\boxed{\text{(c)}}", "C"),
        ("The answer is (B).", "B"),
        ("The correct answer is option D because it is warm.", "D"),
        ("The answer is B) 12 m", "B"),
        ("So:\n\n(E)", "E"),
        ("The answer is a tree.", None),
        ("A good question.", None),
    ],
)
def test_choices(text: str, letter: str | None) -> None:
    answer = extract(text, "choice")
    assert (answer.text if answer else None) == letter


def test_json_and_code() -> None:
    answer = extract('Here:\n```json\n{"b": 1, "a": [2]}\n```', "json")
    assert answer is not None
    assert answer.text == '{"a": [2], "b": 1}'
    answer = extract("```python\nprint(1)\n```\nor\n```python\nprint(2)\n```", "code")
    assert answer is not None
    assert answer.text == "print(2)"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1/2", "0.5"),
        (r"\frac{1}{2}", "1/2"),
        (r"\frac12", "0.50"),
        ("1,234", "1234"),
        ("007", "7"),
        ("$12", "12"),
        ("x = 3", "3"),
        ("−3", "-3"),
        (r"\text{Paris}", "paris"),
        (r"$\left( 1, 2 \right)$", "( 1, 2 )"),
    ],
)
def test_equivalent(a: str, b: str) -> None:
    assert equivalent(a, b)
    assert equivalent(b, a)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1", "2"),
        ("3.14", r"\pi"),
        (str(2**4000), str(2**4000 + 1)),
        ("0.1", "0.10000001"),
        ("1/0", "1"),
        ("Paris", "London"),
    ],
)
def test_not_equivalent(a: str, b: str) -> None:
    assert not equivalent(a, b)


TEXTS = st.one_of(
    st.text(max_size=12), st.from_regex(r"-?[0-9]{1,3}(\.[0-9]{1,2})?", fullmatch=True)
)


@pytest.mark.integration
@settings(deadline=None)
@given(st.lists(TEXTS | st.none(), max_size=8), st.randoms())
def test_the_order_of_the_samples_never_changes_the_partition(
    answers: list[str | None], random: object
) -> None:
    order = list(range(len(answers)))
    random.shuffle(order)  # type: ignore[attr-defined]

    def partition(positions: list[int]) -> set[frozenset[int]]:
        groups = cluster([answers[p] for p in positions])
        return {frozenset(positions[i] for i in group.samples) for group in groups}

    assert partition(list(range(len(answers)))) == partition(order)


@pytest.mark.integration
@settings(deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_equivalence_is_a_relation(a: str, b: str, c: str) -> None:
    assert equivalent(a, a)
    assert equivalent(a, b) == equivalent(b, a)
    assert not (equivalent(a, b) and equivalent(b, c)) or equivalent(a, c)


def test_ties_go_to_the_lowest_index() -> None:
    groups = cluster(["5", "4", None, "4", "5.0"])
    assert [(g.answer, g.votes, g.samples) for g in groups] == [("5", 2, (0, 4)), ("4", 2, (1, 3))]


@pytest.mark.parametrize(
    ("question", "texts", "kind"),
    [
        ("What is 2+2?", [], "math"),
        ("Which is a fruit?\nA) apple\nB) stone", [], "choice"),
        ("Write a poem about rain.", ["Rain.", "Drops."], "text"),
        ("Name the capital of France.", [r"\boxed{Paris}"] * 2, "math"),
    ],
)
def test_the_kind_of_a_question(question: str, texts: list[str], kind: Kind) -> None:
    assert infer_kind(question, texts) == kind


@pytest.mark.parametrize("task", ["Which is it?\nA) a cat\nB) a dog", "Reply with JSON."])
@pytest.mark.parametrize("layout", ["{task}\n{text}", "{text}\n{task}"])
def test_the_kind_of_a_question_about_a_long_text(task: str, layout: str) -> None:
    question = layout.format(task=task, text="It rained and rained. " * 10_000)
    assert infer_kind(question) == infer_kind(task) != "text"
    if "cat" in task:
        assert extract("The answer is a dog.", "choice", question) == extract(
            "The answer is a dog.", "choice", task
        )


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{" * 50_000,
        ">\n" * 100_000,
        "```" * 100_000,
        "the answer is " * 20_000,
        "{" * 200_000,
    ],
)
@pytest.mark.parametrize("kind", ["math", "choice", "code", "json", "auto"])
@pytest.mark.timeout(20)
def test_repetitive_texts_are_parsed_in_linear_time(text: str, kind: Kind) -> None:
    """A quadratic parser would take many minutes for these, longer than the timeout."""
    extract(text, kind)
    infer_kind("Why?", [text])


@pytest.mark.integration
def test_a_letter_is_no_unit_where_another_answer_has_it_as_a_variable() -> None:
    shared = Settings(units="shared")
    variables = cluster(["2V", "V+V", "2"], settings=shared)
    quantities = cluster(["2 V", "2 V", "2"], settings=shared)
    assert [group.samples for group in variables] == [(0, 1), (2,)]
    assert [group.samples for group in quantities] == [(0, 1, 2)]
