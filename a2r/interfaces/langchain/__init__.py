"""A2R for LangChain: the chat model `ChatA2R` and the tool `as_tool`."""

from a2r.interfaces.langchain.chat_model import ChatA2R
from a2r.interfaces.langchain.tool import as_tool

__all__ = ["ChatA2R", "as_tool"]
