"""The MCP resources: the configs, and the runs by their IDs."""

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
from a2r.config.precedence import unflatten
from a2r.errors import A2RError, ConfigError, RunNotFoundError
from a2r.interfaces.mcp_server.server_state import ServerState
from a2r.persistence import default_store, find_run, open_store
from a2r.persistence.database import is_store
from a2r.result import ROLES, Result

JSON = "application/json"
RUN_ID = re.compile(r"[0-9a-f]{32}")


def add_resources(server: MCPServer[None], state: ServerState) -> None:
    """Add the resources to a server."""

    @server.resource(
        "a2r://configs",
        title="Configs",
        description="The configs that solve accepts: name, graph, models, and whether it is the "
        "default",
        mime_type=JSON,
    )
    async def configs() -> str:
        return _to_json([_summary(state, name) for name in state.names])

    @server.resource(
        "a2r://configs/{name}",
        title="A config",
        description="All values of a config, without secrets",
        mime_type=JSON,
    )
    async def config(name: str) -> str:
        try:
            return _to_json(redacted_config(state.config(name)))
        except ConfigError as error:
            raise ResourceNotFoundError(str(error)) from error

    @server.resource(
        "a2r://runs/{run_id}",
        title="A run",
        description="The complete result of a question: all samples and syntheses with their "
        "texts, votes, decisions, usage",
        mime_type=JSON,
    )
    async def run(run_id: str) -> str:
        try:
            return _to_json((await _result(state, run_id)).model_dump(mode="json"))
        except RunNotFoundError as error:
            raise ResourceNotFoundError(one_line(str(error))) from error
        except A2RError as error:
            raise ResourceError(one_line(str(error))) from error


def redacted_config(loaded: LoadedConfig) -> dict[str, Any]:
    """A config's name and nested values, without secrets."""
    return {"name": loaded.name, **unflatten(loaded.redacted_values())}


def _summary(state: ServerState, name: str) -> dict[str, Any]:
    config = state.config(name).config
    sections = {role: config.role(role) for role in ROLES}
    return {
        "name": name,
        "graph": config.graph,
        "models": {role: section and section.model for role, section in sections.items()},
        "default": name == state.default,
        "uri": f"a2r://configs/{quote(name, safe='')}",
    }


async def _result(state: ServerState, run_id: str) -> Result:
    """A result of this server, or of the default store, which `a2r ask` uses."""
    try:
        return state.result(run_id)
    except RunNotFoundError:
        stored = await _stored_result(run_id) if RUN_ID.fullmatch(run_id) else None
        if stored is None:
            raise
    return stored


async def _stored_result(run_id: str) -> Result | None:
    store = default_store()
    if not await asyncio.to_thread(is_store, store):
        return None
    try:
        async with open_store(store) as saver:
            run = await find_run(saver, run_id)
    except RunNotFoundError:
        # Its message names other runs and threads, which clients must not learn.
        return None
    return run.result if run.run_id == run_id else None


def _to_json(value: Any) -> str:
    return replace_surrogates(json.dumps(value, ensure_ascii=False, indent=2))
