"""`A2R`: answer questions from Python."""

from __future__ import annotations

import asyncio
import math
from collections.abc import (
    AsyncGenerator,
    Callable,
    Coroutine,
    Mapping,
)
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig

from a2r._internal.argument_types import check_overrides, check_type
from a2r._internal.bounded_tasks import BoundedTasks
from a2r._internal.sync_bridge import run_sync
from a2r._internal.task_isolation import EventSink, run_in_task, stream_from_task
from a2r.config import LoadedConfig, default_config_name, load_config
from a2r.config.loader import ConfigSource
from a2r.errors import (
    A2RError,
    ConfigError,
    InterruptedGraphError,
    OptionError,
    RunNotFoundError,
)
from a2r.events import AnyEvent, RunFinished
from a2r.persistence.resumable_run import load_resumable_run, restart
from a2r.persistence.run_record import Run
from a2r.persistence.workflow_checkpointer import Checkpointer, Checkpointing
from a2r.result import Result
from a2r.usage import UsageByRole
from a2r.workflow.graph_loader import CompiledWorkflow, compile_workflow
from a2r.workflow.inputs import (
    Overrides,
    Question,
    Questions,
    numbered,
    to_context,
    to_graph_input,
    to_run_config,
    validate_questions,
)
from a2r.workflow.runnable_config import isolated_config, validate_run_config
from a2r.workflow.state import Input
from a2r.workflow.workflow import Workflow

T = TypeVar("T")
MIN_IN_FLIGHT, CAPACITY_FACTOR = 64, 4


