"""The rest of the plan after some samples of a question."""

from __future__ import annotations

from a2r.config import Config
from a2r.gates import Plan
from a2r.result import Role
from a2r.workflow.state import Task, remaining_waves


def remaining_plan(task: Task, done: int, role: Role, config: Config) -> Plan:
    """The plan after `done` samples, the last of them of `role`.

    Waves of another role are another stage and are never merged with these.
    """
    left = remaining_waves(task, done)
    next_role = left[0]["role"] if left else role
    bigger = any(wave["role"] == "synthesizer" for wave in left)
    return Plan(
        left=[wave["size"] for wave in left if wave["role"] == next_role],
        later=sum(wave["size"] for wave in left if wave["role"] != next_role),
        replaced=config.cascade.votes == "synthesizer" and role == "explorer" and bigger,
        by_index=all(wave["role"] == "explorer" for wave in task["waves"]),
        synthesis=bool(task["rounds"]),
        lossless=config.stop.lossless,
        merge_waves=config.gate.merge_waves,
    )


def planned_votes(task: Task, role: Role, config: Config) -> int:
    """The samples of the plan whose votes may count beside those of `role`, which draws now.

    At least 2 where the plan has 2: a single sample of one role is never the whole plan.
    """
    total = sum(wave["size"] for wave in task["waves"])
    if role == "explorer" or config.cascade.votes == "all":
        return total
    by_role = sum(wave["size"] for wave in task["waves"] if wave["role"] == role)
    return max(by_role, min(2, total))


def remaining_samples(task: Task, done: int) -> int:
    """The number of samples of the plan that may still be started after `done` ones."""
    return sum(wave["size"] for wave in remaining_waves(task, done))
