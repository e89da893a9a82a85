"""`a2r mcp` with langchain-mcp-adapters, which requires version 1 of the SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.fake_openai import boxed, replies
from tests.support.mcp import ROOT, McpSetup, make_setup
from tests.support.preloaded_python import python

pytestmark = pytest.mark.integration

adapters = pytest.importorskip(
    "langchain_mcp_adapters.client", reason="langchain-mcp-adapters requires version 1 of mcp"
)
QUESTION = {"question": "What is 2 + 2?"}


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[McpSetup]:
    with make_setup(tmp_path_factory.mktemp("mcp")) as made:
        yield made


@pytest.fixture(params=["stdio", "http"])
def connection(request: pytest.FixtureRequest, setup: McpSetup) -> dict[str, Any]:
    if request.param == "http":
        return {"transport": "streamable_http", "url": setup.http.url}
    return {
        "transport": "stdio",
        "command": python(),
        "args": setup.arguments,
        "env": {"A2R_RUNS": setup.store},
        "cwd": str(ROOT),
    }


async def test_the_tool_solves_with_another_config(
    setup: McpSetup, connection: dict[str, Any]
) -> None:
    log = setup.script(replies(small=[boxed("4"), boxed("4"), boxed("5"), boxed("6")]))
    client = adapters.MultiServerMCPClient({"a2r": connection})
    tools = {tool.name: tool for tool in await client.get_tools()}
    assert set(tools["solve"].args) == {"question", "setup", "samples"}
    call = {"type": "tool_call", "id": "1", "name": "solve", "args": QUESTION | {"setup": "two"}}
    message = await tools["solve"].ainvoke(call)
    assert message.artifact["structured_content"]["answer"] == "4"
    # The config `two` starts with a wave of 2, `mine` with 4.
    assert len(log.requests) == 2
    refused = await tools["solve"].ainvoke({**call, "args": QUESTION | {"sample": 1}})
    assert "unknown argument 'sample'; did you mean 'samples'?" in str(refused.content)
    assert len(log.requests) == 2
