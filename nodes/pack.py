"""Choose the references of the next round of syntheses, and make them fit."""

from __future__ import annotations

from typing import Any

from a2r.events import ReferencesPacked
from a2r.result import Attempt
from a2r.workflow.prompts import Make, synthesizer_messages
from a2r.workflow.reference_selection import Reference, chosen
from a2r.workflow.state import State, samples_of, synthesis_of
from a2r.workflow.synthesizer_call import fitted, packer
from a2r.workflow.voting import clusters_of
from a2r.workflow.workflow import Runtime


async def pack(
    state: State, runtime: Runtime, *, make: Make = synthesizer_messages
) -> dict[str, Any]:
    """The references by the config's policy: of the samples, or of the last round's syntheses.

    They are cut until they fit the synthesizer's context, where that is known, in the prompt that
    `make` makes of them.
    """
    task, config = state["task"], runtime.config
    attempts = _candidates(state)
    clusters = await clusters_of(attempts, task["kind"], config.answers.settings)
    picked = chosen(
        attempts,
        clusters,
        config.references,
        seed=runtime.models.role("synthesizer").sampling.seed,
        question=task["question"],
    )

    kept, size = await fitted(picked, packer(make, task, runtime), runtime)
    number = state["round"] + 1
    runtime.emit(
        ReferencesPacked(
            round=number,
            references=len(kept),
            left_out=len(attempts) - len(kept),
            cut=_cut(picked, kept),
            tokens=size.tokens,
            exact=size.exact,
        )
    )
    return {
        "references": [one.as_json() for one in kept],
        "round": number,
        "warnings": _shortened(picked, kept),
    }


def _candidates(state: State) -> list[Attempt]:
    """The last round's syntheses that finished, or the samples where there is none."""
    last = [attempt for attempt in synthesis_of(state) if attempt.round == state["round"]]
    finished: list[Attempt] = [attempt for attempt in last if attempt.finished]
    return finished or list(samples_of(state))


def _shortened(picked: list[Reference], kept: list[Reference]) -> list[str]:
    """What to say where the context is too small for what the policy chose."""
    left_out = len(picked) - len(kept)
    if not left_out:
        return []
    return [
        f"the synthesizer's context has room for {len(kept)} of {len(picked)} references"
        f"{', cut' if _cut(picked, kept) else ''}"
    ]


def _cut(before: list[Reference], after: list[Reference]) -> int:
    """How many of the references were cut."""
    texts = {one.attempt: one.text for one in before}
    return sum(texts[one.attempt] != one.text for one in after)
