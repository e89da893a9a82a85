"""Structured output: the response format of a schema, and the parser of the answer."""

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

from a2r.errors import OptionError

Schema = dict[str, Any] | type
INVALID_NAME_CHARACTERS = re.compile(r"[^A-Za-z0-9_-]")
METHODS = ("json_schema", "json_mode")
FUNCTION_KEYS = ("name", "function", "input_schema", "toolSpec")


def response_format(
    schema: Schema | None, method: str, *, strict: bool | None = None
) -> dict[str, Any]:
    """OpenAI's response format for a schema.

    Args:
        schema: a Pydantic class, a TypedDict class, a JSON schema or an OpenAI function.
        method: `json_schema`; or `json_mode`, which allows any JSON object.
        strict: passed with the schema, unless it is `None`.

    Raises:
        ValueError: the method is unknown, or the schema it needs is missing.
    """
    if method not in METHODS:
        raise ValueError(
            f"method {method!r} is not supported: use 'json_schema' or 'json_mode' "
            "(ChatA2R does not call tools)"
        )
    if method == "json_mode":
        return {"type": "json_object"}
    if schema is None:
        raise ValueError("method 'json_schema' needs a schema; use 'json_mode' without one")
    as_json = json_schema(schema)
    # OpenAI's API limits names to these characters and this length.
    name = INVALID_NAME_CHARACTERS.sub("_", str(as_json.get("title") or ""))[:64]
    named_schema = {"name": name or "answer", "schema": as_json}
    return {
        "type": "json_schema",
        "json_schema": named_schema if strict is None else named_schema | {"strict": strict},
    }


def json_schema(schema: Schema) -> dict[str, Any]:
    """The JSON schema of a class, an OpenAI function or a schema.

    Raises:
        OptionError: it is none of them.
    """
    if isinstance(schema, Mapping) and not any(key in schema for key in FUNCTION_KEYS):
        return dict(schema)
    try:
        return convert_to_json_schema(schema)
    except (TypeError, ValueError) as error:
        raise OptionError(
            "schema is a Pydantic class, a TypedDict class, a JSON schema or an OpenAI function, "
            f"not {schema!r}",
            "schema",
        ) from error


def with_structured_output(
    model: Runnable[LanguageModelInput, AIMessage], schema: Schema | None, *, include_raw: bool
) -> Runnable[LanguageModelInput, Any]:
    """Combine a model that writes JSON with the parser of its schema.

    With `include_raw` the output is a mapping of `raw`, `parsed` and `parsing_error`, and a parsing
    error is not raised.
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
    warnings = "; ".join(details.get("a2r", {}).get("warnings", []))
    reason = f"finish reason {details.get('finish_reason')}" + (f": {warnings}" if warnings else "")
    raise OutputParserException(f"no answer conforms to the requested format ({reason})")
