"""The replies of a bank's record, as the calls of its run returned them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from a2r.batch.bank.records import BankRecord
from a2r.inference.finish_reasons import reply_status
from a2r.inference.types import ModelReply
from a2r.result import Attempt, Recovery, Sample
from a2r.usage import Usage
from a2r.workflow.answer_recovery import CUE

Number = TypeVar("Number", int, float)
SYNTHESIS = re.compile(r"synthesis-(\d+)(?:-smaller-\d+)?")


def recorded_replies(record: BankRecord) -> Mapping[str, tuple[str, ModelReply]]:
    """The replies by the name of their call, each with the hash of its request."""
    if record.result is None:
        return {}
    replies: dict[str, ModelReply] = {}
    for sample in record.result.samples:
        name = f"sample-{sample.index}"
        replies[name] = _sample_reply(sample, record.thinking.get(name, ""))
        if sample.recovery is not None:
            replies[f"{name}-recovery"] = _recovery_reply(sample.recovery)
    # The attempts are in the order of their calls, and only the last call of each is complete.
    names = {
        int(match[1]): name for name in record.requests if (match := SYNTHESIS.fullmatch(name))
    }
    for number, attempt in enumerate(record.result.synthesis):
        if number in names:
            name = names[number]
            replies[name] = _reply(attempt, attempt.text, record.thinking.get(name, ""))
    return {
        name: (record.requests[name], reply)
        for name, reply in replies.items()
        if name in record.requests
    }


def _sample_reply(sample: Sample, thinking: str) -> ModelReply:
    """The reply of a sample, without the text of its recovery."""
    if sample.recovery is None:
        return _reply(sample, sample.text, thinking)
    text = sample.text.rpartition(CUE)[0] if sample.is_recovered else sample.text
    recovery = sample.recovery.usage
    usage = Usage(
        calls=sample.usage.calls - recovery.calls,
        prompt_tokens=_less(sample.usage.prompt_tokens, recovery.prompt_tokens),
        completion_tokens=_less(sample.usage.completion_tokens, recovery.completion_tokens),
        reasoning_tokens=_less(sample.usage.reasoning_tokens, recovery.reasoning_tokens),
        cost=_less(sample.usage.cost, recovery.cost),
        estimated=sample.usage.estimated,
    )
    return _reply(sample.model_copy(update={"usage": usage}), text, thinking)


def _less(total: Number | None, part: Number | None) -> Number | None:
    return None if total is None or part is None else total - part


def _reply(attempt: Attempt, text: str, thinking: str) -> ModelReply:
    status = attempt.status
    if status in ("answered", "abstained") and text:
        # Whether a finished text has an answer is decided later.
        status = reply_status(attempt.finish_reason, text) if attempt.finish_reason else "answered"
    return ModelReply(
        status=status,
        text=text,
        thinking=thinking,
        finish_reason=attempt.finish_reason,
        usage=attempt.usage,
        reasoning_tokens=attempt.reasoning_tokens,
        seconds=attempt.seconds or 0.0,
        endpoint=attempt.endpoint,
        error=attempt.error,
        error_type=attempt.error_type,
        logprobs=attempt.logprobs,
    )


def _recovery_reply(recovery: Recovery) -> ModelReply:
    return ModelReply(
        status="answered" if recovery.text else recovery.status,
        text=recovery.text,
        usage=recovery.usage,
        seconds=recovery.seconds or 0.0,
        endpoint=recovery.endpoint,
        error=recovery.error,
        error_type=recovery.error_type,
    )
