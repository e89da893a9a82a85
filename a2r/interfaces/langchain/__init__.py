"""The solver as a LangChain chat model and as a tool."""
