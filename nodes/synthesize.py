"""Have the synthesizer reason over the references and write its own solution."""

from __future__ import annotations

from typing import Any

from a2r import answers
from a2r.answers import Settings
from a2r.events import SynthesisFinished
from a2r.inference.types import ModelReply
from a2r.result import Synthesis
from a2r.workflow.prompt_rendering import synthesizer_messages
from a2r.workflow.runtime import NodeRuntime
from a2r.workflow.state import SynthesisTask
from a2r.workflow.synthesizer_call import call_synthesizer, log_synthesis, prompt_builder
from a2r.workflow.voting import run_off_loop


async def synthesize(synthesis_task: SynthesisTask, runtime: NodeRuntime) -> dict[str, Any]:
    """One synthesis over the references that `pack` selected."""
    task, config = synthesis_task["task"], runtime.config
    reply, _ = await call_synthesizer(
        synthesis_task, prompt_builder(synthesizer_messages, task, runtime), runtime, is_final=True
    )
    settings = config.answers.settings
    synthesis = await run_off_loop(
        lambda: _to_synthesis(reply, synthesis_task, settings), [reply.text], settings
    )
    log_synthesis(synthesis)
    runtime.emit(SynthesisFinished(synthesis=synthesis))
    return {
        "synthesis": [synthesis.model_dump(mode="json")],
        "asked_question": task["question"],
    }


def _to_synthesis(
    reply: ModelReply, synthesis_task: SynthesisTask, settings: Settings
) -> Synthesis:
    task = synthesis_task["task"]
    status, answer, how = reply.status, None, None
    if status == "answered":
        extracted = answers.extract(reply.text, task["kind"], task["question"], settings)
        if extracted:
            answer, how = extracted.text, extracted.extraction_method
        elif task["kind"] == "text":
            # An open question's answer is the solution itself, unless a phrase names it.
            answer = reply.text
        status = "answered" if answer is not None else "abstained"
    extraction = {"status": status, "answer": answer, "extraction_method": how}
    position = {"index": synthesis_task["index"], "round": synthesis_task["round"]}
    return Synthesis.model_validate(reply.to_record() | extraction | position)
