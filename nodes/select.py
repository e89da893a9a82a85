"""Have the synthesizer judge the references and choose one (GenSelect, arXiv 2507.17797)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from a2r.answers.extraction.boxed import last_box
from a2r.events import SynthesisFinished
from a2r.inference.types import ModelReply
from a2r.result import Synthesis
from a2r.workflow.prompt_rendering import select_messages
from a2r.workflow.reference import Reference
from a2r.workflow.runtime import NodeRuntime
from a2r.workflow.state import SynthesisTask
from a2r.workflow.synthesizer_call import call_synthesizer, log_synthesis, prompt_builder

# What precedes the word is on its line: otherwise, each of many lines is searched to the last one.
JUDGMENT_LINE = re.compile(
    r"^(?:[^\w\n]|_)*(?:(?:my|the|final)[^\S\n]+)*judge?ments?[\s\"'`*_]*[:\uff1a]\W*(.{0,80})",
    re.IGNORECASE | re.MULTILINE,
)
JUDGMENT = re.compile(r"judge?ments?\b\W*(.{0,80})", re.IGNORECASE)
NUMBER = re.compile(r"(?<![\d.])(\d{1,6})(?![\d.]*\d)")
NAMED_REFERENCE = re.compile(
    r"(?:candidate|solution|reference|option)s?\W{0,5}(\d{1,6})\b", re.IGNORECASE
)


async def select(synthesis_task: SynthesisTask, runtime: NodeRuntime) -> dict[str, Any]:
    """One judgment over the references that `pack` selected: the interface of `synthesize`.

    Its answer is the chosen reference's; a judgment that names none abstains.
    """
    task = synthesis_task["task"]
    reply, shown = await call_synthesizer(
        synthesis_task, prompt_builder(select_messages, task, runtime), runtime, is_final=False
    )
    formatted = runtime.config.answers.format_for_kind(task["kind"]) is not None
    synthesis = _to_synthesis(reply, synthesis_task, shown, formatted=formatted)
    log_synthesis(synthesis)
    runtime.emit(SynthesisFinished(synthesis=synthesis))
    return {
        "synthesis": [synthesis.model_dump(mode="json")],
        "asked_question": task["question"],
    }


def _to_synthesis(
    reply: ModelReply, synthesis_task: SynthesisTask, shown: Sequence[Reference], *, formatted: bool
) -> Synthesis:
    status, chosen = reply.status, None
    if status == "answered":
        chosen = parse_judgment(reply.text, shown)
        if formatted and chosen is not None and chosen.answer is None:
            # Without the response format it is no answer, even if the judge prefers it.
            chosen = None
        status = "answered" if chosen is not None else "abstained"
    fields: dict[str, Any] = {}
    if chosen is not None:
        answer = chosen.text if chosen.answer is None else chosen.answer
        fields = {"selected": chosen.attempt, "answer": answer}
    position = {
        "index": synthesis_task["index"],
        "round": synthesis_task["round"],
        "status": status,
    }
    return Synthesis.model_validate(reply.to_record() | fields | position)


def parse_judgment(text: str, references: Sequence[Reference]) -> Reference | None:
    """The reference that a judgment chooses, or `None` if it names none.

    The last line that begins with "Judgment:" counts; without one, what follows the last word
    "judgment": the number that it begins with, else the reference that it names, else its first
    number. Without that word it is the reference that the last line names, and without that the
    one whose answer is boxed. Numbers elsewhere are no choices.
    """
    judgments = JUDGMENT_LINE.findall(text) or JUDGMENT.findall(text)
    if judgments:
        return _reference_by_number(_chosen_number(judgments[-1], len(references)), references)
    named = NAMED_REFERENCE.findall(text.rstrip().rpartition("\n")[2])
    if named:
        return _reference_by_number(int(named[-1]), references)
    box = last_box(text)
    return next((ref for ref in references if box and ref.answer == box.content), None)


def _chosen_number(judgment: str, count: int) -> int | None:
    """The number that a judgment names, of `count`."""
    first = NUMBER.match(judgment)
    if first and 1 <= int(first[1]) <= count:
        return int(first[1])
    numbers = NAMED_REFERENCE.findall(judgment) or NUMBER.findall(judgment)
    return int(numbers[0]) if numbers else None


def _reference_by_number(number: int | None, references: Sequence[Reference]) -> Reference | None:
    """The reference of a number, counted from 1, if there is one."""
    return references[number - 1] if number and number <= len(references) else None
