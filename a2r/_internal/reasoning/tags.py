"""The tags and special tokens that models put around their thinking and their answer.

The formats are those of vLLM's reasoning parsers, and the tags that models write as plain text.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

TagKind = Literal[
    "open",  # starts thinking
    "close",  # ends thinking
    "wrap",  # starts an answer after thinking, as Ernie's <response>
    "unwrap",  # ends that answer
    "marker",  # has no meaning for the answer, as GLM's <|begin_of_box|>
    "end",  # ends the turn of the model
    "role",  # starts a turn: a role follows
    "channel",  # a channel of the harmony format follows
    "message",  # ends a role or a channel
    "strike",  # <s>: starts a sequence, or text that is struck out
]

# Tags of the form <name>…</name>. The last two lines are those of Seed-OSS, MiniMax M3,
# LongCat and K2 Horizon.
TAG_NAMES = """
think thinking thought thoughts reasoning analysis scratchpad reflection
antthinking reasoning_scratchpad
seed:think mm:think longcat_think
ifm|think ifm|think_fast ifm|think_faster
"""
TAG_PAIRS: Mapping[str, str] = {
    "[think]": "[/think]",  # Magistral
    "◁think▷": "◁/think▷",  # Kimi
    "<|start_thinking|>": "<|end_thinking|>",  # Cohere
    "<|channel>": "<channel|>",  # Gemma 4
    "<unused94>": "<unused95>",  # MedGemma
    "[unused16]": "[unused17]",  # openPangu
    "<|begin_of_thought|>": "<|end_of_thought|>",  # OpenThinker
    "<|inner_prefix|>": "<|inner_suffix|>",  # Apertus
    "<|plamo:begin_think:plamo|>": "<|plamo:end_think:plamo|>",  # PLaMo
    "<|think:start|>": "<|think:end|>",  # Solar Open 2
    "<|open|>think<|sep|>": "<|close|>think<|sep|>",  # Kimi K3
    "<|think|>": "<|/think|>",
    "<start_working_out>": "<end_working_out>",  # Unsloth's recipes
}
# Inkling ends every message with the same token.
OPENERS_WITHOUT_PAIR: Mapping[str, frozenset[str]] = {
    "<|content_thinking|>": frozenset({"<|end_message|>"})
}
# Hunyuan's tags have a suffix: <think:…>.
SUFFIXED_TAG = r"</?think:[\w-]{1,24}>"
WRAPPERS = "response solution output conclusion"
MARKERS = """
<|begin_of_box|> <|end_of_box|> <|begin_of_solution|> <|end_of_solution|>
<|start_response|> <|end_response|> <|start_text|> <|end_text|>
<|open|>response<|sep|> <|close|>response<|sep|> <|close|>message<|sep|>
<|message_model|> <|content_text|> <|content_model_end_sampling|> <|end_message|>
<|begin_of_text|> <|startoftext|> <|start_of_text|> <|start_of_turn_token|> <|bos|> <bos> <seed:bos>
<｜begin▁of▁sentence｜> <｜assistant｜> <|assistant|> <|chatbot_token|> <|constrain|> <|pad|> <pad>
"""
ENDS = """
<|im_end|> <|eot_id|> <|eom_id|> <|eot|> <|eom|> <|end|> <|return|> <|call|> </s> <|endoftext|>
<|end_of_text|> <|end_of_sentence|> <｜end▁of▁sentence｜> <|end▁of▁sentence|> <end_of_turn> <turn|>
<|end_of_turn_token|> <eos> <|eos|> <seed:eos> <|plamo:tag|> [unused10]
<|user|> <|system|> <|observation|> <|user_token|> <|system_token|> <｜user｜> [inst] [/inst]
"""
ROLES = """
<|start|> <|im_start|> <|start_header_id|> <start_of_turn> <|turn>
<|im_assistant|> <|im_user|> <|im_system|>
"""
MESSAGES = "<|message|> <|end_header_id|> <|im_middle|>"
# What is left of harmony's channels where the special tokens are removed.
CHANNEL_WORDS = ("assistantfinal", "assistantanalysis", "assistantcommentary")
# Where harmony's or Granite's thinking has no tags, it starts with these.
ANALYSIS = ("analysis", "assistantanalysis")
THOUGHTS = tuple(f"{here} my thought process:" for here in ("Here is", "Here's", "Here’s"))
FIRST_WORDS = (*ANALYSIS, *THOUGHTS)


@dataclass(frozen=True, kw_only=True)
class Tag:
    """A tag or a special token; the tags of a pair have the same name.

    `ends` are other tags, in lower case, that end the thinking that the tag starts.
    """

    kind: TagKind
    name: str
    ends: frozenset[str] = frozenset()


def find_tag(text: str) -> Tag | None:
    """Return the tag of a text, in any case; `None` if it is not one."""
    known = TAGS.get(text.lower())
    if known is None and SUFFIXED.fullmatch(text):
        return Tag(kind="close" if text[1] == "/" else "open", name="think")
    return known


def opening_at_end(text: str) -> Tag | None:
    """Return the tag that starts thinking at the end of a text, such as a prompt."""
    last = next(iter(deque(TAG.finditer(text), maxlen=1)), None)
    tag = find_tag(last[0]) if last and not text[last.end() :].strip() else None
    return tag if tag and tag.kind == "open" else None


def partial_tag_start(text: str, position: int) -> int:
    """Return where, after a position, a tag may start that the end of a text cuts off.

    That is the length of the text if there is no such place.
    """
    for match in STARTS.finditer(text, max(position, len(text) - MAX_TAG_CHARACTERS)):
        if _is_partial(text[match.start() :]):
            return match.start()
    return len(text)


def may_have_reasoning(text: str) -> bool:
    """Whether a text has any tag, or starts with a word that starts thinking."""
    return (
        text.lstrip().startswith(FIRST_WORDS)
        or any(word in text for word in CHANNEL_WORDS)
        or TAG.search(text) is not None
    )


def _is_partial(text: str) -> bool:
    return text.lower() in PARTIAL_TAGS or PARTIAL_SUFFIXED.fullmatch(text) is not None


def _of_kind(kind: TagKind, texts: str) -> dict[str, Tag]:
    return {text: Tag(kind=kind, name=text) for text in texts.split()}


def _all_tags() -> dict[str, Tag]:
    pairs = {f"<{name}>": f"</{name}>" for name in TAG_NAMES.split()} | dict(TAG_PAIRS)
    return {
        **{close: Tag(kind="close", name=start.strip("<>")) for start, close in pairs.items()},
        **{start: Tag(kind="open", name=start.strip("<>")) for start in pairs},
        **{
            start: Tag(kind="open", name=start.strip("<>"), ends=ends)
            for start, ends in OPENERS_WITHOUT_PAIR.items()
        },
        **{f"<{name}>": Tag(kind="wrap", name=name) for name in WRAPPERS.split()},
        **{f"</{name}>": Tag(kind="unwrap", name=name) for name in WRAPPERS.split()},
        **_of_kind("marker", MARKERS),
        **_of_kind("end", ENDS),
        **_of_kind("role", ROLES),
        **_of_kind("message", MESSAGES),
        **_of_kind("channel", "<|channel|>"),
        **_of_kind("strike", "<s>"),
    }


def _alternatives(texts: Iterable[str]) -> str:
    """A pattern for any of the texts, grouped by their start: one text after the other is slow."""
    groups = itertools.groupby(sorted(texts), key=lambda text: text[:3])
    return "|".join(
        f"{re.escape(start)}(?:{'|'.join(re.escape(text[3:]) for text in group)})"
        for start, group in groups
    )


TAGS: Mapping[str, Tag] = _all_tags()
MAX_TAG_CHARACTERS = max(map(len, [*TAGS, "</think:>" + 24 * "x"]))
PARTIAL_TAGS = frozenset(
    text[:end] for text in (*TAGS, *CHANNEL_WORDS) for end in range(1, len(text))
)
SUFFIXED = re.compile(SUFFIXED_TAG, re.IGNORECASE | re.ASCII)
PARTIAL_SUFFIXED = re.compile(r"</?think:[\w-]{0,24}", re.IGNORECASE | re.ASCII)
STARTS = re.compile("[<\\[◁a]")
ONE_TAG = f"{_alternatives(TAGS)}|{SUFFIXED_TAG}"
ONE_WORD = rf"(?P<word>(?-i:{'|'.join(CHANNEL_WORDS)}))"
# The tokens of a text: tags, runs of the characters that delimit code, and ends of lines.
TOKEN = re.compile(
    rf"(?P<newline>\n+)|(?P<fence>`+|~+)|(?P<tag>(?=[<\[◁])(?:{ONE_TAG}))|{ONE_WORD}",
    re.IGNORECASE | re.ASCII,
)
TURN_TOKEN = re.compile(_alternatives([*ENDS.split(), *ROLES.split()]), re.IGNORECASE | re.ASCII)
# Every alternative starts with one of three characters: `re` tries no other positions.
TAG = re.compile(ONE_TAG, re.IGNORECASE | re.ASCII)
