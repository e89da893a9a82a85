"""A2R as a LangChain tool, for agents."""

from __future__ import annotations

from langchain_core.tools import StructuredTool
from pydantic import BaseModel, Field

from a2r.config.loader import Source
from a2r.errors import BudgetError, NoAnswerError, QuestionError
from a2r.result import Result
from a2r.solver import A2R
from a2r.workflow.runnable_config import isolated_config

NAME = "solve"
DESCRIPTION = (
    "Solve a hard, self-contained question (mathematics, logic, multiple choice, analysis) by "
    "sampling several independent solutions and reconciling them. Returns the answer and its "
    "solution. Slow: use it where one attempt is likely to be wrong."
)
# What the agent's model can do something about; anything else is for whoever runs the agent.
REPORTED_ERRORS = (NoAnswerError, QuestionError, BudgetError)


class SolveInput(BaseModel):
    """What the tool takes."""

    question: str = Field(
        description="The whole question with all facts it needs; the tool sees nothing else."
    )


def as_tool(
    config: Source | A2R | None = None, *, name: str = NAME, description: str = DESCRIPTION
) -> StructuredTool:
    """A tool that asks A2R, sync and async; its artifact is the whole result.

    Where there is no answer, the model is told why. A checkpointer of the agent's gives artifacts
    back as JSON: `Result.model_validate(message.artifact)` reads both.

    Args:
        config: a config's name, path, mapping or object; or an `A2R` whose models are shared.
            What is asked here is not kept by its checkpointer.
        name: the tool's name as the model sees it.
        description: when the model should use it.

    Raises:
        ConfigError: the config cannot be used.
    """
    solver = A2R(config.workflow if isinstance(config, A2R) else config)

    def solve(question: str) -> tuple[str, Result | None]:
        try:
            return _tool_content(solver.ask(question))
        except REPORTED_ERRORS as error:
            return _tool_error(error)

    async def asolve(question: str) -> tuple[str, Result | None]:
        try:
            return _tool_content(
                await solver.aask(question, isolated_config(inherit_checkpointer=True))
            )
        except REPORTED_ERRORS as error:
            return _tool_error(error)

    return StructuredTool.from_function(
        func=solve,
        coroutine=asolve,
        name=name,
        description=description,
        args_schema=SolveInput,
        response_format="content_and_artifact",
    )


def _tool_content(result: Result) -> tuple[str, Result]:
    if result.method is None:
        return f"No answer: {'; '.join(result.warnings)}\n\n{result.text}", result
    agreement = "" if result.agreement is None else f", agreement {result.agreement:.0%}"
    return f"Answer: {result.answer} ({result.method}{agreement})\n\n{result.text}", result


def _tool_error(error: Exception) -> tuple[str, Result | None]:
    return f"No answer: {error}", getattr(error, "result", None)
