"""Samples of fault servers: the configs, and the servers' usual replies."""

from __future__ import annotations

from typing import Any

from a2r import A2R, Result
from a2r.errors import NoAnswerError
from a2r.result import Sample
from tests.fault_server import Behavior, FaultServer, Rule, Scenario

TEXT = "So it is \\boxed{42}."


GOOD = Behavior(text=TEXT, tokens=8)


def config_over(*servers: FaultServer, **explorer: Any) -> dict[str, Any]:
    """Return a config whose explorer uses the servers; `deadline` is a config section."""
    deadline = {"call": 20, "question": 60} | explorer.pop("deadline", {})
    return {
        "kind": "math",
        "explorer": {
            "model": "small",
            "endpoints": [server.url for server in servers],
            "samples": 4,
            **explorer,
        },
        "deadline": deadline,
        # All samples finish here, needed for the vote or not.
        "stop": {"lossless": False},
    }


async def ask(config: dict[str, Any], question: str = "6 times 7?") -> Result:
    try:
        return await A2R(config).aask(question)
    except NoAnswerError as error:
        return error.result


async def one_sample(behavior: Behavior, **explorer: Any) -> Sample:
    """Return the only sample of a question, with one behavior for all requests."""
    with FaultServer(behavior) as server:
        result = await ask(config_over(server, samples=1, retries=0, **explorer))
        await server.request_log.until(lambda log: log.outstanding == 0)
    return result.samples[0]


def behavior_with(**changes: Any) -> Behavior:
    return Behavior(**{"text": TEXT, "tokens": 8, **changes})


def first_requests(behavior: Behavior, count: int = 1) -> Scenario:
    """A server whose first requests fail."""
    return Scenario(default=GOOD, rules=(Rule(behavior=behavior, first=count),))
