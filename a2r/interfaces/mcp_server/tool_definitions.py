"""The definitions of the tools: names, descriptions, and the schemas of their arguments."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, create_model

from a2r._internal.models import FrozenModel
from a2r.answers import Kind, cluster, compare
from a2r.answers.sandbox.threads import run_in_thread
from a2r.interfaces.chat.solve_tool_description import DESCRIPTION, NAME, QUESTION_DESCRIPTION
from a2r.interfaces.mcp_server import solve_call
from a2r.interfaces.mcp_server.server_state import ServerState
from a2r.interfaces.mcp_server.tool import CallContext, DecodeJson, Tool
from a2r.interfaces.mcp_server.tool_outputs import AnswersClustered, AnswersCompared, Solution

MAX_ANSWERS = 1000
SOLVE = (
    f"{DESCRIPTION} It may take minutes: it reports its progress, and can be cancelled. Ask one "
    "question at a time; it knows neither the conversation nor earlier questions."
)
COMPARE = (
    "Check whether two final answers are the same: numbers by value (1/2, 0.5, 50%), mathematical "
    "expressions by value, sets, intervals, matrices, units, choices, JSON. Exact and fast, "
    "without a model. Pass only the answers, not complete solutions."
)
CLUSTER = (
    "Group final answers that are the same, the largest group first: a vote over the answers of "
    "several attempts, with the equality of compare_answers. Exact and fast, without a model."
)
KIND = (
    "The type of the answers: math (numbers and expressions), choice (A, B, …), text, json, code; "
    "auto detects it"
)
SAMPLES = (
    "The maximum number of samples; more are slower and more reliable. Default: the config's number"
)
KindArgument = Annotated[Kind, Field(description=KIND)]


class SolveArguments(FrozenModel):
    """The question, and the config that solves it."""

    question: Annotated[str, Field(description=QUESTION_DESCRIPTION)]
    # Not `config`: LangChain and other frameworks reserve that name, and do not pass it on.
    setup: Annotated[str | None, DecodeJson] = None
    samples: Annotated[int | None, DecodeJson] = None


class CompareArguments(FrozenModel):
    """Two final answers."""

    a: str
    b: str
    kind: KindArgument = "auto"


class ClusterArguments(FrozenModel):
    """The final answers of several attempts."""

    answers: Annotated[
        list[str | None],
        DecodeJson,
        Field(
            max_length=MAX_ANSWERS,
            description="The answers; null is an attempt without one, and is in no group",
        ),
    ]
    kind: KindArgument = "auto"


def define_tools(state: ServerState) -> list[Tool[Any]]:
    """The tools of a server."""
    return [
        _solve_tool(state),
        Tool(
            name="compare_answers",
            title="Compare two answers",
            description=COMPARE,
            arguments=CompareArguments,
            output=AnswersCompared,
            run=_compare_answers,
        ),
        Tool(
            name="cluster_answers",
            title="Group equal answers",
            description=CLUSTER,
            arguments=ClusterArguments,
            output=AnswersClustered,
            run=_cluster_answers,
        ),
    ]


def _solve_tool(state: ServerState) -> Tool[SolveArguments]:
    async def run(arguments: SolveArguments, context: CallContext) -> Solution:
        solve_request = solve_call.SolveRequest(
            question=arguments.question,
            config=state.default if arguments.setup is None else arguments.setup,
            samples=arguments.samples,
        )
        return await solve_call.solve(state, solve_request, context)

    return Tool(
        name=NAME,
        title="Solve a hard question",
        description=SOLVE,
        arguments=_solve_arguments(state),
        output=Solution,
        run=run,
        renamed={"config": "setup"},
    )


def _solve_arguments(state: ServerState) -> type[SolveArguments]:
    """The arguments with the names and the limit of this server."""
    configs = f"The models and rules: {', '.join(state.names)}. Default: {state.default}"
    limited = Annotated[int, Field(ge=1, le=state.max_samples)] | None
    return create_model(
        "SolveArguments",
        __base__=SolveArguments,
        __doc__=SolveArguments.__doc__,
        setup=(Annotated[str | None, DecodeJson, Field(description=configs)], None),
        samples=(Annotated[limited, DecodeJson, Field(description=SAMPLES)], None),
    )


async def _compare_answers(arguments: CompareArguments, _: CallContext) -> AnswersCompared:
    comparison = await run_in_thread(compare, arguments.a, arguments.b, arguments.kind)
    return AnswersCompared.from_comparison(comparison)


async def _cluster_answers(arguments: ClusterArguments, _: CallContext) -> AnswersClustered:
    clusters = await run_in_thread(cluster, arguments.answers, arguments.kind)
    return AnswersClustered.from_clusters(clusters)
