"""The MCP resources: the configs, and the runs by their IDs."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any
from urllib.parse import quote, unquote

from a2r._internal.text import one_line, replace_surrogates
from a2r.config import LoadedConfig
from a2r.config.precedence import unflatten
from a2r.errors import ConfigError, RunNotFoundError
from a2r.interfaces.mcp_server.server_state import ServerState
from a2r.persistence import default_store, find_run, open_store
from a2r.persistence.database import is_store
from a2r.result import ROLES, Result

JSON = "application/json"
MAX_URI_CHARACTERS = 200
RUNS = "a2r://runs"
# The definitions in the protocol's form.
CONFIGS = {
    "uri": "a2r://configs",
    "name": "configs",
    "title": "Configs",
    "description": "The configs that solve accepts as setup: name, graph, models, and whether it "
    "is the default",
    "mimeType": JSON,
}
CONFIG = {
    "uriTemplate": "a2r://configs/{name}",
    "name": "config",
    "title": "A config",
    "description": "All values of a config, without secrets",
    "mimeType": JSON,
}
RUN = {
    "uriTemplate": f"{RUNS}/{{run_id}}",
    "name": "run",
    "title": "A run",
    "description": "The complete result of a question: all samples and syntheses with their "
    "texts, votes, decisions, usage",
    "mimeType": JSON,
}
RUN_ID = re.compile(r"[0-9a-f]{32}")


class UnknownResourceError(Exception):
    """There is no such resource."""


async def read_resource(state: ServerState, uri: str) -> str:
    """The JSON text of a resource.

    Raises:
        UnknownResourceError: there is no such resource.
        A2RError: the resource cannot be read.
    """
    if uri == CONFIGS["uri"]:
        return _to_json([_summary(state, name) for name in state.names])
    prefix, _, encoded = uri.rpartition("/")
    name = unquote(encoded)
    if prefix == CONFIGS["uri"]:
        return _config(state, name)
    if prefix == RUNS:
        return await _run(state, name)
    raise UnknownResourceError(f"no resource {one_line(uri, MAX_URI_CHARACTERS)!r}")


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


def _config(state: ServerState, name: str) -> str:
    try:
        return _to_json(redacted_config(state.config(name)))
    except ConfigError as error:
        raise UnknownResourceError(str(error)) from error


async def _run(state: ServerState, run_id: str) -> str:
    try:
        return _to_json((await _result(state, run_id)).model_dump(mode="json"))
    except RunNotFoundError as error:
        raise UnknownResourceError(str(error)) from error


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
