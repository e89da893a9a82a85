"""Splitting reasoning from the answer part, in complete and streamed replies."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from a2r._internal.reasoning import (
    ReasoningParser,
    ReasoningPart,
    Tag,
    merge_parts,
    opening_at_end,
    split_parts,
    split_reasoning,
)
from a2r._internal.reasoning.tags import (
    CHANNEL_WORDS,
    FIRST_WORDS,
    TAG_NAMES,
    TAG_PAIRS,
    TAGS,
    find_tag,
)

PAIRS = [*((f"<{name}>", f"</{name}>") for name in TAG_NAMES.split()), *TAG_PAIRS.items()]
PAIRS += [("<think:a1>", "</think:a1>"), ("<|START_THINKING|>", "<|END_THINKING|>")]
PAIRS += [
    ("[THINK]", "[/THINK]"),
    ("<Think>", "</THINK>"),
    ("<|content_thinking|>", "<|end_message|>"),
]
PAIRS += [
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>")
]


@pytest.mark.parametrize(("start", "end"), PAIRS)
@pytest.mark.parametrize("gap", ["", "\n", "\n\n"])
def test_every_pair_of_tags(start: str, end: str, gap: str) -> None:
    for before in ("", "\n", " "):
        closed = f"{before}{start}{gap}a\n\nb{gap}{end}{gap}The answer is 4."
        assert split_reasoning(closed) == ("a\n\nb", "The answer is 4.")
    assert split_reasoning(f"{start}{gap}The answer is 5.{gap}Or") == (
        f"The answer is 5.{gap}Or",
        "",
    )


@pytest.mark.parametrize(
    "end",
    # Inkling ends every message with the same token.
    sorted({end for _, end in PAIRS} - {"<|end_message|>"}),
)
def test_thinking_that_the_prompt_started(end: str) -> None:
    assert split_reasoning(f"a 1.\n{end}\n\nThe answer is 4.") == ("a 1.", "The answer is 4.")
    assert split_reasoning(f"a 1.{end}The answer is 4.") == ("a 1.", "The answer is 4.")
    assert split_reasoning(f"a 1.\n{end}") == ("a 1.", "")


@pytest.mark.parametrize(
    ("content", "thinking", "answer"),
    [
        ("plain", "", "plain"),
        ("<think></think>", "", ""),
        ("1 < 2", "", "1 < 2"),
        # Several blocks, nested blocks, other tags in a block, tags too many.
        ("<think>a</think>b<think>c</think>d", "ac", "b\nd"),
        ("<think>a</think>\n4.\n<think>b</think>\n5", "ab", "4.\n\n5"),
        ("<think>a<think>b</think>c</think>d", "a<think>b</think>c", "d"),
        ("<think>a\n<think>\nb\n</think>\nc cut", "a\n<think>\nb\n</think>\nc cut", ""),
        ("<think>\n<think>\na\n</think>\n4", "a", "4"),
        ("<think>a<analysis>b</analysis></think>d", "a<analysis>b</analysis>", "d"),
        ("<think>a <thinking>b</thinking> c", "a <thinking>b</thinking> c", ""),
        ("<think>a</think>4</think>", "a", "4"),
        ("<think>a</think>b</think>4", "ab", "4"),
        ("a</think></think>4", "a", "4"),
        # Text about tags.
        ("Use the `<think>` tag.", "", "Use the `<think>` tag."),
        ("The <think> tag is used by R1.", "", "The <think> tag is used by R1."),
        ("Close it with </think> and go on.", "", "Close it with </think> and go on."),
        ('The tag "</think>" closes it.', "", 'The tag "</think>" closes it.'),
        ("It ends (</think>) here", "", "It ends (</think>) here"),
        ("a <think> b </think>", "", "a <think> b </think>"),
        ("1. <think> opens it\n2. </think> closes", "", "1. <think> opens it\n2. </think> closes"),
        ("使用<think>标签来思考。", "", "使用<think>标签来思考。"),
        ("```\n<think>\na\n</think>\n```\n4", "", "```\n<think>\na\n</think>\n```\n4"),
        ("```\n<think>\n\n</think>\n\nb\n```", "", "```\n<think>\n\n</think>\n\nb\n```"),
        ("~~~\n[THINK]a[/THINK]\n~~~", "", "~~~\n[THINK]a[/THINK]\n~~~"),
        ("`x </think> y`", "", "`x </think> y`"),
        ("<a><analysis>b</analysis>\n</a>", "", "<a><analysis>b</analysis>\n</a>"),
        # Text about tags in thinking.
        ("<think>end with `</think>`.\n</think>4", "end with `</think>`.", "4"),
        ("<think>\n```\n</think>\n```\nb\n</think>\n4", "```\n</think>\n```\nb", "4"),
        ("<think>\n```\n<think>\n</think>\n\n```\n</think>4", "```\n<think>\n</think>\n\n```", "4"),
        ("use <think> tags\n\n</think>\n\n4", "use <think> tags", "4"),
        # Code that the thinking does not close.
        ("<think>\n```py\nx\n</think>\n\n4", "```py\nx", "4"),
        ("<think>it's `x so\n</think>4", "it's `x so", "4"),
        ("```py\nx\n</think>\n\n4", "```py\nx", "4"),
    ],
)
def test_split(content: str, thinking: str, answer: str) -> None:
    assert split_reasoning(content) == (thinking, answer)


@pytest.mark.parametrize(
    "content",
    ["<think>a</thinking>The answer is 4.", "<think>\n```\nx\n</think>\nThe answer is 4."],
)
def test_a_tag_that_may_end_the_thinking_ends_it_if_no_other_does(content: str) -> None:
    assert split_reasoning(content)[1] == "The answer is 4."


@pytest.mark.parametrize(
    ("content", "thinking", "answer"),
    [
        ("analysisWe need 4.assistantfinalThe answer is 4", "We need 4.", "The answer is 4"),
        ("analysis We need.assistantfinal**4**", "analysis We need.", "**4**"),
        ("assistantanalysisWe need.assistantfinal4", "We need.", "4"),
        ("analysisWe.assistantcommentary to=f {}assistantfinal4", None, "4"),
        ("analysis用户问assistantfinal四", "用户问", "四"),
        ("We need 4.assistantfinalThe answer is 4", "We need 4.", "The answer is 4"),
        ("analysisA.assistantfinal4assistantanalysisB.assistantfinal5", "A.B.", "4\n5"),
        # Cut off: the word alone may be that of a text.
        ("analysisWe need", "We need", ""),
        ("analysis We need", "", "analysis We need"),
        ("analysis", "", "analysis"),
        ("analysis: 4", "", "analysis: 4"),
        ("Analysis\n4", "", "Analysis\n4"),
        ("The word assistantfinal is one.", "", "The word assistantfinal is one."),
        ("`assistantfinal`", "", "`assistantfinal`"),
        ("<|channel|>analysis<|message|>a", "a", ""),
        ("<|channel|>analysis<|message|>a<|end|>", "a", ""),
        ("analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>4", "a", "4"),
        ("a<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>", "a", "4"),
        ("<|channel|>final <|constrain|>json<|message|>{}<|return|>", "", "{}"),
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary"
            " to=functions.f<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>4",
            "a{}",
            "4",
        ),
        ("Here is my thought process: a\n\nHere is my response: 4", None, "4"),
        ("Here is my thought process: a, so 4", "", "Here is my thought process: a, so 4"),
    ],
)
def test_channels_and_phrases(content: str, thinking: str | None, answer: str) -> None:
    split = split_reasoning(content)
    assert split[1] == answer
    assert thinking is None or split[0] == thinking


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>4<|END_RESPONSE|>", "4"),
        ("<|begin_of_thought|>a<|end_of_thought|>\n<|begin_of_solution|>4<|end_of_solution|>", "4"),
        ("a\n</think>\n\n<response>\n4\n</response>\n", "4"),
        ("The answer is <|begin_of_box|>4<|end_of_box|>.", "The answer is 4."),
        ("<|im_start|>assistant\n<think>\na\n</think>\n4<|im_end|>", "4"),
        ("<|start_header_id|>assistant<|end_header_id|>\n\n4<|eot_id|>", "4"),
        ("4<end_of_turn>\n<start_of_turn>user\nNext?", "4"),
        ("4<|im_end|>\n<|im_start|>user\nNext?<|im_end|>\n<|im_start|>assistant\n5", "4"),
        ("4<|end|><|start|>user<|message|>Next?", "4"),
        ("4</s> <s> [INST] Next? [/INST] 5", "4"),
        # Between spaces, a token may be a part of the line.
        ("4 </s> [INST] 5", "4 </s> [INST] 5"),
        ("4<eos>", "4"),
        ("4<｜end▁of▁sentence｜>", "4"),
        ("```py\nx = 4\n```<|im_end|>", "```py\nx = 4\n```"),
        # What the user may have asked for stays.
        ("<think>a</think><answer>4</answer>", "<answer>4</answer>"),
        ("<response>4</response>", "<response>4</response>"),
        ("<s>3</s> 4", "<s>3</s> 4"),
        ("ChatML has `<|im_end|>` tokens", "ChatML has `<|im_end|>` tokens"),
        ("A turn ends with <|im_end|> in ChatML", "A turn ends with <|im_end|> in ChatML"),
        (
            "```\n<|im_start|>user\nHi<|im_end|>\n```\n4",
            "```\n<|im_start|>user\nHi<|im_end|>\n```\n4",
        ),
    ],
)
def test_special_tokens(content: str, answer: str) -> None:
    assert split_reasoning(content)[1] == answer


def test_no_tag_is_the_start_of_another() -> None:
    texts = sorted(TAGS)
    assert not [pair for pair in itertools.pairwise(texts) if pair[1].startswith(pair[0])]
    assert all(find_tag(text.upper()) == tag for text, tag in TAGS.items())


TOKENS = st.one_of(
    st.sampled_from([*TAGS, *CHANNEL_WORDS, *FIRST_WORDS, "<think:a>", "</think:a>"]),
    st.sampled_from(["<think>", "</think>", "<|channel|>", "<|message|>", "<|start|>", "<|end|>"]),
    st.sampled_from(["`", "```", "~~~", "\n", "\n\n", " ", "a", "So ", "4", ".", '"', "(", ")"]),
    st.sampled_from(["<", "</", "[", "as", "assistant", "final", "user", "答", "x" * 90]),
)


def parse(content: str, sizes: list[int]) -> ReasoningPart:
    """The parts of a content that arrives in pieces of these sizes, over and over."""
    parser, position = ReasoningParser(), 0
    parts: list[ReasoningPart] = []
    for size in itertools.cycle(sizes):
        if position >= len(content):
            break
        parts += parser.feed(content[position : position + size])
        position += size
    return merge_parts([*parts, *parser.end()])


@settings(max_examples=500)
@given(st.lists(TOKENS, max_size=14), st.lists(st.integers(1, 20), min_size=1))
@example(["Here is my thought process:", "a", "Here is my response:", "4"], [1])
@example(["analysis", " ", "a", "assistantfinal", "4"], [3])
@example(["<think>", "a", "</think>", "b", "</think>", " ", "c"], [1])
@example(["<|channel|>", "x" * 90, "x" * 90, "x" * 90, "<|message|>"], [1])
def test_a_stream_splits_the_same_for_any_pieces(tokens: list[str], sizes: list[int]) -> None:
    content = "".join(tokens)
    whole, pieces = parse(content, [len(content) + 1]), parse(content, sizes)
    assert (pieces.thinking, pieces.answer) == (whole.thinking, whole.answer)
    assert split_reasoning(content) == (whole.thinking.strip(), whole.answer.strip())


def test_a_stream_holds_back_only_what_may_be_a_tag() -> None:
    parser = ReasoningParser()

    def feed(text: str) -> tuple[str, str]:
        part = merge_parts(parser.feed(text))
        return part.thinking, part.answer

    assert feed("It is so, as") == ("", "It is so, ")
    assert feed(" 1 <") == ("", "as 1 ")
    assert feed(" 2\n<th") == ("", "< 2\n")
    assert feed("ink>a</think") == ("a", "")
    assert feed(">b") == ("", "\nb")
    assert [part.answer for part in parser.end()] == []


def test_an_unpaired_closing_tag_retracts_what_was_streamed() -> None:
    parser = ReasoningParser()
    assert merge_parts(parser.feed("hm")) == ReasoningPart(answer="hm")
    assert merge_parts(parser.feed("</think>4")) == ReasoningPart(answer="4", retracts=True)


THINK = Tag(kind="open", name="think")


@pytest.mark.parametrize(
    ("prompt", "opening"),
    [
        ("<|im_start|>assistant\n<think>\n", "think"),
        ("<|im_start|>assistant\n<think>", "think"),
        ("<|turn>model\n<|channel>", "|channel"),
        ("<think>a</think>\n<|im_start|>assistant\n", None),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", None),
        ("What is <think>? Say it", None),
        ("", None),
    ],
)
def test_the_end_of_a_prompt_shows_the_thinking_that_it_opens(
    prompt: str, opening: str | None
) -> None:
    tag = opening_at_end(prompt)
    assert (tag.name if tag else None) == opening


@pytest.mark.parametrize(
    ("content", "thinking", "answer"),
    [
        ("So 4.\n</think>\n\n4", "So 4.\n", "\n\n4"),
        # A model may repeat the tag of its prompt.
        ("<think>So 4.</think>4", "So 4.", "4"),
        ("</think>4", "", "4"),
        # Thinking that is never closed lasts to the end.
        ("So 4.", "So 4.", ""),
    ],
)
def test_a_text_whose_prompt_opened_the_thinking(content: str, thinking: str, answer: str) -> None:
    for size in (1, 3, 100):
        parser = ReasoningParser(opened=THINK)
        pieces = [content[start : start + size] for start in range(0, len(content), size)]
        parts = [part for piece in pieces for part in parser.feed(piece)]
        merged = merge_parts([*parts, *parser.end()])
        assert (merged.thinking, merged.answer.strip()) == (thinking, answer.strip())
        assert not merged.retracts
        assert parser.opening_of_prompt == (THINK if "</think>" in content else None)


@pytest.mark.parametrize(
    ("content", "opening"),
    [("So.</think>4", THINK), ("<think>So.</think>4", None), ("So 4.", None)],
)
def test_a_closed_text_shows_what_its_prompt_opened(content: str, opening: Tag | None) -> None:
    parser = ReasoningParser()
    parser.feed(content)
    parser.end()
    assert parser.opening_of_prompt == opening


@pytest.mark.parametrize("piece", ["<", "`", "a", "\n", "`<think>", "<think>\n", "a</think>", "[["])
@pytest.mark.parametrize("start", ["", "<think>", "analysis ", "<|channel|>"])
@pytest.mark.timeout(30)
def test_long_texts_take_linear_time(piece: str, start: str) -> None:
    """A quadratic parser would take many minutes for these, longer than the timeout."""
    content = start + piece * (300_000 // len(piece))
    split = split_reasoning(content)
    pieces = parse(content, [3])
    assert (pieces.thinking.strip(), pieces.answer.strip()) == split


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("text", ("", "text")),
        (None, ("", "")),
        ([{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "a"}, "b"], ("t", "ab")),
        ([{"type": "text", "text": None}, {"type": "image_url"}, 7], ("", "")),
    ],
)
def test_content_as_a_list_of_parts(content: object, parts: tuple[str, str]) -> None:
    assert split_parts(content) == parts
