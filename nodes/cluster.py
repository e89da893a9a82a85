"""Cluster the answers of the samples."""

from __future__ import annotations

from typing import Any

from a2r._internal.logging import get_logger
from a2r.events import ClustersUpdated
from a2r.workflow.runtime import NodeRuntime
from a2r.workflow.state import State, current_task
from a2r.workflow.voting import cluster_answers, voting_samples


async def cluster(state: State, runtime: NodeRuntime) -> dict[str, Any]:
    """The clusters of equivalent answers over all waves so far, largest first."""
    samples = runtime.samples(state)
    task = current_task(state)
    kind = task["kind"]
    voting = voting_samples(samples, runtime.config)
    settings = runtime.config.answers.settings
    clusters = await cluster_answers(
        voting,
        kind,
        settings,
        task["question"],
        seconds_left=runtime.comparison_time(task["run_id"]),
    )
    get_logger().info(
        "answers clustered",
        run=task["run_id"],
        votes=[group.votes for group in clusters],
        abstained=sum(sample.status == "abstained" for sample in voting),
        samples=len(voting),
    )
    runtime.emit(ClustersUpdated(kind=kind, samples=samples, clusters=clusters))
    return {"clusters": [group.model_dump(mode="json") for group in clusters]}
