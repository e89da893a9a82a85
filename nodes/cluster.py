"""Group the answers of the samples."""

from __future__ import annotations

from typing import Any

from a2r import answers
from a2r.events import Clustered
from a2r.flow import Runtime
from a2r.logs import get_logger
from a2r.result import Cluster
from a2r.state import State, samples_of


async def cluster(state: State, runtime: Runtime) -> dict[str, Any]:
    """The clusters of equivalent answers over all waves so far, largest first."""
    samples = samples_of(state)
    voting = [sample for sample in samples if sample.status == "answered"]
    kind = state["task"]["kind"]
    found = await answers.acluster(
        [sample.answer for sample in voting], kind, runtime.config.answers.settings
    )
    clusters = [
        Cluster(
            answer=group.answer,
            votes=group.votes,
            samples=[voting[position].index for position in group.samples],
            undecided=group.undecided,
        )
        for group in found
    ]
    get_logger().info(
        "votes counted",
        run=state["task"]["run_id"],
        votes=[group.votes for group in clusters],
        abstained=sum(sample.status == "abstained" for sample in samples),
        samples=len(samples),
    )
    runtime.emit(Clustered(kind=kind, samples=samples, clusters=clusters))
    return {"clusters": [group.model_dump(mode="json") for group in clusters]}
