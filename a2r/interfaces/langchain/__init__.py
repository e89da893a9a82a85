"""The solver as a LangChain chat model and as a tool."""

from a2r.interfaces.langchain.chat_model import ChatA2R
from a2r.interfaces.langchain.tool import as_tool

__all__ = ["ChatA2R", "as_tool"]
