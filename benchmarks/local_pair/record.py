"""Record the local pair on GSM8K: `python -m benchmarks.local_pair.record QUESTIONS`.

About three hours on two cores. What is recorded already is kept, so that it can be interrupted.
The questions are a seeded choice from the file of GSM8K's test split that `QUESTIONS` names, a
JSON object a line with `id`, `problem` and `answer`.
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
from a2r.config.prompt_templates import PromptsConfig
from a2r.inference.types import ModelReply, Request
from a2r.result import Sample
from a2r.workflow.prompts import Messages, explorer_messages, select_messages, synthesizer_messages
from a2r.workflow.reference_selection import select_references
from a2r.workflow.voting import cluster_answers
from a2r.workflow.workflow import Workflow
from benchmarks.local_pair.data import read, recorded, write
from benchmarks.local_pair.variants import (
    BIG,
    MAX_TOKENS,
    RECORDINGS,
    VARIANTS,
    Recording,
    Variant,
)

QUESTIONS = 64
AT_ONCE = 12
CONTEXT = 3072
SYNTHESES = "syntheses"
UNITS = answers.Settings(units="shared")


async def record_samples(recording: Recording, questions: Sequence[Mapping[str, Any]]) -> None:
    """Draw the samples of a recording that are not there yet, and save them."""
    rows = {row["id"]: row for row in read(recording.name)}
    flow = _flow(recording.model)
    places = asyncio.Semaphore(AT_ONCE)

    async def draw(question: Mapping[str, Any], index: int) -> None:
        messages = explorer_messages(PromptsConfig(), [], question["problem"], "math")
        async with places:
            reply = await _call(flow, messages, recording.temperature, index)
        row = rows.setdefault(question["id"], _row(question, recording.model))
        row["samples"].append({"index": index, **_told(reply)})
        row["samples"].sort(key=lambda sample: sample["index"])
        write(recording.name, rows.values())

    async def draw_up_to(count: int, asked: Sequence[Mapping[str, Any]]) -> None:
        wanted = [
            (question, index)
            for question in asked
            for index in range(count)
            if index not in recorded(rows.get(question["id"]))
        ]
        await asyncio.gather(*(draw(*one) for one in wanted))

    await draw_up_to(recording.sure or recording.count, questions)
    if recording.sure is not None:
        disputed = [one for one in questions if await _disagree(rows[one["id"]], recording.sure)]
        await draw_up_to(recording.count, disputed)
    flow.models.engine.close()


async def record_syntheses(name: str, variant: Variant) -> None:
    """Make the syntheses of a variant that are not there yet, where its samples disagree."""
    rows = {(row["variant"], row["id"]): row for row in read(SYNTHESES)}
    sources = {
        recording.name: {row["id"]: row for row in read(recording.name)}
        for recording, _ in variant.sources
    }
    flow = _flow(BIG)
    places = asyncio.Semaphore(AT_ONCE)

    async def make(row: Mapping[str, Any]) -> None:
        own = {source: rows[row["id"]] for source, rows in sources.items()}
        samples = sources_of(own, variant)
        if not await _asks(samples, variant):
            return
        if variant.over:
            before = [rows[first, row["id"]] for first in variant.over]
            samples = [_sample(n, one, row["problem"]) for n, one in enumerate(before)]
        messages, attempts = await _prompt(samples, row["problem"], variant)
        async with places:
            reply = await _call(flow, messages, variant.temperature, variant.attempt)
        told = {"variant": name, "id": row["id"], "references": attempts, **_told(reply)}
        rows[name, row["id"]] = told
        write(SYNTHESES, rows.values())

    first = variant.sources[0][0]
    wanted = [row for row in read(first.name) if (name, row["id"]) not in rows]
    await asyncio.gather(*(make(row) for row in wanted))
    flow.models.engine.close()


def samples_of(row: Mapping[str, Any]) -> list[Sample]:
    """The recorded samples of a question, as a flow would have read them."""
    return [_sample(place, one, row["problem"]) for place, one in enumerate(row["samples"])]


def sources_of(rows: Mapping[str, Mapping[str, Any]], variant: Variant) -> list[Sample]:
    """The samples behind a variant's references, numbered through; `rows` by recording."""
    taken = [
        one
        for recording, count in variant.sources
        for one in rows[recording.name]["samples"][:count]
    ]
    problem = next(iter(rows.values()))["problem"]
    return [_sample(place, one, problem) for place, one in enumerate(taken)]


async def _disagree(row: Mapping[str, Any], count: int) -> bool:
    clusters = await cluster_answers(samples_of(row)[:count], "math", UNITS)
    return not clusters or clusters[0].votes < count


def _sample(place: int, one: Mapping[str, Any], problem: str) -> Sample:
    finished = one["finish_reason"] == "stop"
    found = answers.extract(one["text"], "math", problem) if finished else None
    status = "answered" if found else "abstained" if finished else "truncated"
    return Sample.model_validate(
        {
            "index": place,
            "status": status,
            "answer": found.text if found else None,
            "text": one["text"],
        }
    )


async def _asks(samples: Sequence[Sample], variant: Variant) -> bool:
    clusters = await cluster_answers(samples, "math", UNITS)
    agreed = bool(clusters) and clusters[0].votes > 1
    return not agreed or not (variant.undecided or len(clusters) == 1)


async def _prompt(
    samples: Sequence[Sample], problem: str, variant: Variant
) -> tuple[Messages, list[int]]:
    clusters = await cluster_answers(samples, "math", UNITS)
    picked = select_references(samples, clusters, variant.references, seed=0, question=problem)
    prompts = (
        PromptsConfig(select=variant.prompt)
        if variant.selects
        else PromptsConfig(synthesizer=variant.prompt)
    )
    make = select_messages if variant.selects else synthesizer_messages
    return make(prompts, [], problem, "math", picked), [one.attempt for one in picked]


def _flow(model: str) -> Workflow:
    loaded = load_config(
        "local",
        overrides={
            "explorer.model": model,
            "explorer.sampling.max_tokens": MAX_TOKENS,
            "synthesizer": None,
            "engine": {"slots": AT_ONCE, "context": CONTEXT},
        },
    )
    return Workflow.from_config(loaded)


async def _call(flow: Workflow, messages: Messages, temperature: float, seed: int) -> ModelReply:
    request = Request(
        role="explorer",
        messages=messages,
        seed=seed,
        timeout=3600.0,
        temperature=temperature,
    )
    reply = await flow.models.complete(request)
    if reply.error is not None:
        raise RuntimeError(reply.error)
    return reply


def _told(reply: ModelReply) -> dict[str, Any]:
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
    """Record everything."""
    places = sorted(random.Random(0).sample(range(len(lines)), QUESTIONS))
    for recording in RECORDINGS:
        await record_samples(recording, [lines[place] for place in places])
    for name, variant in VARIANTS.items():
        await record_syntheses(name, variant)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("questions", type=Path)
    text = arguments.parse_args().questions.read_text("utf-8")
    asyncio.run(main([json.loads(line) for line in text.splitlines()]))
