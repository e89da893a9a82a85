"""Let the synthesizer reason over the references and write its own solution."""

from __future__ import annotations

from typing import Any

from a2r import answers
from a2r.answers import Settings
from a2r.events import SynthesisFinished
from a2r.inference.types import Reply
from a2r.result import Synthesis
from a2r.workflow.prompts import synthesizer_messages
from a2r.workflow.state import SynthesisTask
from a2r.workflow.synthesizer_call import ask, log, packer
from a2r.workflow.voting import read
from a2r.workflow.workflow import Runtime


async def synthesize(sent: SynthesisTask, runtime: Runtime) -> dict[str, Any]:
    """One attempt of the synthesizer over the references that `pack` chose."""
    task, config = sent["task"], runtime.config
    reply, _ = await ask(sent, packer(synthesizer_messages, task, runtime), runtime, writes=True)
    settings = config.answers.settings
    synthesis = await read(lambda: _read(reply, sent, settings), [reply.text], settings)
    log(synthesis)
    runtime.emit(SynthesisFinished(synthesis=synthesis))
    return {"synthesis": [synthesis.model_dump(mode="json")]}


def _read(reply: Reply, sent: SynthesisTask, settings: Settings) -> Synthesis:
    task = sent["task"]
    status, answer, how = reply.status, None, None
    if status == "answered":
        extracted = answers.extract(reply.text, task["kind"], task["question"], settings)
        if extracted:
            answer, how = extracted.text, extracted.how
        elif task["kind"] == "text":
            # An open question's answer is the solution itself, unless a phrase names it.
            answer = reply.text
        status = "answered" if answer is not None else "abstained"
    found = {"status": status, "answer": answer, "how": how}
    place = {"index": sent["index"], "round": sent["round"]}
    return Synthesis.model_validate(reply.record() | found | place)
