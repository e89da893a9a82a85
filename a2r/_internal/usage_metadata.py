"""The usage metadata of LangChain messages."""

from __future__ import annotations

from langchain_core.messages.ai import OutputTokenDetails, UsageMetadata


def usage_metadata(
    prompt: int | None, completion: int | None, reasoning: int | None = None
) -> UsageMetadata | None:
    """LangChain's usage metadata of token counts; `None` if prompt or completion is unknown."""
    if prompt is None or completion is None:
        return None
    metadata = UsageMetadata(
        input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion
    )
    if reasoning is not None:
        metadata["output_token_details"] = OutputTokenDetails(reasoning=reasoning)
    return metadata
