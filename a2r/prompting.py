"""Filling in the prompts of a config."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from a2r.answers import Kind
from a2r.config.prompts import FORMATS, PromptsConfig
from a2r.models.reply import ChatMessage

PLACE = re.compile(r"\{(question|references|count|format)\}")
MARK = " […]"
DELIMITER = re.compile(r"<\s*/?\s*reference", re.IGNORECASE)


def explorer_messages(
    prompts: PromptsConfig, history: Sequence[ChatMessage], question: str, kind: Kind
) -> list[ChatMessage]:
    """What an explorer is asked; the prompt follows the answer kind."""
    asked = prompts.explorer
    template = {
        "math": asked.math,
        "choice": asked.choice,
        "json": asked.json_,
        "code": asked.code,
    }.get(kind, asked.text)
    return _messages(prompts, history, _fill(template, question=question))


def synthesizer_messages(
    prompts: PromptsConfig,
    history: Sequence[ChatMessage],
    question: str,
    kind: Kind,
    references: Sequence[str],
) -> list[ChatMessage]:
    """What a synthesizer is asked: the question, then the numbered references."""
    numbered = "\n\n".join(
        f"<reference number={n}>\n{_inert(text)}\n</reference>"
        for n, text in enumerate(references, start=1)
    )
    content = _fill(
        prompts.synthesizer,
        question=question,
        references=numbered,
        count=str(len(references)),
        format=FORMATS.get(kind, FORMATS["text"]),
    )
    return _messages(prompts, history, content)


def shuffled(references: Sequence[str], seed: int | None, question: str) -> list[str]:
    """The references in an order that the seed and the question fix (an unset seed counts as 0)."""
    order = list(references)
    random.Random(f"{seed or 0}:{question}").shuffle(order)
    return order


def trimmed(references: Sequence[str], characters: int | None) -> list[str]:
    """The references, those over their equal share of `characters` cut, with a mark."""
    if characters is None or sum(map(len, references)) <= characters:
        return list(references)
    share = max(1, characters // len(references))
    return [text if len(text) <= share else text[:share] + MARK for text in references]


def _messages(
    prompts: PromptsConfig, history: Sequence[ChatMessage], content: str
) -> list[ChatMessage]:
    system: list[ChatMessage] = (
        [{"role": "system", "content": prompts.system}] if prompts.system else []
    )
    return [*system, *history, {"role": "user", "content": content}]


def _fill(template: str, **values: str) -> str:
    # One pass over the template alone: a question that holds "{references}" stays as it is.
    return PLACE.sub(lambda place: values.get(place[1], place[0]), template)


def _inert(text: str) -> str:
    """A reference that cannot close its own delimiter."""
    return DELIMITER.sub(lambda found: found[0].replace("<", "‹"), text)
