"""Put the result together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage

from a2r import answers
from a2r.errors import EndpointsUnreachableError, NoAnswerError
from a2r.events import Finished
from a2r.flow import Runtime
from a2r.logs import get_logger
from a2r.result import Cluster, GateReport, Method, Result, Sample, Synthesis
from a2r.state import State, samples_of, synthesis_of
from a2r.usage import UsageByRole, total


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer, how it came about, and the solution behind it."""

    answer: str | None
    method: Method | None
    text: str
    warnings: tuple[str, ...] = ()


async def finalize(state: State, runtime: Runtime) -> dict[str, Any]:
    """The result of the question, from the synthesizer where it wrote, else from the votes.

    Raises:
        NoAnswerError: no sample finished; the error carries the partial result.
    """
    samples, attempts = samples_of(state), synthesis_of(state)
    clusters = [Cluster.model_validate(group) for group in state["clusters"]]
    written = [attempt for attempt in attempts if attempt.answer is not None]
    groups = await answers.acluster(
        [attempt.answer for attempt in written],
        state["task"]["kind"],
        runtime.config.answers.settings,
    )
    chosen = written[groups[0].samples[0]] if groups else None
    verdict = _verdict(state, samples, attempts, clusters, chosen)
    result = _result(state, runtime, samples, attempts, clusters, verdict)
    if not any(sample.finished for sample in samples):
        raise _no_answer(result)
    get_logger().info(
        "question finished",
        run=result.run_id,
        method=result.method,
        agreement=result.agreement,
        calls=result.usage.total.calls,
        prompt_tokens=result.usage.total.prompt_tokens,
        completion_tokens=result.usage.total.completion_tokens,
        seconds=round(result.seconds, 3),
    )
    runtime.emit(Finished(result=result))
    return {
        "result": result.model_dump(mode="json"),
        "answer": result.answer,
        "messages": [_message(result)],
    }


def _verdict(
    state: State,
    samples: list[Sample],
    attempts: list[Synthesis],
    clusters: list[Cluster],
    chosen: Synthesis | None,
) -> Verdict:
    if not attempts:
        return _of_votes(state, samples, clusters)
    if chosen is not None:
        return Verdict(answer=chosen.answer, method="synthesized", text=chosen.text)
    fallback = _of_votes(state, samples, clusters)
    if fallback.answer is None:
        text = next((attempt.text for attempt in attempts if attempt.text), fallback.text)
        return Verdict(
            answer=None, method=None, text=text, warnings=(_why_not(attempts), *fallback.warnings)
        )
    return Verdict(
        answer=fallback.answer,
        method="majority_fallback",
        text=fallback.text,
        warnings=(f"{_why_not(attempts)}; the samples' majority answers", *fallback.warnings),
    )


def _of_votes(state: State, samples: list[Sample], clusters: list[Cluster]) -> Verdict:
    answered = sum(cluster.votes for cluster in clusters)
    if not clusters:
        return _of_texts(state, samples)
    top = clusters[0]
    method: Method = "unanimous" if len(clusters) == 1 else "majority"
    return Verdict(
        answer=top.answer,
        method="single" if len(samples) == 1 else method,
        text=samples[top.samples[0]].text,
        warnings=(*_thin(answered, len(samples)), *_tied(clusters), *_undecided(clusters)),
    )


def _of_texts(state: State, samples: list[Sample]) -> Verdict:
    """Without a vote: an open question is answered by the first text, another is not."""
    text = next((sample.text for sample in samples if sample.finished), "")
    usable = bool(text) and state["task"]["kind"] == "text"
    if usable and len(samples) == 1:
        return Verdict(answer=text, method="single", text=text)
    if usable and state["synthesis"]:
        warning = "no sample gave an answer to vote on; the first finished text is returned"
        return Verdict(answer=text, method="majority", text=text, warnings=(warning,))
    return Verdict(
        answer=None, method=None, text=text, warnings=("no finished text holds an answer",)
    )


def _thin(answered: int, started: int) -> tuple[str, ...]:
    if started > 1 and answered == 1:
        return (f"only 1 of {started} samples answered",)
    return ()


def _tied(clusters: list[Cluster]) -> tuple[str, ...]:
    tied = sum(cluster.votes == clusters[0].votes for cluster in clusters)
    if tied == 1:
        return ()
    return (f"{tied} answers tie for the most votes; the one of the lowest sample counts",)


def _undecided(clusters: list[Cluster]) -> tuple[str, ...]:
    if not any(cluster.undecided for cluster in clusters):
        return ()
    return ("some answers could not be compared in time and count as different",)


def _why_not(attempts: list[Synthesis]) -> str:
    reasons = sorted({attempt.error or f"it {attempt.status}" for attempt in attempts})
    return f"the synthesizer gave no answer ({'; '.join(reasons)})"


def _result(
    state: State,
    runtime: Runtime,
    samples: list[Sample],
    attempts: list[Synthesis],
    clusters: list[Cluster],
    verdict: Verdict,
) -> Result:
    task = state["task"]
    explorer, synthesizer = total(s.usage for s in samples), total(a.usage for a in attempts)
    answered = sum(cluster.votes for cluster in clusters)
    return Result(
        question=task["question"],
        answer=verdict.answer,
        kind=task["kind"],
        method=verdict.method,
        text=verdict.text,
        agreement=clusters[0].votes / answered if clusters else None,
        clusters=clusters,
        samples=samples,
        gate=GateReport.model_validate(state["gate"]) if state["gate"] else None,
        synthesis=attempts,
        usage=UsageByRole(explorer=explorer, synthesizer=synthesizer, total=explorer + synthesizer),
        seconds=time.time() - task["started_at"],
        run_id=task["run_id"],
        config=runtime.config_name,
        warnings=list(verdict.warnings),
    )


def _no_answer(result: Result) -> NoAnswerError:
    samples = result.samples
    what = _what_happened(samples)
    if all(sample.fault in ("unreachable", "engine") for sample in samples):
        endpoints = ", ".join(sorted({sample.endpoint or "?" for sample in samples}))
        return EndpointsUnreachableError(
            f"explorer: no endpoint can be reached ({endpoints}); {what}", result
        )
    return NoAnswerError(f"none of {len(samples)} samples finished: {what}", result)


def _what_happened(samples: Sequence[Sample]) -> str:
    """What became of the samples, those with the same end told together."""
    ends: dict[str, list[str]] = {}
    for sample in samples:
        end = f"{sample.status}: {sample.error or _ended(sample)}"
        ends.setdefault(end, []).append(str(sample.index))
    return "; ".join(
        f"sample{'s' if len(indices) > 1 else ''} {', '.join(indices)} {end}"
        for end, indices in ends.items()
    )


def _ended(sample: Sample) -> str:
    return f"finish reason {sample.finish_reason}"


def _message(result: Result) -> AIMessage:
    usage = result.usage.total
    counts = (usage.prompt_tokens, usage.completion_tokens)
    metadata: Any = None
    if None not in counts:
        prompt, completion = int(counts[0] or 0), int(counts[1] or 0)
        metadata = {
            "input_tokens": prompt,
            "output_tokens": completion,
            "total_tokens": prompt + completion,
        }
    told = result.model_dump(mode="json", include={"method", "answer", "agreement", "run_id"})
    return AIMessage(content=result.text, response_metadata={"a2r": told}, usage_metadata=metadata)
