"""`A2R`: ask questions from Python."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from a2r.config import LoadedConfig, default_config_name, load_config
from a2r.config.load import Source
from a2r.events import AnyEvent, parse_event
from a2r.flow import WATCH, Flow
from a2r.flows import CompiledFlow, compile_flow
from a2r.questions import checked_question, question_of_messages
from a2r.result import Result
from a2r.state import Input
from a2r.sync import run_blocking
from a2r.usage import UsageByRole

Question = str | Sequence[AnyMessage]


class A2R:
    """A config, its models and its graph, ready to be asked.

    Models on the embedded engine start with the first question and end with `close`, at the end
    of a `with` block, or at exit. One object serves any number of questions at once.

    Args:
        config: a config's name, a path to a YAML file, a mapping, or a config object.
        overrides: values over the config's, by dotted key: `{"explorer.samples": 8}`.
        checkpointer: where LangGraph keeps the runs of threads.

    Raises:
        ConfigError: the config or the graph it names cannot be used.
    """

    def __init__(
        self,
        config: Source | None = None,
        *,
        overrides: Mapping[str, Any] | None = None,
        checkpointer: BaseCheckpointSaver[Any] | None = None,
    ) -> None:
        source = default_config_name() if config is None else config
        self._flow = Flow.of(load_config(source, overrides=overrides))
        self._graph = compile_flow(self._flow, checkpointer)

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
        """Ask a question and wait for the result; see `aask`."""
        return run_blocking(lambda: self.aask(question, config))

    async def aask(self, question: Question, config: RunnableConfig | None = None) -> Result:
        """Ask a question.

        Args:
            question: a text, or chat messages the last of which asks.
            config: LangChain's runnable config: callbacks, tags, metadata, a thread id.

        Raises:
            QuestionError: the question is empty or not text.
            NoAnswerError: no sample finished; `error.result` carries what happened to each.
        """
        output = await self._graph.ainvoke(_input(question), config)
        return Result.model_validate(output["result"])

    async def astream(
        self, question: Question, config: RunnableConfig | None = None
    ) -> AsyncIterator[AnyEvent]:
        """Ask a question and follow the run; the last event is `Finished` with the result.

        Raises:
            QuestionError: the question is empty or not text.
            NoAnswerError: no sample finished; `error.result` carries what happened to each.
        """
        own = config or {}
        watched: RunnableConfig = {
            **own,
            "configurable": {**own.get("configurable", {}), WATCH: True},
        }
        stream = self._graph.astream(_input(question), watched, stream_mode="custom")
        async for data in stream:
            event = parse_event(data)
            if event is not None:
                yield event

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
