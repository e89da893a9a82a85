"""Group the answers of the samples."""

from __future__ import annotations

from typing import Any

from a2r._internal.logging import get_logger
from a2r.events import Clustered
from a2r.workflow.state import State, samples_of
from a2r.workflow.voting import clusters_of, voters
from a2r.workflow.workflow import Runtime


async def cluster(state: State, runtime: Runtime) -> dict[str, Any]:
    """The clusters of equivalent answers over all waves so far, largest first."""
    samples = samples_of(state)
    kind = state["task"]["kind"]
    voting = voters(samples, runtime.config)
    clusters = await clusters_of(voting, kind, runtime.config.answers.settings)
    get_logger().info(
        "votes counted",
        run=state["task"]["run_id"],
        votes=[group.votes for group in clusters],
        abstained=sum(sample.status == "abstained" for sample in voting),
        samples=len(voting),
    )
    runtime.emit(Clustered(kind=kind, samples=samples, clusters=clusters))
    return {"clusters": [group.model_dump(mode="json") for group in clusters]}
