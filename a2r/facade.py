"""`A2R`: ask questions from Python."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from a2r.config import LoadedConfig, default_config_name, load_config
from a2r.config.load import Source
from a2r.errors import ConfigError, RunNotFoundError, StoreError
from a2r.events import AnyEvent, Finished, parse_event
from a2r.flow import WATCH, Flow
from a2r.flows import CompiledFlow, compile_flow
from a2r.questions import checked_question, question_of_messages
from a2r.result import Result
from a2r.runs import CONFIG_KEY, GRAPH_KEY, Run, last_run, open_store
from a2r.state import Input
from a2r.sync import run_blocking
from a2r.usage import UsageByRole

Question = str | Sequence[AnyMessage]
Checkpointer = BaseCheckpointSaver[Any] | str | Path
T = TypeVar("T")


class A2R:
    """A config, its models and its graph, ready to be asked.

    Models on the embedded engine start with the first question and end with `close`, at the end
    of a `with` block, or at exit. One object serves any number of questions at once.

    Args:
        config: a config's name, a path to a YAML file, a mapping, or a config object.
        overrides: values over the config's, by dotted key: `{"explorer.samples": 8}`.
        checkpointer: where runs are kept, so that they can be resumed: a checkpointer of
            LangGraph's, or the path or URL of a store, which each call opens for itself.

    Raises:
        ConfigError: the config or the graph it names cannot be used.
    """

    def __init__(
        self,
        config: Source | None = None,
        *,
        overrides: Mapping[str, Any] | None = None,
        checkpointer: Checkpointer | None = None,
    ) -> None:
        source = default_config_name() if config is None else config
        self._flow = Flow.of(load_config(source, overrides=overrides))
        self._checkpointer = checkpointer
        opened = None if isinstance(checkpointer, str | Path) else checkpointer
        self._graph = compile_flow(self._flow, opened)

    @property
    def config(self) -> LoadedConfig:
        """The config, with where each value came from."""
        return self._flow.loaded

    @property
    def flow(self) -> Flow:
        """The flow: the config bound to its models."""
        return self._flow

    @property
    def graph(self) -> CompiledFlow:
        """The compiled graph; it can be a node of another graph."""
        return self._graph

    @property
    def spent(self) -> UsageByRole:
        """Everything spent through this object so far, also by questions that were cancelled."""
        return self._flow.models.spent.total()

    def ask(self, question: Question, config: RunnableConfig | None = None) -> Result:
        """Ask a question and wait for the result; see `aask`.

        Raises:
            StoreError: the checkpointer belongs to an event loop, where `aask` has to be used.
        """
        return self._blocking(lambda: self.aask(question, config))

    async def aask(self, question: Question, config: RunnableConfig | None = None) -> Result:
        """Ask a question.

        Args:
            question: a text, or chat messages the last of which asks.
            config: LangChain's runnable config: callbacks, tags, metadata, and with a checkpointer
                `{"configurable": {"thread_id": …}}`, under which the run is kept.

        Raises:
            QuestionError: the question is empty or not text.
            ConfigError: there is a checkpointer, and no thread.
            NoAnswerError: no sample finished; `error.result` carries what happened to each.
        """
        given = _input(question)
        async with self._kept() as (graph, _):
            output = await graph.ainvoke(given, self._told(config), **self._durably)
        return Result.model_validate(output["result"])

    def resume(self, config: RunnableConfig) -> Result:
        """Go on with the run of a thread and wait for the result; see `aresume`.

        Raises:
            StoreError: the checkpointer belongs to an event loop, where `aresume` has to be used.
        """
        return self._blocking(lambda: self.aresume(config))

    async def aresume(self, config: RunnableConfig) -> Result:
        """Go on with the last run of a thread: what is committed is never called for again.

        The run has its whole deadline again. If it has finished, its result is returned and
        nothing is called.

        Args:
            config: LangChain's runnable config, with `{"configurable": {"thread_id": …}}`.

        Raises:
            RunNotFoundError: there is no checkpointer, no thread id, or no run on the thread.
            ConfigError: the run was begun with another graph.
            NoAnswerError: no sample finished; `error.result` carries what happened to each.
        """
        async with self._kept() as (graph, saver):
            run = await self._resumable(saver, config)
            if run.result is not None:
                return run.result
            output = await graph.ainvoke(None, self._told(config), **self._durably)
        return Result.model_validate(output["result"])

    async def astream(
        self, question: Question | None, config: RunnableConfig | None = None
    ) -> AsyncIterator[AnyEvent]:
        """Ask a question and follow the run; the last event is `Finished` with the result.

        Without a question the run of the config's thread goes on, as with `aresume`; what was
        committed before is not told again.

        Raises:
            QuestionError: the question is empty or not text.
            NoAnswerError: no sample finished; `error.result` carries what happened to each.
            RunNotFoundError: there is nothing to go on with.
        """
        given = None if question is None else _input(question)
        told = self._told(config)
        watched: RunnableConfig = {
            **told,
            "configurable": {**told.get("configurable", {}), WATCH: True},
        }
        async with self._kept() as (graph, saver):
            if given is None:
                run = await self._resumable(saver, watched)
                if run.result is not None:
                    yield Finished(result=run.result)
                    return
            stream = graph.astream(given, watched, stream_mode="custom", **self._durably)
            async for data in stream:
                event = parse_event(data)
                if event is not None:
                    yield event

    @property
    def _durably(self) -> dict[str, Any]:
        """With a checkpointer, each step waits until it is committed."""
        return {} if self._checkpointer is None else {"durability": "sync"}

    @asynccontextmanager
    async def _kept(self) -> AsyncIterator[tuple[CompiledFlow, BaseCheckpointSaver[Any] | None]]:
        """The graph with its checkpointer, opened where a place was given."""
        if isinstance(self._checkpointer, str | Path):
            async with open_store(self._checkpointer) as saver:
                yield self._graph.copy({"checkpointer": saver}), saver
        else:
            yield self._graph, self._checkpointer

    def _told(self, config: RunnableConfig | None) -> RunnableConfig:
        """The config; what is kept says with which graph and config it was begun."""
        if config is not None and not isinstance(config, Mapping):
            raise ConfigError(
                "config is LangChain's runnable config, a mapping like "
                f"{{'configurable': {{'thread_id': …}}}}, not {config!r}"
            )
        own = config or {}
        if self._checkpointer is None:
            return own
        loaded = self.config
        kept = {GRAPH_KEY: loaded.config.graph, CONFIG_KEY: loaded.name}
        if not (own.get("configurable") or {}).get("thread_id"):
            raise ConfigError(
                "a run is kept under a thread: give {'configurable': {'thread_id': …}}"
            )
        return {**own, "metadata": {**(own.get("metadata") or {}), **kept}}

    async def _resumable(
        self, saver: BaseCheckpointSaver[Any] | None, config: RunnableConfig
    ) -> Run:
        thread = config.get("configurable", {}).get("thread_id")
        if saver is None or thread is None:
            raise RunNotFoundError("a run is resumed with a checkpointer and by its thread_id")
        run = await last_run(saver, str(thread))
        if run is None:
            raise RunNotFoundError(f"there is no run on thread {thread!r}")
        graph = self.config.config.graph
        if run.result is None and run.graph not in (None, graph):
            raise ConfigError(
                f"the run on thread {thread!r} was begun with graph {run.graph!r}, config "
                f"{self.config.name!r} has {graph!r}: resume it with graph={run.graph}"
            )
        if run.run_id is not None:
            # Its time begins anew, also where this very process had begun it; its budgets do not.
            self._flow.models.questions.end(run.run_id)
            self._flow.models.questions.take_up(run.run_id, run.usage.model_dump())
        return run

    def _blocking(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if getattr(self._checkpointer, "loop", None) is not None:
            raise StoreError(
                "this checkpointer belongs to an event loop: use aask and aresume there, or give "
                "A2R the path or URL of the store"
            )
        return run_blocking(begin)

    async def ready(self) -> None:
        """Fetch and start what the first question would otherwise wait for.

        Raises:
            ModelFileError: a model file could not be fetched.
            EngineError: the embedded engine could not serve a model.
        """
        await self._flow.models.ready()

    def close(self) -> None:
        """End the embedded engine's servers; connections end with their event loop."""
        self._flow.models.engine.close()

    async def aclose(self) -> None:
        """End the embedded engine's servers, and close this event loop's connections."""
        await asyncio.to_thread(self.close)
        await self._flow.models.clients.current().http.close()

    async def __aenter__(self) -> A2R:
        """Nothing starts before the first question."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close, connections included."""
        await self.aclose()

    def __enter__(self) -> A2R:
        """Nothing starts before the first question."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def _input(question: Question) -> Input:
    # Refused here already, before a model is fetched or started for it.
    if isinstance(question, Sequence) and not isinstance(question, str):
        question_of_messages(question)
        return {"messages": list(question)}
    return {"question": checked_question(question)}