class A2R:
    """A config with its models and its graph: answers questions.

    Models on the embedded engine start with the first question and stop with `close`, at the end
    of a `with` block, or at exit. One object takes any number of questions at once.

    Args:
        config: a config's name, a path to a YAML file, a mapping, or a config object; or a
            `Workflow`, whose models are shared.
        overrides: values over the config's, by dotted key: `{"explorer.samples": 8}`.
        checkpointer: stores the runs, so that they can be resumed: a LangGraph checkpointer, or
            the path or URL of a store, which each call opens.

    Raises:
        ConfigError: the config or the graph it names cannot be used.
    """

    def __init__(
        self,
        config: ConfigSource | Workflow | None = None,
        *,
        overrides: Overrides | None = None,
        checkpointer: Checkpointer | None = None,
    ) -> None:
        self._workflow = _workflow(config, overrides)
        self._checkpointing = Checkpointing(workflow=self._workflow, checkpointer=checkpointer)
        self._graph = compile_workflow(self._workflow, self._checkpointing.saver)

    @property
    def config(self) -> LoadedConfig:
        """The config, with the origin of each value."""
        return self._workflow.loaded

    @property
    def workflow(self) -> Workflow:
        """The workflow: the config bound to its models."""
        return self._workflow

    @property
    def graph(self) -> CompiledWorkflow:
        """The compiled graph; it can be a node of another graph."""
        return self._graph

    @property
    def usage(self) -> UsageByRole:
        """The usage of all questions of this object so far, cancelled ones included."""
        return self._workflow.models.ledger.total()

    def ask(
        self,
        question: Question,
        config: RunnableConfig | None = None,
        *,
        overrides: Overrides | None = None,
    ) -> Result:
        """Ask a question and wait for the result; see `aask`.

        Raises:
            StoreError: the checkpointer belongs to an event loop: use `aask` there.
        """
        # The run has an event loop of its own: the checkpointer of a surrounding graph cannot
        # serve it.
        isolated = isolated_config(config)
        return self._run_sync(lambda: self.aask(question, isolated, overrides=overrides))

    async def aask(
        self,
        question: Question,
        config: RunnableConfig | None = None,
        *,
        overrides: Overrides | None = None,
    ) -> Result:
        """Ask a question.

        Args:
            question: a text, or chat messages of which the last is the question, in all forms
                that LangChain's chat models take: message objects, `{"role": …, "content": …}`,
                `("user", …)`, lists that mix them, or one of them alone.
            config: LangChain's runnable config: callbacks, tags, metadata, and with a checkpointer
                `{"configurable": {"thread_id": …}}`, the thread that stores the run.
            overrides: values over the config's by dotted key, for this question only; the graph
                cannot change. A run that is resumed later continues without them.

        Raises:
            QuestionError: the question is empty or not text.
            ConfigError: a checkpointer without a thread, or an override that does not fit.
            NoAnswerError: no sample finished; `error.result` carries what happened to each.
            ThreadBusyError: another run of the thread is in progress.
            InterruptedGraphError: the graph stopped at an interrupt.
        """
        graph_input = to_graph_input(question)
        await self._validate(overrides)
        run_config = self._checkpointing.with_metadata(config)
        return _result(await run_in_task(self._run(graph_input, run_config, overrides)))

    async def _run(
        self,
        graph_input: Input | None,
        config: RunnableConfig,
        overrides: Overrides | None = None,
        sink: EventSink[AnyEvent] | None = None,
    ) -> Mapping[str, Any]:
        """Run the graph on an input, or resume the run of the config's thread; its output.

        It needs a task of its own, so that a caller that is cancelled cannot interrupt its cleanup.
        """
        async with self._checkpointing.open(self._graph) as (graph, saver):
            run = None
            if graph_input is None:
                run = await load_resumable_run(self._workflow, saver, config)
            if run is None or run.result is None:
                async with self._checkpointing.lease(saver, config):
                    # Another one may have resumed the run meanwhile.
                    run = run and await load_resumable_run(self._workflow, saver, config)
                    if run is None or run.result is None:
                        return await self._invoke(graph, graph_input, config, run, overrides, sink)
        if sink is not None:
            sink.put(RunFinished(result=run.result))
        return {"result": run.result}

    async def _invoke(
        self,
        graph: CompiledWorkflow,
        graph_input: Input | None,
        config: RunnableConfig,
        run: Run | None,
        overrides: Overrides | None,
        sink: EventSink[AnyEvent] | None,
    ) -> Mapping[str, Any]:
        with self._workflow.models.runs.finish_at_end():
            if run is not None:
                restart(self._workflow, run)
            # LangGraph's own stream would wake the event loop for each event.
            output: Mapping[str, Any] = await graph.ainvoke(
                graph_input,
                to_run_config(config, self._workflow, sink),
                context=to_context(overrides),
                **self._checkpointing.invoke_options,
            )
            return output

    def batch(
        self,
        questions: Questions,
        *,
        overrides: Overrides | None = None,
        return_exceptions: bool = False,
    ) -> list[Result | Exception]:
        """Ask several questions at once and wait for all results; see `abatch`."""
        return self._run_sync(
            lambda: self.abatch(questions, overrides=overrides, return_exceptions=return_exceptions)
        )

    async def abatch(
        self,
        questions: Questions,
        *,
        overrides: Overrides | None = None,
        return_exceptions: bool = False,
    ) -> list[Result | Exception]:
        """Ask several questions at once; results in the order of the questions.

        They start as the endpoints have capacity (`concurrency` of the explorer). Runs are not
        stored, even with a checkpointer: each needs its own thread, so use `aask` for that.

        Args:
            questions: a list of texts or chats in the forms of `aask`, or an iterator of them,
                which may be asynchronous.
            overrides: values over the config's by dotted key, for all of these questions.
            return_exceptions: return the error of a question as its result, instead of raising
                the first one and cancelling the rest.

        Raises:
            QuestionError: `questions` is a single question, or no list.
            A2RError: the error of the first question that fails; see `aask`.
        """
        results = self.abatch_as_completed(
            questions, overrides=overrides, return_exceptions=return_exceptions
        )
        async with aclosing(results) as completed:
            by_number = {number: result async for number, result in completed}
        return [by_number[number] for number in sorted(by_number)]

    async def abatch_as_completed(
        self,
        questions: Questions,
        *,
        overrides: Overrides | None = None,
        return_exceptions: bool = False,
        max_in_flight: int | None = None,
    ) -> AsyncGenerator[tuple[int, Result | Exception], None]:
        """Ask questions and yield each result with the number of its question, as it comes.

        At most `max_in_flight` questions are read ahead of their results; by default enough to
        keep the endpoints busy. So any number of questions is read from an iterator in flat
        memory. Closing this generator cancels the questions that run. The other arguments and
        errors are those of `abatch`.
        """
        check_type(
            return_exceptions,
            bool,
            "return_exceptions is True or False",
            partial(OptionError, option="return_exceptions"),
        )
        checked = validate_questions(questions)
        await self._validate(overrides)
        solver = self if self._checkpointing.checkpointer is None else A2R(self._workflow)

        async def ask(item: tuple[int, Question]) -> tuple[int, Result | Exception]:
            number, question = item
            try:
                return number, await solver.aask(question, isolated_config(), overrides=overrides)
            except A2RError as error:
                if return_exceptions:
                    return number, error
                raise

        tasks = BoundedTasks(ask, max_in_flight or self.default_in_flight)
        async with aclosing(tasks.results(numbered(checked))) as results:
            async for result in results:
                yield result

    @property
    def default_in_flight(self) -> int:
        """The number of questions that keep the endpoints busy, while others are synthesized."""
        explorer = self.config.config.explorer
        capacity = explorer.concurrency * len(explorer.endpoints)
        return max(MIN_IN_FLIGHT, math.ceil(CAPACITY_FACTOR * capacity / sum(explorer.wave_sizes)))

    def resume(self, config: RunnableConfig) -> Result:
        """Resume the run of a thread and wait for the result; see `aresume`.

        Raises:
            StoreError: the checkpointer belongs to an event loop: use `aresume` there.
        """
        return self._run_sync(lambda: self.aresume(config))

    async def aresume(self, config: RunnableConfig) -> Result:
        """Resume the last run of a thread; completed samples are never requested again.

        The run gets its full deadline again. If it has finished, its result is returned without
        any call.

        Args:
            config: LangChain's runnable config, with `{"configurable": {"thread_id": …}}`.

        Raises:
            RunNotFoundError: there is no checkpointer, no thread id, or no run on the thread.
            ConfigError: the run was started with another graph.
            NoAnswerError: no sample finished; `error.result` carries what happened to each.
            ThreadBusyError: a run of the thread is in progress.
            InterruptedGraphError: the graph stopped at an interrupt.
        """
        validate_run_config(config)
        if self._checkpointing.checkpointer is None or not (config or {}).get("configurable"):
            raise RunNotFoundError("resuming a run requires a checkpointer and a thread_id")
        run_config = self._checkpointing.with_metadata(config)
        return _result(await run_in_task(self._run(None, run_config)))

    async def astream(
        self,
        question: Question | None,
        config: RunnableConfig | None = None,
        *,
        overrides: Overrides | None = None,
    ) -> AsyncGenerator[AnyEvent, None]:
        """Ask a question and stream the events of the run, `RunFinished` with the result last.

        Without a question, the run of the config's thread is resumed, as with `aresume`; events
        of completed work are not repeated. Closing the stream cancels the run with all its calls.
        `overrides` are those of `aask`.

        Raises:
            QuestionError: the question is empty or not text.
            NoAnswerError: no sample finished; `error.result` carries what happened to each.
            RunNotFoundError: there is no run to resume.
            ThreadBusyError: another run of the thread is in progress.
        """
        graph_input = None if question is None else to_graph_input(question)
        await self._validate(overrides)
        run_config = self._checkpointing.with_metadata(config)

        def start(sink: EventSink[AnyEvent]) -> Coroutine[Any, Any, Any]:
            return self._run(graph_input, run_config, overrides, sink)

        async with aclosing(stream_from_task(start)) as events:
            async for event in events:
                yield event

    async def _validate(self, overrides: Overrides | None) -> None:
        """Parse overrides in a thread: one of them may be a schema, which takes long."""
        if check_overrides(overrides):
            await asyncio.to_thread(self._workflow.override, overrides)

    def _run_sync(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        self._checkpointing.check_sync()
        return run_sync(begin)

    async def warm_up(self) -> None:
        """Probe the explorer's endpoints, then fetch and start what the first question needs.

        Raises:
            ConfigError: the variable that a role's `api_key_env` names holds no key.
            ModelFileError: a model file could not be fetched.
            EngineError: the embedded engine could not serve a model.
            UnreachableError: no endpoint of the explorer answers.
        """
        await self._workflow.models.probe("explorer")
        await self._workflow.models.warm_up()

    ready = warm_up

    def close(self) -> None:
        """Stop the embedded engine's servers; connections close with their event loop."""
        self._workflow.models.engine.close()

    async def aclose(self) -> None:
        """Stop the embedded engine's servers, and close the connections of this event loop."""
        await asyncio.to_thread(self.close)
        await self._workflow.models.sessions.current().http.close()

    async def __aenter__(self) -> A2R:
        """Return the solver; nothing starts before the first question."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close, with the connections of this event loop."""
        await self.aclose()

    def __enter__(self) -> A2R:
        """Return the solver; nothing starts before the first question."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def _result(output: Mapping[str, Any]) -> Result:
    """The result in the output of a graph.

    Raises:
        InterruptedGraphError: the graph stopped at an interrupt.
    """
    if not output.get("result"):
        raise InterruptedGraphError(
            "the graph stopped at an interrupt, without a result: continue it with "
            "solver.graph.ainvoke(Command(resume=…), config)"
        )
    return Result.model_validate(output["result"])


def _workflow(config: ConfigSource | Workflow | None, overrides: Overrides | None) -> Workflow:
    if isinstance(config, Workflow):
        return config.override(overrides)
    if isinstance(config, A2R):
        raise ConfigError("config is an A2R: pass its workflow, A2R(solver.workflow)")
    source = default_config_name() if config is None else config
    return Workflow.from_config(load_config(source, overrides=overrides))
