"""Prompts counted by an endpoint's `/tokenize`, else estimated."""

from __future__ import annotations

import pytest

from a2r.config import load_config
from a2r.inference.context_window import ContextWindows, PromptSize
from a2r.inference.transport.http_sessions import HttpSessions
from a2r.inference.types import ChatMessage
from tests.fault_server import Behavior, FaultServer, Scenario

pytestmark = pytest.mark.integration


def refusing(status: int) -> Scenario:
    return Scenario(paths={"/tokenize": Behavior(status=status, error="refused")})


async def sizes(first: Scenario) -> list[PromptSize]:
    """The sizes of one prompt while the server follows a scenario, and afterwards."""
    with FaultServer(first, max_model_len=4096) as server:
        role = {"model": "small", "endpoints": [server.url]}
        config = load_config({"explorer": role}).config
        windows, http = ContextWindows(), HttpSessions()
        messages = [ChatMessage(role="user", content="four by four")]
        found = []
        for scenario in (first, Scenario()):
            server.script = scenario
            found.append(await windows.size(config, config.explorer, http, messages))
        await http.close()
    return found


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_refused_prompt_says_nothing_of_the_next_one(status: int) -> None:
    refused, counted = await sizes(refusing(status))
    assert (refused.exact, refused.context) == (False, 4096)
    assert (counted.exact, counted.context) == (True, 4096)


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_an_endpoint_without_the_route_is_asked_once(status: int) -> None:
    assert [size.exact for size in await sizes(refusing(status))] == [False, False]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_unavailable_endpoint_is_asked_later(status: int) -> None:
    assert [size.exact for size in await sizes(refusing(status))] == [False, False]
