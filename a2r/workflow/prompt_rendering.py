"""Prompts: fill the templates of a config."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from a2r.answers import Kind
from a2r.config.default_prompts import FORMATS, PromptsConfig
from a2r.inference.types import ChatMessage
from a2r.workflow.reference import Reference

PLACEHOLDER = re.compile(r"\{(question|references|count|format|schema)\}")
# Text that would close a reference, and the special tokens of chat templates.
GAP = r"[\s\u200b-\u200f\u2060\ufeff]*+"
SPECIAL_TOKENS = re.compile(
    rf"<{GAP}/?{GAP}reference|<[|｜][^|｜<>\n]{{1,40}}[|｜]?>|<[^|｜<>\n]{{1,40}}[|｜]>|</?s>"
    r"|\[/?(?:INST|THINK|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|<</?SYS>>"
    r"|</?(?:bos|eos|sop|eop|pad|unk|(?:seed:|mm:)?think|tool_call|tool_response|(?:start|end)_of_turn)>",
    re.IGNORECASE,
)
OPENING: Mapping[str, str] = {"<": "‹", "[": "⟦"}
Messages = list[ChatMessage]
BuildPrompt = Callable[[Sequence[Reference]], Messages]
MakeMessages = Callable[..., Messages]


def explorer_messages(
    prompts: PromptsConfig,
    history: Sequence[ChatMessage],
    question: str,
    kind: Kind,
    *,
    schema: str | None = None,
) -> Messages:
    """The prompt of a sample: by answer kind, with the JSON schema if there is one."""
    templates = prompts.explorer
    template = {
        "math": templates.math,
        "choice": templates.choice,
        "json": templates.json_,
        "code": templates.code,
    }.get(kind, templates.text)
    parts = [_fill(template, question=question), *_format_instruction(prompts, kind, schema)]
    return _messages(prompts, history, "\n\n".join(parts))


def synthesizer_messages(
    prompts: PromptsConfig,
    history: Sequence[ChatMessage],
    question: str,
    kind: Kind,
    references: Sequence[Reference],
    *,
    template: str | None = None,
    votes: bool = False,
    schema: str | None = None,
) -> Messages:
    """The prompt of a synthesis: the question, then the numbered references.

    `template` replaces the config's `prompts.synthesizer`; with `votes`, each reference says how
    many samples agree with it.
    """
    numbered = "\n\n".join(
        f"<reference number={n}{f' votes={reference.votes}' if votes else ''}>\n"
        f"{_neutralize(reference.text)}\n</reference>"
        for n, reference in enumerate(references, start=1)
    )
    content = _fill(
        template or prompts.synthesizer,
        question=question,
        references=numbered,
        count=str(len(references)),
        format="\n".join(
            [FORMATS.get(kind, FORMATS["text"]), *_format_instruction(prompts, kind, schema)]
        ),
    )
    return _messages(prompts, history, content)


def select_messages(prompts: PromptsConfig, *args: Any, **options: Any) -> Messages:
    """The prompt of a judgment: the question, then the numbered references to choose from.

    It takes what `synthesizer_messages` takes, and fills in `prompts.select`.
    """
    return synthesizer_messages(prompts, *args, template=prompts.select, **options)


def _format_instruction(prompts: PromptsConfig, kind: Kind, schema: str | None) -> list[str]:
    """The instruction to follow a JSON schema, if there is one."""
    return [_fill(prompts.conform, schema=schema)] if schema and kind == "json" else []


def _messages(prompts: PromptsConfig, history: Sequence[ChatMessage], content: str) -> Messages:
    system: Messages = [{"role": "system", "content": prompts.system}] if prompts.system else []
    return [*system, *history, {"role": "user", "content": content}]


def _fill(template: str, **values: str) -> str:
    # One pass over the template alone: a question that holds "{references}" stays as it is.
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)


def _neutralize(text: str) -> str:
    """The text of a reference, unable to close its delimiter or to start a turn of the chat."""
    return SPECIAL_TOKENS.sub(lambda match: OPENING[match[0][0]] + match[0][1:], text)
