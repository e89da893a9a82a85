"""The solver as LangChain chat model, LangChain tool, OpenAI server and MCP server."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from a2r.interfaces.langchain.chat_model import ChatA2R
    from a2r.interfaces.langchain.tool import as_tool

__all__ = ["ChatA2R", "as_tool"]

_MODULES = {
    "ChatA2R": "a2r.interfaces.langchain.chat_model",
    "as_tool": "a2r.interfaces.langchain.tool",
}


def __getattr__(name: str) -> Any:
    # Importing LangChain takes seconds, which commands such as `a2r keys` do not need.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
