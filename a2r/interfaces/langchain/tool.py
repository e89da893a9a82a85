"""A2R as a LangChain tool, for agents."""

from __future__ import annotations

from langchain_core.tools import StructuredTool
from pydantic import BaseModel, Field

from a2r._internal.argument_types import check_type
from a2r.config.loader import ConfigSource
from a2r.errors import BudgetError, NoAnswerError, QuestionError
from a2r.interfaces.chat.solve_tool_description import DESCRIPTION, NAME, QUESTION_DESCRIPTION
from a2r.result import Result
from a2r.solver import A2R
from a2r.workflow.runnable_config import isolated_config

# The agent's model can react to these errors; the others end the agent's run.
REPORTED_ERRORS = (NoAnswerError, QuestionError, BudgetError)


class SolveInput(BaseModel):
    """The arguments of the tool."""

    question: str = Field(description=QUESTION_DESCRIPTION)


def as_tool(
    config: ConfigSource | A2R | None = None, *, name: str = NAME, description: str = DESCRIPTION
) -> StructuredTool:
    """A tool that runs a question, sync and async; its artifact is the complete result.

    If there is no answer, the tool's content is the reason. An agent's checkpointer returns
    artifacts as JSON: `Result.model_validate(message.artifact)` accepts both forms.

    Args:
        config: a config's name, path, mapping or object; or an `A2R`, whose clients and limits the
            tool shares, but not its checkpointer.
        name: the tool's name, for the model.
        description: the tool's description, for the model.

    Raises:
        ConfigError: the config is invalid, or an argument has another type.
    """
    check_type(name, str, "the name of a tool is a text")
    check_type(description, str, "the description of a tool is a text")
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
