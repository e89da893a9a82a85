"""The answer of a chat model as an object of a schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass

Schema = dict[str, Any] | type
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
METHODS = ("json_schema", "json_mode")
FUNCTION_KEYS = ("name", "function", "input_schema", "toolSpec")


def response_format(
    schema: Schema | None, method: str, *, strict: bool | None = None
) -> dict[str, Any]:
    """OpenAI's response format for a schema.

    Args:
        schema: a Pydantic class, a TypedDict class, a JSON schema or an OpenAI function.
        method: `json_schema`; or `json_mode`, which asks for any JSON object.
        strict: passed on with the schema, if it is given.

    Raises:
        ValueError: the method is another one, or needs a schema.
    """
    if method not in METHODS:
        raise ValueError(
            f"method {method!r}: ChatA2R calls no tools; use 'json_schema' or 'json_mode'"
        )
    if method == "json_mode":
        return {"type": "json_object"}
    if schema is None:
        raise ValueError("method 'json_schema' needs a schema; 'json_mode' does without")
    as_json = json_schema(schema)
    # OpenAI's API takes no other characters, and no more of them.
    name = NOT_IN_NAMES.sub("_", str(as_json.get("title") or ""))[:64]
    asked = {"name": name or "answer", "schema": as_json}
    return {
        "type": "json_schema",
        "json_schema": asked if strict is None else asked | {"strict": strict},
    }


def json_schema(schema: Schema) -> dict[str, Any]:
    """The JSON schema that a class, a function of OpenAI's or a schema stands for."""
    if isinstance(schema, Mapping) and not any(key in schema for key in FUNCTION_KEYS):
        return dict(schema)
    return convert_to_json_schema(schema)


def with_structured_output(
    model: Runnable[LanguageModelInput, AIMessage], schema: Schema | None, *, include_raw: bool
) -> Runnable[LanguageModelInput, Any]:
    """A model that writes JSON, followed by the parser of its schema.

    With `include_raw` the output is a mapping of `raw`, `parsed` and `parsing_error`, and what
    cannot be parsed is no exception.
    """
    parser = RunnableLambda(_require_answer) | _parser(schema)
    if not include_raw:
        return model | parser
    parsed = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    not_parsed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parsed.with_fallbacks(
        [not_parsed], exception_key="parsing_error"
    )


def _parser(schema: Schema | None) -> Runnable[Any, Any]:
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        return PydanticOutputParser(pydantic_object=schema)
    return JsonOutputParser()


def _require_answer(message: AIMessage) -> AIMessage:
    if message.text:
        return message
    details = message.response_metadata
    said = "; ".join(details.get("a2r", {}).get("warnings", []))
    reason = f"finish reason {details.get('finish_reason')}" + (f": {said}" if said else "")
    raise OutputParserException(f"no answer conforms to the format that was asked for ({reason})")
