"""A graph as a LangGraph server takes it: from a factory that it calls for every run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from threading import Lock

from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from a2r.flow import Flow
from a2r.state import Context, Input, Output, State

Builder = Callable[[Flow], StateGraph[State, Context, Input, Output]]
CompiledFlow = CompiledStateGraph[State, Context, Input, Output]


def served(build: Builder) -> Callable[[], Awaitable[CompiledFlow]]:
    """What `langgraph.json` names: a graph on the config that `A2R_CONFIG` names, compiled once.

    It is made in a thread, for a LangGraph server asks for it on its event loop; and it is called
    what the server calls it.
    """
    lock = Lock()

    @cache
    def compiled() -> CompiledFlow:
        return build(Flow.default()).compile()

    def alone() -> CompiledFlow:
        with lock:
            return compiled()

    async def graph() -> CompiledFlow:
        return await asyncio.to_thread(alone)

    return graph
