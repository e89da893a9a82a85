"""A2R: asymmetric two-stage reasoning (arXiv 2509.22044) as a LangGraph workflow.

`A2R("local").ask("…")` samples many solutions with a small explorer and lets a synthesizer
reason over them only where they disagree.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from a2r.config import Config, load_config
    from a2r.errors import (
        A2RError,
        BudgetError,
        ConfigError,
        EndpointsUnreachableError,
        EngineError,
        InterruptedRunError,
        MissingExtraError,
        ModelFileError,
        NoAnswerError,
        NoAnswerFoundError,
        OptionError,
        QuestionError,
        RunNotFoundError,
        ServingError,
        StoreError,
        UnreachableError,
    )
    from a2r.interfaces.langchain.chat_model import ChatA2R
    from a2r.interfaces.langchain.tool import as_tool
    from a2r.result import Result
    from a2r.solver import A2R
    from a2r.workflow.builder import build_graph
    from a2r.workflow.workflow import Workflow

__version__ = version("a2r-reasoning")

__all__ = [
    "A2R",
    "A2RError",
    "BudgetError",
    "ChatA2R",
    "Config",
    "ConfigError",
    "EndpointsUnreachableError",
    "EngineError",
    "InterruptedRunError",
    "MissingExtraError",
    "ModelFileError",
    "NoAnswerError",
    "NoAnswerFoundError",
    "OptionError",
    "QuestionError",
    "Result",
    "RunNotFoundError",
    "ServingError",
    "StoreError",
    "UnreachableError",
    "Workflow",
    "__version__",
    "as_tool",
    "build_graph",
    "load_config",
]

_MODULES = {
    "A2R": "a2r.solver",
    "ChatA2R": "a2r.interfaces.langchain.chat_model",
    "Config": "a2r.config",
    "Flow": "a2r.workflow.workflow",
    "Result": "a2r.result",
    "as_tool": "a2r.interfaces.langchain.tool",
    "build_graph": "a2r.workflow.builder",
    "load_config": "a2r.config",
}


def __getattr__(name: str) -> Any:
    # Importing LangChain takes seconds that `a2r --version` and `a2r config` need not wait.
    if name not in __all__:
        raise AttributeError(f"module 'a2r' has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, "a2r.errors")), name)
