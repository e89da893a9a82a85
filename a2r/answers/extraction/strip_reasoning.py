"""Remove reasoning, special tokens and later turns from the text of a model."""

from __future__ import annotations

import re

from a2r._internal.think_tags import CLOSE_TAG, OPEN_TAG, split_reasoning

OPENINGS = re.compile(r"<think(?:ing)?>|\[THINK\]|<\|begin_of_thought\|>|◁think▷", re.IGNORECASE)
CLOSINGS = re.compile(r"</think(?:ing)?>|\[/THINK\]|<\|end_of_thought\|>|◁/think▷", re.IGNORECASE)
CHANNEL = re.compile(r"<\|channel\|>\s{0,8}(\w{1,30})[^<]{0,200}<\|message\|>")
END_OF_TURN = re.compile(
    r"<\|(?:im_end|im_start|eot_id|eom_id|end|return|endoftext|end_of_text|start_header_id|start)\|>"
    r"|</s>|<end_of_turn>|<start_of_turn>|<｜end▁of▁sentence｜>|\n[ \t]{0,8}\n(?:Human|User)\s?:"
)
WRAPPERS = re.compile(r"<\|(?:begin|end)_of_solution\|>")


def strip_reasoning(text: str) -> str:
    """The text without its reasoning, up to the first token that ends the turn of the model."""
    channels = list(CHANNEL.finditer(text))
    if channels:
        final = [match for match in channels if match[1].lower() == "final"]
        text = text[final[-1].end() :] if final else ""
    text = CLOSINGS.sub(CLOSE_TAG, OPENINGS.sub(OPEN_TAG, text))
    _, answer = split_reasoning(text)
    answer = WRAPPERS.sub("\n", answer)
    start = 0
    for match in END_OF_TURN.finditer(answer):
        if answer[start : match.start()].strip():
            return answer[start : match.start()].strip()
        start = match.end()
    return answer[start:].strip()
