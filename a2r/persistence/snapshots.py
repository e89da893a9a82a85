"""State snapshots of stored runs, read through LangGraph's public API."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StateSnapshot

from a2r.persistence.database import Saver
from a2r.workflow.state import Input, State

# In the metadata of every checkpoint of a run; the nodes only where a custom graph has others
# than the shipped graphs.
GRAPH_KEY = "a2r_graph"
NODES_KEY = "a2r_nodes"
# A character that LangGraph allows in no node name.
SEPARATOR = "|"

FIRST_NODE = "prepare"
SHIPPED_GRAPHS = ("a2r", "cascade", "rounds", "select", "self_consistency", "single")
SHIPPED_NODES = frozenset(
    {
        FIRST_NODE,
        "explore",
        "extract",
        "cluster",
        "gate",
        "pack",
        "escalate",
        "synthesize",
        "select",
        "finalize",
    }
)


def nodes_metadata(nodes: Collection[str]) -> dict[str, str]:
    """The metadata that a reader of the run needs to know these nodes of its graph."""
    custom = sorted({*nodes} - SHIPPED_NODES - {START})
    return {NODES_KEY: SEPARATOR.join(custom)} if custom else {}


def all_nodes_known(snapshot: StateSnapshot) -> bool:
    """Whether a snapshot without tasks is certain to be the end of its run.

    The store does not name the custom nodes of runs that were stored by earlier versions.
    """
    metadata = snapshot.metadata or {}
    return NODES_KEY in metadata or metadata.get(GRAPH_KEY) in (None, *SHIPPED_GRAPHS)


class SnapshotReader:
    """Reads snapshots with a graph that is never executed.

    LangGraph needs a compiled graph to compute the tasks of a checkpoint: the channels of the
    state with their reducers, and the names of the nodes. The graph of the run itself, which may
    be a file of the user's that is gone or must not be executed, is not needed for that.
    """

    def __init__(self, saver: Saver) -> None:
        self._saver = saver
        self._nodes = SHIPPED_NODES
        self._graph = _reader_graph(self._nodes).copy({"checkpointer": saver})

    async def read(self, config: RunnableConfig) -> StateSnapshot | None:
        """The snapshot of a checkpoint, or of the last one of a thread; `None` if there is none."""
        snapshot = await self._last_snapshot(config)
        if snapshot is None:
            return None
        nodes = _custom_nodes(snapshot)
        if not nodes <= self._nodes:
            self._nodes |= nodes
            self._graph = _reader_graph(self._nodes).copy({"checkpointer": self._saver})
            snapshot = await self._last_snapshot(config)
        if snapshot is not None and any(task.name == START for task in snapshot.tasks):
            return await self._with_input(snapshot)
        return snapshot

    async def _last_snapshot(self, config: RunnableConfig) -> StateSnapshot | None:
        # `aget_state` merges the results of finished tasks into the values, but only for the last
        # checkpoint of a thread; the history has one form for all.
        snapshots = self._graph.aget_state_history(config, limit=1)
        return next(iter([snapshot async for snapshot in snapshots]), None)

    async def _with_input(self, snapshot: StateSnapshot) -> StateSnapshot:
        """The snapshot with the question of an input that no node has read yet.

        A snapshot does not show the input of a task; the checkpoint has it in the channel `START`.
        """
        saved = await self._saver.aget_tuple(snapshot.config)
        graph_input = saved.checkpoint["channel_values"].get(START) if saved else None
        question = graph_input.get("question") if isinstance(graph_input, dict) else None
        return snapshot._replace(values={**snapshot.values, "question": question})


@cache
def _reader_graph(nodes: frozenset[str]) -> CompiledStateGraph[Any, Any, Any, Any]:
    graph = StateGraph(State, input_schema=Input)
    for node in sorted(nodes):
        graph.add_node(node, _no_update)
    graph.add_edge(START, FIRST_NODE)
    return graph.compile()


def _no_update(state: State) -> State:
    return {}


def _custom_nodes(snapshot: StateSnapshot) -> frozenset[str]:
    names: Any = (snapshot.metadata or {}).get(NODES_KEY)
    return frozenset(names.split(SEPARATOR)) if isinstance(names, str) and names else frozenset()
