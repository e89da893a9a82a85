"""Nodes and routes without the runs that LangGraph opens for callbacks, where none listens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.graph.state import CompiledStateGraph

from a2r.workflow.state import Context, Input, Output, State
from a2r.workflow.workflow import BoundNode

R = TypeVar("R")


class DirectNode(Runnable[Any, Any]):
    """A node and the writers of its update, one after the other, if no callback listens.

    LangGraph's own sequence opens a run, a context and a task around them, which costs as much
    CPU time as the request of a sample. It still runs where a callback listens.
    """

    def __init__(
        self, sequence: Runnable[Any, Any], node: BoundNode, writers: list[Runnable[Any, Any]]
    ) -> None:
        self._sequence = sequence
        self._node = node
        self._writers = writers
        self.name = node.name

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run LangGraph's sequence."""
        return self._sequence.invoke(input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run the node, then the writers."""
        if config is None or _has_callbacks(config):
            return await self._sequence.ainvoke(input, config, **kwargs)
        token = var_child_runnable_config.set(config)
        try:
            update = await self._node.ainvoke(input, config)
        finally:
            var_child_runnable_config.reset(token)
        for writer in self._writers:
            await writer.ainvoke(update, config)
        return update

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any | None
    ) -> AsyncIterator[Any]:
        """Run LangGraph's sequence, for a reader of its tokens."""
        async for chunk in self._sequence.astream(input, config, **kwargs):
            yield chunk


class Route(Runnable[Any, R], Generic[R]):
    """A function that chooses what follows a node, run on the event loop.

    LangGraph runs a plain function in a thread, which costs more than the function itself.
    """

    def __init__(self, choose: Callable[[State], R]) -> None:
        self._choose = choose
        self.name = choose.__name__

    def __call__(self, state: State) -> R:
        """Choose what follows."""
        return self._choose(state)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> R:
        """Choose what follows."""
        return self._choose(input)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> R:
        """Choose what follows."""
        return self._choose(input)


def skip_unobserved_runs(
    graph: CompiledStateGraph[State, Context, Input, Output],
) -> CompiledStateGraph[State, Context, Input, Output]:
    """The graph; its nodes open no runs where no callback listens."""
    for node in graph.nodes.values():
        if isinstance(node.bound, BoundNode) and node.node is not None:
            node.node = DirectNode(node.node, node.bound, node.flat_writers)
    return graph


def _has_callbacks(config: RunnableConfig) -> bool:
    """Whether a callback may listen to what runs with a config of LangGraph's."""
    callbacks = config.get("callbacks")
    return not isinstance(callbacks, BaseCallbackManager) or bool(callbacks.handlers)
