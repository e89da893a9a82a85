"""Recover the answer of a finished sample without one: a short request that continues its text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from a2r import answers
from a2r._internal.logging import get_logger
from a2r.answers import Answer, Kind, Settings
from a2r.answers.extraction.values import is_mathematics
from a2r.events import RecoveryFinished
from a2r.inference.types import Continuation, ModelReply, Request
from a2r.result import Recovery, Sample
from a2r.workflow.runtime import NodeRuntime
from a2r.workflow.state import Task
from a2r.workflow.voting import run_off_loop

MAX_TOKENS = 64
CUE = "\n\nTherefore, the final answer is:"
# Programs and JSON documents rarely fit into so few tokens; open questions have no such answer.
INSTRUCTIONS: Mapping[Kind, str] = {
    "math": "What is your final answer? Reply with the final answer only.",
    "choice": "What is your final answer? Reply with the letter of the correct option only.",
}
SENTENCE_END = re.compile(r"\n|[.!?](?=\s)|[。！？]")


async def recover_answer(
    sample: Sample, task: Task, request: Request, runtime: NodeRuntime
) -> Sample:
    """Return the sample with the answer of one further request, if it is finished without one.

    `request` is that of the sample. The further one is greedy, has the seed, the endpoint's
    affinity, the cancel token and the budgets of the sample, and counts in its usage. The sample
    is unchanged but for its usage if the reply has no answer either.
    """
    if sample.status != "answered":
        return sample
    settings, question = runtime.config.answers.settings, task["question"]
    kind, answer = await run_off_loop(
        lambda: _extract(task, sample.text, settings), [question, sample.text], settings
    )
    if answer is not None or kind not in INSTRUCTIONS:
        return sample
    reply = await runtime.models.complete(_further_request(sample, task, kind, request, runtime))
    continued = f"{CUE} {_complete_part(reply)}".rstrip()
    answer = answers.extract(continued, kind, question, settings)
    if answer is not None and kind == "math" and not is_mathematics(answer.text):
        # After the cue, a model without an answer says so in words: "I cannot say".
        answer = None
    recovery = _to_recovery(reply, answer)
    runtime.emit(
        RecoveryFinished(
            index=sample.index, answer=answer.text if answer else None, recovery=recovery
        )
    )
    get_logger().info(
        "recovery finished",
        status=recovery.status,
        endpoint=recovery.endpoint,
        tokens=recovery.usage.completion_tokens,
        error=recovery.error,
    )
    return _with_recovery(sample, recovery, answer, continued)


def _extract(task: Task, text: str, settings: Settings) -> tuple[Kind, Answer | None]:
    """The kind of the sample's answer, as far as it is certain before the end of the wave."""
    kind = task["kind"]
    if kind == "auto":
        kind = answers.infer_kind(task["question"], [text])
    return kind, answers.extract(text, kind, task["question"], settings)


def _further_request(
    sample: Sample, task: Task, kind: Kind, request: Request, runtime: NodeRuntime
) -> Request:
    left = runtime.time_left(task["run_id"])
    limit = runtime.models.role(request.role).sampling.max_tokens
    return replace(
        request,
        timeout=left.seconds,
        timeout_reason=left.budget,
        elapsed=sample.seconds or 0.0,
        temperature=0.0,
        max_tokens=min(MAX_TOKENS, limit or MAX_TOKENS),
        response_format=None,
        continuation=Continuation(text=sample.text, cue=CUE, instruction=INSTRUCTIONS[kind]),
        id=None if request.id is None else f"{request.id}-recovery",
        call=None if request.call is None else f"{request.call}-recovery",
    )


def _complete_part(reply: ModelReply) -> str:
    """The text of a reply, without the sentence that its limit of tokens cut off."""
    if reply.status == "answered":
        return reply.text
    if reply.status != "truncated":
        return ""
    ends = [match.end() for match in SENTENCE_END.finditer(reply.text)]
    return reply.text[: ends[-1]].strip() if ends else ""


def _to_recovery(reply: ModelReply, answer: Answer | None) -> Recovery:
    status = reply.status
    if answer is not None:
        status = "answered"
    elif status == "answered":
        status = "abstained"
    return Recovery(
        status=status,
        text=reply.text,
        usage=reply.usage,
        seconds=reply.seconds,
        endpoint=reply.endpoint,
        error=reply.error,
        error_type=reply.error_type,
    )


def _with_recovery(
    sample: Sample, recovery: Recovery, answer: Answer | None, continued: str
) -> Sample:
    changes = {
        "recovery": recovery,
        "usage": sample.usage + recovery.usage,
        "seconds": (sample.seconds or 0.0) + (recovery.seconds or 0.0),
    }
    if answer is not None:
        changes |= {
            "text": sample.text + continued,
            "answer": answer.text,
            "extraction_method": answer.extraction_method,
        }
    return sample.model_copy(update=changes)
