"""Filling in the prompts of a config."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from a2r.answers import Kind
from a2r.config.prompt_templates import FORMATS, PromptsConfig
from a2r.inference.types import ChatMessage
from a2r.workflow.reference_selection import Reference

PLACEHOLDER = re.compile(r"\{(question|references|count|format|schema)\}")
# What would end a reference, or be a sign of a chat template rather than text.
GAP = r"[\s\u200b-\u200f\u2060\ufeff]*"
SPECIAL_TOKENS = re.compile(
    rf"<{GAP}/?{GAP}reference|<[|｜][^|｜<>\n]{{1,40}}[|｜]?>|<[^|｜<>\n]{{1,40}}[|｜]>|</?s>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|<</?SYS>>"
    r"|</?(?:bos|eos|sop|eop|pad|unk|think|tool_call|tool_response|(?:start|end)_of_turn)>",
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
    """What is asked for a sample; the prompt follows the answer kind, and names a JSON schema."""
    asked = prompts.explorer
    template = {
        "math": asked.math,
        "choice": asked.choice,
        "json": asked.json_,
        "code": asked.code,
    }.get(kind, asked.text)
    told = [_fill(template, question=question), *_format_instruction(prompts, kind, schema)]
    return _messages(prompts, history, "\n\n".join(told))


def synthesizer_messages(
    prompts: PromptsConfig,
    history: Sequence[ChatMessage],
    question: str,
    kind: Kind,
    references: Sequence[Reference],
    *,
    votes: bool = False,
    schema: str | None = None,
) -> Messages:
    """What a synthesizer is asked: the question, then the numbered references."""
    return _with_references(
        prompts,
        prompts.synthesizer,
        history,
        question,
        kind,
        references,
        votes=votes,
        schema=schema,
    )


def select_messages(
    prompts: PromptsConfig,
    history: Sequence[ChatMessage],
    question: str,
    kind: Kind,
    references: Sequence[Reference],
    *,
    votes: bool = False,
    schema: str | None = None,
) -> Messages:
    """What a judge is asked: the question, the numbered references, and which is the best."""
    return _with_references(
        prompts, prompts.select, history, question, kind, references, votes=votes, schema=schema
    )


def _with_references(
    prompts: PromptsConfig,
    template: str,
    history: Sequence[ChatMessage],
    question: str,
    kind: Kind,
    references: Sequence[Reference],
    *,
    votes: bool,
    schema: str | None,
) -> Messages:
    numbered = "\n\n".join(
        f"<reference number={n}{f' votes={one.votes}' if votes else ''}>\n"
        f"{_neutralize(one.text)}\n</reference>"
        for n, one in enumerate(references, start=1)
    )
    content = _fill(
        template,
        question=question,
        references=numbered,
        count=str(len(references)),
        format="\n".join(
            [FORMATS.get(kind, FORMATS["text"]), *_format_instruction(prompts, kind, schema)]
        ),
    )
    return _messages(prompts, history, content)


def _format_instruction(prompts: PromptsConfig, kind: Kind, schema: str | None) -> list[str]:
    """What has to be said of a JSON schema, if there is one."""
    return [_fill(prompts.conform, schema=schema)] if schema and kind == "json" else []


def _messages(prompts: PromptsConfig, history: Sequence[ChatMessage], content: str) -> Messages:
    system: Messages = [{"role": "system", "content": prompts.system}] if prompts.system else []
    return [*system, *history, {"role": "user", "content": content}]


def _fill(template: str, **values: str) -> str:
    # One pass over the template alone: a question that holds "{references}" stays as it is.
    return PLACEHOLDER.sub(lambda place: values.get(place[1], place[0]), template)


def _neutralize(text: str) -> str:
    """A reference that can neither close its delimiter nor begin a turn of the chat."""
    return SPECIAL_TOKENS.sub(lambda found: OPENING[found[0][0]] + found[0][1:], text)
