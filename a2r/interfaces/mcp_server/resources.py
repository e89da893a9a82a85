"""The resources: the configs, and the runs by their ids."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any
from urllib.parse import quote

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from a2r._internal.text import one_line, replace_surrogates
from a2r.config import LoadedConfig
from a2r.config.layers import unflatten
from a2r.errors import A2RError, ConfigError, RunNotFoundError
from a2r.interfaces.mcp_server.server_state import ServerState
from a2r.persistence import default_store, find_run, is_store, open_store
from a2r.result import Result

JSON = "application/json"
RUN_ID = re.compile(r"[0-9a-f]{32}")


def add_resources(server: MCPServer[None], desk: ServerState) -> None:
    """Add the resources to a server."""

    @server.resource(
        "a2r://configs",
        title="Configs",
        description="The configs that solve can be called with: name, graph, models, and which is "
        "the default",
        mime_type=JSON,
    )
    async def configs() -> str:
        return _as_json([_summary(desk, name) for name in desk.names])

    @server.resource(
        "a2r://configs/{name}",
        title="A config",
        description="All values of a config as they are in force",
        mime_type=JSON,
    )
    async def config(name: str) -> str:
        try:
            return _as_json(redacted_config(desk.config(name)))
        except ConfigError as error:
            raise ResourceNotFoundError(str(error)) from error

    @server.resource(
        "a2r://runs/{run_id}",
        title="A run",
        description="Everything that came of a question: all samples and syntheses with their "
        "texts, votes, decisions, usage",
        mime_type=JSON,
    )
    async def run(run_id: str) -> str:
        try:
            return _as_json((await _result(desk, run_id)).model_dump(mode="json"))
        except RunNotFoundError as error:
            raise ResourceNotFoundError(one_line(str(error))) from error
        except A2RError as error:
            raise ResourceError(one_line(str(error))) from error


def redacted_config(loaded: LoadedConfig) -> dict[str, Any]:
    """A config's name and nested values, without secrets."""
    return {"name": loaded.name, **unflatten(loaded.redacted_values())}


def _summary(desk: ServerState, name: str) -> dict[str, Any]:
    config = desk.config(name).config
    roles = {"explorer": config.explorer, "synthesizer": config.synthesizer}
    return {
        "name": name,
        "graph": config.graph,
        "models": {role: None if one is None else one.model for role, one in roles.items()},
        "default": name == desk.default,
        "uri": f"a2r://configs/{quote(name, safe='')}",
    }


async def _result(desk: ServerState, run_id: str) -> Result:
    """A result of this server, or else of the store in which `a2r ask` keeps runs."""
    try:
        return desk.result(run_id)
    except RunNotFoundError:
        kept = await _stored_result(run_id) if RUN_ID.fullmatch(run_id) else None
        if kept is None:
            raise
    return kept


async def _stored_result(run_id: str) -> Result | None:
    where = default_store()
    if not await asyncio.to_thread(is_store, where):
        return None
    try:
        async with open_store(where) as saver:
            found = await find_run(saver, run_id)
    except RunNotFoundError:
        # Its message names other runs and threads, which are nobody's business here.
        return None
    return found.result if found.run_id == run_id else None


def _as_json(value: Any) -> str:
    return replace_surrogates(json.dumps(value, ensure_ascii=False, indent=2))
