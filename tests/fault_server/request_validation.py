"""The checks of a chat request: those of vLLM, or those of OpenAI, which knows fewer fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

from openai.types.chat import ChatCompletionStreamOptionsParam
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from tests.fault_server.payloads import error_json

Api = Literal["vllm", "openai"]
APIS: tuple[str, ...] = get_args(Api)
OPENAI_FIELDS = {*CompletionCreateParamsBase.__annotations__, "stream"}
OPENAI_STREAM_OPTIONS = set(ChatCompletionStreamOptionsParam.__annotations__)
# Of the request's validation, and of the chat template's in `transformers`.
BOTH_SET = "Cannot set both `continue_final_message` and `add_generation_prompt` to True."
INCOMPATIBLE = (
    "continue_final_message and add_generation_prompt are not compatible. Use "
    "continue_final_message when you want the model to continue the final message, and "
    "add_generation_prompt when you want to add a header that will prompt it to start a new "
    "assistant message instead."
)


def request_error(body: Mapping[str, Any], api: Api) -> dict[str, Any] | None:
    """Return the error of an invalid request; `None` if it is valid."""
    if api == "openai":
        unknown = next(_unknown_fields(body), None)
        return None if unknown is None else _unknown_parameter(unknown)
    if not body.get("continue_final_message"):
        return None
    # The default of `add_generation_prompt` is true.
    if body.get("add_generation_prompt", True):
        message = BOTH_SET if "add_generation_prompt" in body else INCOMPATIBLE
        return error_json(message, 400)
    return None


def _unknown_fields(body: Mapping[str, Any]) -> Iterator[str]:
    yield from (name for name in body if name not in OPENAI_FIELDS)
    for name in body.get("stream_options") or {}:
        if name not in OPENAI_STREAM_OPTIONS:
            yield f"stream_options.{name}"


def _unknown_parameter(name: str) -> dict[str, Any]:
    error = error_json(f"Unknown parameter: '{name}'.", 400, "openai", param=name)
    error["error"]["code"] = "unknown_parameter"
    return error
