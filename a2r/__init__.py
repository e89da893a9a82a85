"""A2R: asymmetric two-stage reasoning (arXiv 2509.22044) as a LangGraph workflow.

`A2R("local").ask("…")` samples many solutions with a small explorer and lets a synthesizer
reason over them only where they disagree. Exceptions are in `a2r.errors`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from a2r._version import __version__

if TYPE_CHECKING:
    from a2r import answers, errors, events
    from a2r.config import Config, load_config
    from a2r.interfaces.langchain import ChatA2R, as_tool
    from a2r.result import Result, Sample
    from a2r.solver import A2R
    from a2r.usage import Usage
    from a2r.workflow import build_graph

__all__ = [
    "A2R",
    "ChatA2R",
    "Config",
    "Result",
    "Sample",
    "Usage",
    "__version__",
    "answers",
    "as_tool",
    "build_graph",
    "errors",
    "events",
    "load_config",
]

_MODULES = {
    "A2R": "a2r.solver",
    "ChatA2R": "a2r.interfaces.langchain",
    "Config": "a2r.config",
    "Result": "a2r.result",
    "Sample": "a2r.result",
    "Usage": "a2r.usage",
    "as_tool": "a2r.interfaces.langchain",
    "build_graph": "a2r.workflow",
    "load_config": "a2r.config",
}


def __getattr__(name: str) -> Any:
    # Importing LangChain takes seconds that `a2r --version` and `a2r config` need not wait.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    if name in __all__:
        return import_module(f"a2r.{name}")
    raise AttributeError(f"module 'a2r' has no attribute {name!r}")
