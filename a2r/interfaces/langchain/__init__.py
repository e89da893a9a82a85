"""A2R for LangChain: the chat model `ChatA2R` and the tool `as_tool`."""
