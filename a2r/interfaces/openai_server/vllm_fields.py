"""The request fields that vLLM adds to OpenAI's API, and which of them the endpoints get.

Source: `ChatCompletionRequest` of vLLM 0.32; `guided_*` and `structural_tag` are those of earlier
versions, which other servers have adopted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from a2r.interfaces.openai_server.strict_model import INTEGER, JsonObject, StrictModel, Text

TokenId = Annotated[int, Field(ge=0, lt=2**31), INTEGER]
Count = Annotated[int, Field(ge=0, le=10**9), INTEGER]


class PassedFields(StrictModel):
    """The fields that are passed on to the endpoints, for both roles."""

    top_k: Annotated[int, Field(ge=-1, le=10**9), INTEGER] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=100)] | None = None
    length_penalty: Annotated[float, Field(allow_inf_nan=False)] | None = None
    stop_token_ids: list[TokenId] | None = None
    include_stop_str_in_output: bool | None = None
    ignore_eos: bool | None = None
    min_tokens: Count | None = None
    skip_special_tokens: bool | None = None
    spaces_between_special_tokens: bool | None = None
    truncate_prompt_tokens: Annotated[int, Field(ge=-1, le=10**9), INTEGER] | None = None
    truncation_side: Literal["left", "right"] | None = None
    allowed_token_ids: list[TokenId] | None = None
    bad_words: list[Text] | None = None
    thinking_token_budget: Annotated[int, Field(ge=-1, le=10**9), INTEGER] | None = None
    include_reasoning: bool | None = None
    watermarking: bool | None = None
    repetition_detection: JsonObject | None = None
    add_special_tokens: bool | None = None
    documents: list[dict[str, str]] | None = None
    chat_template: Text | None = None
    chat_template_kwargs: JsonObject | None = None
    media_io_kwargs: JsonObject | None = None
    mm_processor_kwargs: JsonObject | None = None
    structured_outputs: JsonObject | None = None
    guided_json: Text | JsonObject | None = None
    guided_regex: Text | None = None
    guided_choice: list[Text] | None = None
    guided_grammar: Text | None = None
    guided_whitespace_pattern: Text | None = None
    guided_decoding_backend: Text | None = None
    structural_tag: Text | None = None
    priority: Annotated[int, Field(ge=-(2**63), lt=2**63), INTEGER] | None = None
    cache_salt: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    vllm_xargs: JsonObject | None = None

    def passed_fields(self) -> dict[str, Any]:
        """The fields that the request has, by name."""
        values = {name: getattr(self, name) for name in PassedFields.model_fields}
        return {name: value for name, value in values.items() if value is not None}


class VllmFields(PassedFields):
    """All of vLLM's fields: the further ones have no effect, or are not supported.

    They are about one call, and a request makes many: an ID, a transfer of its cache, the prompt's
    last message, details of its tokens.
    """

    request_id: str | None = None
    session_id: str | None = None
    stream_interval: int | None = None
    routed_experts_prompt_start: int | None = None
    mm_payload: str | None = None
    return_mm_kwargs: bool | None = None
    return_token_offsets: bool | None = None
    use_beam_search: bool | None = None
    echo: bool | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    prompt_logprobs: Annotated[int, INTEGER] | None = None
    logprob_token_ids: list[TokenId] | None = None
    return_tokens_as_token_ids: bool | None = None
    return_token_ids: bool | None = None
    return_prompt_text: bool | None = None
    kv_transfer_params: dict[str, Any] | None = None
    ec_transfer_params: dict[str, Any] | None = None

    def vllm_fields(self) -> list[str]:
        """The names of vLLM's fields that the request has."""
        return [name for name in VllmFields.model_fields if getattr(self, name) is not None]

    def unsupported_vllm_fields(self) -> Iterator[str]:
        """The names of the fields that request an unsupported feature."""
        if self.add_generation_prompt is False:
            yield "add_generation_prompt"
        if self.prompt_logprobs is not None:
            yield "prompt_logprobs"
        yield from (name for name in UNSUPPORTED if getattr(self, name))


UNSUPPORTED = (
    "use_beam_search",
    "echo",
    "continue_final_message",
    "logprob_token_ids",
    "return_tokens_as_token_ids",
    "return_token_ids",
    "return_prompt_text",
    "kv_transfer_params",
    "ec_transfer_params",
)
