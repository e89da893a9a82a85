"""Let the synthesizer judge the references and choose one (GenSelect, arXiv 2507.17797)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from a2r.answers.boxes import last_box
from a2r.events import SynthesisFinished
from a2r.flow import Runtime
from a2r.models.reply import Reply
from a2r.prompting import select_messages
from a2r.references import Reference
from a2r.result import Synthesis
from a2r.state import SynthesisTask
from a2r.synthesis import ask, log, packer

JUDGMENT = re.compile(r"judge?ments?\b\W*(.{0,80})", re.IGNORECASE)
NUMBER = re.compile(r"(?<![\d.])(\d{1,6})(?![\d.]*\d)")
NAMED = re.compile(r"(?:candidate|solution|reference|option)s?\W{0,5}(\d{1,6})\b", re.IGNORECASE)


async def select(sent: SynthesisTask, runtime: Runtime) -> dict[str, Any]:
    """One judgment over the references that `pack` chose: the same interface as `synthesize`.

    Its answer is the chosen reference's; a judgment that names none abstains.
    """
    task = sent["task"]
    reply, shown = await ask(sent, packer(select_messages, task, runtime), runtime, writes=False)
    formatted = runtime.config.answers.format_of(task["kind"]) is not None
    synthesis = _read(reply, sent, shown, formatted=formatted)
    log(synthesis)
    runtime.emit(SynthesisFinished(synthesis=synthesis))
    return {"synthesis": [synthesis.model_dump(mode="json")]}


def _read(
    reply: Reply, sent: SynthesisTask, shown: Sequence[Reference], *, formatted: bool
) -> Synthesis:
    status, found = reply.status, None
    if status == "answered":
        found = judged(reply.text, shown)
        if formatted and found is not None and found.answer is None:
            # What does not conform to the response format is no answer, whoever prefers it.
            found = None
        status = "answered" if found is not None else "abstained"
    chosen = {} if found is None else {"selected": found.attempt, "answer": found.answer}
    if found is not None and found.answer is None:
        chosen["answer"] = found.text
    place = {"index": sent["index"], "round": sent["round"], "status": status}
    return Synthesis.model_validate(reply.record() | chosen | place)


def judged(text: str, references: Sequence[Reference]) -> Reference | None:
    """The reference that a judgment chooses, or `None` if it names none.

    What follows the last word "judgment" counts; without one, the reference that the last line
    names, and without that the one whose answer is boxed. Numbers elsewhere are no choices.
    """
    told = JUDGMENT.findall(text)
    if told:
        numbers = NUMBER.findall(told[-1])[:1]
    else:
        last_line = text.rstrip().rpartition("\n")[2]
        numbers = NAMED.findall(last_line)[-1:]
    if not told and not numbers:
        box = last_box(text)
        return next((one for one in references if box and one.answer == box.content), None)
    number = int(numbers[0]) if numbers else 0
    return references[number - 1] if 1 <= number <= len(references) else None
