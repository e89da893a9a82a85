"""Let the synthesizer judge the references and choose one (GenSelect, arXiv 2507.17797)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from a2r.events import SynthesisFinished
from a2r.flow import Runtime
from a2r.models.reply import Reply
from a2r.prompting import Messages, select_messages
from a2r.references import Reference
from a2r.result import Synthesis
from a2r.state import SynthesisTask
from a2r.synthesis import ask, log

JUDGMENTS = (
    re.compile(r"judge?ment\W{0,20}(?:(?:candidate|solution|reference)\W{0,5})?(\d{1,6})", re.I),
    re.compile(r"\\boxed\{\D{0,20}(\d{1,6})\D{0,5}\}"),
)
LAST_LINE = re.compile(r"(?:candidate|solution|reference)\W{0,5}(\d{1,6})\b", re.I)


async def select(sent: SynthesisTask, runtime: Runtime) -> dict[str, Any]:
    """One judgment over the references that `pack` chose: the same interface as `synthesize`.

    Its answer is the chosen reference's; a judgment that names none abstains.
    """
    task, config = sent["task"], runtime.config

    def prompt(references: Sequence[Reference]) -> Messages:
        return select_messages(
            config.prompts,
            task["history"],
            task["question"],
            task["kind"],
            references,
            votes=config.references.votes,
        )

    reply = await ask(sent, prompt, runtime)
    synthesis = _read(reply, sent)
    log(synthesis)
    runtime.emit(SynthesisFinished(synthesis=synthesis))
    return {"synthesis": [synthesis.model_dump(mode="json")]}


def _read(reply: Reply, sent: SynthesisTask) -> Synthesis:
    status, found = reply.status, None
    if status == "answered":
        found = judged(reply.text, [Reference.of_json(data) for data in sent["references"]])
        status = "answered" if found is not None else "abstained"
    chosen = {} if found is None else {"selected": found.attempt, "answer": found.answer}
    if found is not None and found.answer is None:
        chosen["answer"] = found.text
    place = {"index": sent["index"], "round": sent["round"], "status": status}
    return Synthesis.model_validate(reply.record() | chosen | place)


def judged(text: str, references: Sequence[Reference]) -> Reference | None:
    """The reference that a judgment chooses: the last one it names, or `None`."""
    last_line = text.rstrip().rpartition("\n")[2]
    told = [pattern.findall(text) for pattern in JUDGMENTS] + [LAST_LINE.findall(last_line)]
    number = next((int(numbers[-1]) for numbers in told if numbers), 0)
    return references[number - 1] if 1 <= number <= len(references) else None
