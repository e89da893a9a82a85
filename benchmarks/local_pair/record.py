"""Record the local pair on GSM8K: `python -m benchmarks.local_pair.record FILE`.

Takes about three hours on two cores. An interrupted recording can be continued. The questions are
a seeded sample of GSM8K's test split in FILE: JSON Lines with `id`, `problem` and `answer`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from a2r import answers
from a2r.config import load_config
from a2r.config.default_prompts import PromptsConfig
from a2r.inference.types import ModelReply, Request
from a2r.result import Sample
from a2r.workflow.prompt_rendering import (
    Messages,
    explorer_messages,
    select_messages,
    synthesizer_messages,
)
from a2r.workflow.reference_selection import select_references
from a2r.workflow.voting import cluster_answers
from a2r.workflow.workflow import Workflow
from benchmarks.local_pair.data_files import read, recorded_indices, write
from benchmarks.local_pair.variants import (
    BIG,
    MAX_TOKENS,
    RECORDINGS,
    VARIANTS,
    Recording,
    Variant,
)

QUESTION_COUNT = 64
CONCURRENCY = 12
CONTEXT = 3072
SYNTHESES = "syntheses"
UNITS = answers.Settings(units="shared")


async def record_samples(recording: Recording, questions: Sequence[Mapping[str, Any]]) -> None:
    """Record the missing samples of a recording."""
    rows = {row["id"]: row for row in read(recording.name)}
    workflow = _workflow(recording.model)
    semaphore = asyncio.Semaphore(CONCURRENCY)

    async def record_sample(question: Mapping[str, Any], index: int) -> None:
        messages = explorer_messages(PromptsConfig(), [], question["problem"], "math")
        async with semaphore:
            reply = await _call(workflow, messages, recording.temperature, index)
        row = rows.setdefault(question["id"], _row(question, recording.model))
        row["samples"].append({"index": index, **_reply_fields(reply)})
        row["samples"].sort(key=lambda sample: sample["index"])
        write(recording.name, rows.values())

    async def record_up_to(count: int, selected: Sequence[Mapping[str, Any]]) -> None:
        missing = [
            (question, index)
            for question in selected
            for index in range(count)
            if index not in recorded_indices(rows.get(question["id"]))
        ]
        await asyncio.gather(*(record_sample(*item) for item in missing))

    await record_up_to(recording.initial_count or recording.count, questions)
    if recording.initial_count is not None:
        disputed = [
            row for row in questions if await _disagree(rows[row["id"]], recording.initial_count)
        ]
        await record_up_to(recording.count, disputed)
    workflow.models.engine.close()


async def record_syntheses(name: str, variant: Variant) -> None:
    """Record the missing syntheses of a variant, for questions with disagreeing samples."""
    rows = {(row["variant"], row["id"]): row for row in read(SYNTHESES)}
    sources = {
        recording.name: {row["id"]: row for row in read(recording.name)}
        for recording, _ in variant.sources
    }
    workflow = _workflow(BIG)
    semaphore = asyncio.Semaphore(CONCURRENCY)

    async def record_synthesis(row: Mapping[str, Any]) -> None:
        question_rows = {source: rows[row["id"]] for source, rows in sources.items()}
        samples = source_samples(question_rows, variant)
        if not await _needs_synthesis(samples, variant):
            return
        if variant.previous_round:
            previous = [rows[earlier, row["id"]] for earlier in variant.previous_round]
            samples = [_sample(n, part, row["problem"]) for n, part in enumerate(previous)]
        messages, references = await _prompt(samples, row["problem"], variant)
        async with semaphore:
            reply = await _call(workflow, messages, variant.temperature, variant.seed)
        synthesis = {
            "variant": name,
            "id": row["id"],
            "references": references,
            **_reply_fields(reply),
        }
        rows[name, row["id"]] = synthesis
        write(SYNTHESES, rows.values())

    first = variant.sources[0][0]
    missing = [row for row in read(first.name) if (name, row["id"]) not in rows]
    await asyncio.gather(*(record_synthesis(row) for row in missing))
    workflow.models.engine.close()


def parse_samples(row: Mapping[str, Any]) -> list[Sample]:
    """Return the recorded samples of a question with their answers extracted."""
    return [_sample(index, part, row["problem"]) for index, part in enumerate(row["samples"])]


def source_samples(rows: Mapping[str, Mapping[str, Any]], variant: Variant) -> list[Sample]:
    """Return the samples a variant refers to, numbered consecutively; `rows` by recording."""
    parts = [
        part
        for recording, count in variant.sources
        for part in rows[recording.name]["samples"][:count]
    ]
    problem = next(iter(rows.values()))["problem"]
    return [_sample(index, part, problem) for index, part in enumerate(parts)]


async def _disagree(row: Mapping[str, Any], count: int) -> bool:
    clusters = await cluster_answers(parse_samples(row)[:count], "math", UNITS)
    return not clusters or clusters[0].votes < count


def _sample(index: int, part: Mapping[str, Any], problem: str) -> Sample:
    finished = part["finish_reason"] == "stop"
    answer = answers.extract(part["text"], "math", problem) if finished else None
    status = "answered" if answer else "abstained" if finished else "truncated"
    return Sample.model_validate(
        {
            "index": index,
            "status": status,
            "answer": answer.text if answer else None,
            "text": part["text"],
        }
    )


async def _needs_synthesis(samples: Sequence[Sample], variant: Variant) -> bool:
    clusters = await cluster_answers(samples, "math", UNITS)
    agreed = bool(clusters) and clusters[0].votes > 1
    return not agreed or not (variant.only_without_majority or len(clusters) == 1)


async def _prompt(
    samples: Sequence[Sample], problem: str, variant: Variant
) -> tuple[Messages, list[int]]:
    clusters = await cluster_answers(samples, "math", UNITS)
    selected = select_references(samples, clusters, variant.references, seed=0, question=problem)
    prompts = (
        PromptsConfig(select=variant.prompt)
        if variant.selects
        else PromptsConfig(synthesizer=variant.prompt)
    )
    build = select_messages if variant.selects else synthesizer_messages
    return build(prompts, [], problem, "math", selected), [
        reference.attempt for reference in selected
    ]


def _workflow(model: str) -> Workflow:
    loaded = load_config(
        "local",
        overrides={
            "explorer.model": model,
            "explorer.sampling.max_tokens": MAX_TOKENS,
            "synthesizer": None,
            "engine": {"slots": CONCURRENCY, "context": CONTEXT},
        },
    )
    return Workflow.from_config(loaded)


async def _call(
    workflow: Workflow, messages: Messages, temperature: float, seed: int
) -> ModelReply:
    request = Request(
        role="explorer",
        messages=messages,
        seed=seed,
        timeout=3600.0,
        temperature=temperature,
    )
    reply = await workflow.models.complete(request)
    if reply.error is not None:
        raise RuntimeError(reply.error)
    return reply


def _reply_fields(reply: ModelReply) -> dict[str, Any]:
    return {
        "text": reply.text,
        "finish_reason": reply.finish_reason,
        "tokens": reply.usage.completion_tokens,
        "prompt_tokens": reply.usage.prompt_tokens,
    }


def _row(question: Mapping[str, Any], model: str) -> dict[str, Any]:
    return {
        "id": question["id"],
        "benchmark": "GSM8K test",
        "kind": "math",
        "problem": question["problem"],
        "gold": question["answer"],
        "model": model,
        "samples": [],
    }


async def main(lines: Sequence[Mapping[str, Any]]) -> None:
    """Record all samples and syntheses."""
    indices = sorted(random.Random(0).sample(range(len(lines)), QUESTION_COUNT))
    for recording in RECORDINGS:
        await record_samples(recording, [lines[index] for index in indices])
    for name, variant in VARIANTS.items():
        await record_syntheses(name, variant)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("file", type=Path)
    text = arguments.parse_args().file.read_text("utf-8")
    asyncio.run(main([json.loads(line) for line in text.splitlines()]))
