"""The resources of `a2r mcp`: configs and runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from mcp.types import INVALID_PARAMS

from a2r import A2R
from tests.support.fake_openai import boxed, config_for, replies
from tests.support.mcp import (
    McpSetup,
    called,
    command,
    failed,
    make_setup,
    over_stdio,
    read,
    written,
)
from tests.support.mcp_client import ERAS, Client, MCPError

pytestmark = pytest.mark.integration

QUESTION = {"question": "What is 2 + 2?"}
Connecting = AbstractAsyncContextManager[Client]


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[McpSetup]:
    with make_setup(tmp_path_factory.mktemp("mcp")) as made:
        yield made


@pytest.fixture(params=[("stdio", "legacy"), ("http", ERAS[0])], ids="-".join)
def client(request: pytest.FixtureRequest, setup: McpSetup) -> Connecting:
    return setup.client(*request.param)


async def test_configs(setup: McpSetup, client: Connecting) -> None:
    async with client as mcp:
        (listed,) = (await mcp.list_resources()).resources
        templates = {
            t.uri_template for t in (await mcp.list_resource_templates()).resource_templates
        }
        configs = await read(mcp, str(listed.uri))
        two = await read(mcp, configs[1]["uri"])
        for uri in ("a2r://configs/three", "a2r://configs/..%2Fmine.yaml", "a2r://configs/mine/x"):
            with pytest.raises(MCPError) as error:
                await mcp.read_resource(uri)
            assert (error.value.code, error.value.data) == (INVALID_PARAMS, {"uri": uri})
    assert str(listed.uri) == "a2r://configs"
    assert templates == {"a2r://configs/{name}", "a2r://runs/{run_id}"}
    assert configs[0] == {
        "name": "mine",
        "graph": "a2r",
        "models": {"explorer": "small", "synthesizer": "big"},
        "default": True,
        "uri": "a2r://configs/mine",
    }
    assert (two["name"], two["explorer"]["waves"]) == ("two", [2, 2])
    assert two["explorer"]["endpoints"] == [setup.fake.url]


async def test_runs_in_the_store(setup: McpSetup, client: Connecting) -> None:
    setup.script(replies(small=boxed("4")))
    async with client as mcp:
        with pytest.raises(MCPError, match="no run '000") as error:
            await mcp.read_resource(f"a2r://runs/{'0' * 32}")
        assert error.value.code == INVALID_PARAMS
        solver = A2R(str(setup.folder / "mine.yaml"), checkpointer=setup.store)
        async with solver:
            stored = await solver.aask("2+2?", {"configurable": {"thread_id": "sums"}})
        assert await read(mcp, f"a2r://runs/{stored.run_id}") == stored.model_dump(mode="json")
        for other in ("sums", stored.run_id[:8], "0" * 32):
            with pytest.raises(MCPError) as error:
                await mcp.read_resource(f"a2r://runs/{other}")
            assert (error.value.code, str(error.value)) == (INVALID_PARAMS, f"no run {other!r}")


async def test_endpoints_that_cannot_be_reached(tmp_path: Path) -> None:
    config = config_for("http://127.0.0.1:9/v1", explorer__retries=0)
    arguments = command([written(tmp_path, "dead", config)])
    async with over_stdio(arguments, tmp_path / "log") as mcp:
        message, where = await failed(mcp, "solve", QUESTION)
    assert message.startswith("explorer: no endpoint can be reached (http://127.0.0.1:9/v1)")
    assert where.startswith("Details of each sample: a2r://runs/")


async def test_without_configs_every_installed_config_is_allowed(setup: McpSetup) -> None:
    setup.script(replies(small=boxed("4")))
    endpoints = json.dumps([setup.fake.url])
    variables = {
        "A2R_CONFIG": "self-consistency",
        "A2R_EXPLORER__ENDPOINTS": endpoints,
        "A2R_STOP__LOSSLESS": "false",
        "A2R_EXPLORER__MODEL": "small",
    }
    async with over_stdio(command([]), setup.folder / "stderr.log", **variables) as mcp:
        configs = {each["name"]: each for each in await read(mcp, "a2r://configs")}
        solved = await called(mcp, "solve", QUESTION | {"samples": 2})
        run = await read(mcp, f"a2r://runs/{solved['run_id']}")
    assert {"local", "tiny", "a2r", "a2r-efficient"} <= set(configs)
    assert [name for name, each in configs.items() if each["default"]] == ["self-consistency"]
    assert (run["config"], solved["samples"]) == ("self-consistency", 2)
