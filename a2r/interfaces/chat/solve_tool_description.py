"""The description of the tool `solve`, which the LangChain tool and the MCP tool share."""

from __future__ import annotations

NAME = "solve"
DESCRIPTION = (
    "Solve a hard, self-contained question (mathematics, logic, multiple choice, analysis) by "
    "sampling several independent solutions and reconciling them. Returns the answer and its "
    "solution. Slow: use it where one attempt is likely to be wrong."
)
QUESTION_DESCRIPTION = "The complete question with all facts it needs; the tool sees nothing else."
