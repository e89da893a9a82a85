"""The definitions of the tools: names, descriptions, and the schemas of their arguments."""

# No `from __future__ import annotations`: the SDK evaluates annotations outside of the functions
# that define the names in them, such as `max_samples`.
from typing import Annotated

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ToolAnnotations
from pydantic import Field

from a2r.answers import Kind, cluster, compare
from a2r.answers.sandbox.threads import run_in_thread
from a2r.interfaces.chat.solve_tool_description import DESCRIPTION, QUESTION_DESCRIPTION
from a2r.interfaces.mcp_server import solve_call
from a2r.interfaces.mcp_server.server_state import ServerState
from a2r.interfaces.mcp_server.tool_outputs import AnswersClustered, AnswersCompared, Solution

MAX_ANSWERS = 1000
READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=False)
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
KindArgument = Annotated[Kind, Field(description=KIND)]


def add_tools(server: MCPServer[None], state: ServerState) -> None:
    """Add the tools to a server."""
    _add_solve(server, state)
    _add_answer_tools(server)


def _add_solve(server: MCPServer[None], state: ServerState) -> None:
    max_samples, names = state.max_samples, ", ".join(state.names)

    @server.tool(
        title="Solve a hard question",
        description=SOLVE,
        annotations=READ_ONLY,
        structured_output=True,
    )
    async def solve(
        question: Annotated[str, Field(description=QUESTION_DESCRIPTION)],
        context: Context,
        config: Annotated[
            str | None,
            Field(description=f"The models and rules: {names}. Default: {state.default}"),
        ] = None,
        samples: Annotated[
            Annotated[int, Field(ge=1, le=max_samples)] | None,
            Field(
                description="The maximum number of samples; more are slower and more reliable. "
                "Default: the config's number"
            ),
        ] = None,
    ) -> Solution:
        name = state.default if config is None else config
        solve_request = solve_call.SolveRequest(question=question, config=name, samples=samples)
        # Over stdio there is no HTTP request.
        http_request = context.request_context.request
        return await solve_call.solve(state, solve_request, context.report_progress, http_request)


def _add_answer_tools(server: MCPServer[None]) -> None:
    @server.tool(
        title="Compare two answers",
        description=COMPARE,
        annotations=READ_ONLY,
        structured_output=True,
    )
    async def compare_answers(a: str, b: str, kind: KindArgument = "auto") -> AnswersCompared:
        return AnswersCompared.from_comparison(await run_in_thread(compare, a, b, kind))

    @server.tool(
        title="Group equal answers",
        description=CLUSTER,
        annotations=READ_ONLY,
        structured_output=True,
    )
    async def cluster_answers(
        answers: Annotated[
            list[str | None],
            Field(
                max_length=MAX_ANSWERS,
                description="The answers; null is an attempt without one, and is in no group",
            ),
        ],
        kind: KindArgument = "auto",
    ) -> AnswersClustered:
        return AnswersClustered.from_clusters(await run_in_thread(cluster, answers, kind))
