"""The tools as a client sees them: names, descriptions, and the schemas of their arguments."""

# No `from __future__ import annotations`: the SDK reads the annotations outside of the function
# in which the limits that stand in them are known.
import asyncio
from typing import Annotated

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ToolAnnotations
from pydantic import Field

from a2r.answers import Kind, cluster, compare
from a2r.interfaces.langchain.tool import DESCRIPTION
from a2r.interfaces.mcp_server import solve_tool as solving
from a2r.interfaces.mcp_server.server_state import ServerState
from a2r.interfaces.mcp_server.tool_outputs import AnswersClustered, AnswersCompared, Solution

MAX_ANSWERS = 1000
READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=False)
SOLVE = (
    f"{DESCRIPTION} It may take minutes: it tells its progress, and can be cancelled. Ask one "
    "question at a time; it knows nothing of the conversation and of earlier questions."
)
COMPARE = (
    "Tell whether two final answers are the same: numbers by value (1/2, 0.5, 50%), mathematical "
    "expressions by value, sets, intervals, matrices, units, choices, JSON. Exact and fast, no "
    "model is asked. Give the bare answers, not whole solutions."
)
CLUSTER = (
    "Group final answers that are the same, the largest group first: a vote over the answers of "
    "several attempts, with the equality of compare_answers. Exact and fast, no model is asked."
)
KIND = (
    "What the answers are: math (numbers and expressions), choice (A, B, …), text, json, code; "
    "auto finds out"
)
KindArgument = Annotated[Kind, Field(description=KIND)]


def add_tools(server: MCPServer[None], desk: ServerState) -> None:
    """Add the tools to a server."""
    _add_solve(server, desk)
    _add_answer_tools(server)


def _add_solve(server: MCPServer[None], desk: ServerState) -> None:
    most, names = desk.max_samples, ", ".join(desk.names)

    @server.tool(
        title="Solve a hard question",
        description=SOLVE,
        annotations=READ_ONLY,
        structured_output=True,
    )
    async def solve(
        question: Annotated[
            str,
            Field(
                description="The whole question with all facts it needs; the tool sees nothing else"
            ),
        ],
        context: Context,
        config: Annotated[
            str | None,
            Field(description=f"Which models and rules: {names}. Default: {desk.default}"),
        ] = None,
        samples: Annotated[
            Annotated[int, Field(ge=1, le=most)] | None,
            Field(
                description="The most samples of the explorer to draw; more are slower and surer. "
                "Default: as many as the config says"
            ),
        ] = None,
    ) -> Solution:
        name = desk.default if config is None else config
        asked = solving.SolveRequest(question=question, config=name, samples=samples)
        # Over stdio there is no request of HTTP.
        request = context.request_context.request
        return await solving.solve(desk, asked, context.report_progress, request)


def _add_answer_tools(server: MCPServer[None]) -> None:
    @server.tool(
        title="Compare two answers",
        description=COMPARE,
        annotations=READ_ONLY,
        structured_output=True,
    )
    async def compare_answers(a: str, b: str, kind: KindArgument = "auto") -> AnswersCompared:
        return AnswersCompared.from_comparison(await asyncio.to_thread(compare, a, b, kind))

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
                description="The answers; null is an attempt without one, and joins no group",
            ),
        ],
        kind: KindArgument = "auto",
    ) -> AnswersClustered:
        return AnswersClustered.from_clusters(await asyncio.to_thread(cluster, answers, kind))
