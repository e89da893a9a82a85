"""Validation errors of a request body, with the messages and codes of OpenAI's API."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from a2r._internal.suggestions import suggestion
from a2r._internal.text import one_line
from a2r.interfaces.openai_server.api_errors import ApiError, invalid_json, invalid_value

# Pydantic's names of union members in a location: `constrained-str`, `list[Part]`, `GateOptions`.
UNION_MEMBER = re.compile(r"str|.*[-\[A-Z].*", re.DOTALL)
BOUNDS: Mapping[str, tuple[str, str, str]] = {
    "greater_than": ("below", "minimum", ">"),
    "greater_than_equal": ("below", "minimum", ">="),
    "less_than": ("above", "maximum", "<"),
    "less_than_equal": ("above", "maximum", "<="),
}
TYPES: Mapping[str, str] = {
    "bool_type": "a boolean",
    "dict_type": "an object",
    "float_type": "a decimal",
    "int_from_float": "an integer",
    "int_type": "an integer",
    "list_type": "an array",
    "model_attributes_type": "an object",
    "model_type": "an object",
    "string_type": "a string",
}
MAX_VALUE_CHARACTERS = 40


def from_validation_errors(errors: Sequence[Mapping[str, Any]]) -> ApiError:
    """The response to an invalid body; it names the first invalid field.

    Args:
        errors: the errors of pydantic's `ValidationError.errors()`.
    """
    error = _most_specific(errors)
    error_type, param = error["type"], _path(_location(error)) or None
    if error_type == "json_invalid":
        return invalid_json()
    if param is None and error_type == "string_unicode":
        return ApiError(400, "The request body contains text that is not valid Unicode.")
    if param is None:
        return ApiError(
            400, "The request body has to be a JSON object, of content type application/json."
        )
    if error_type == "missing":
        return missing_parameter(param)
    if error_type == "extra_forbidden":
        return unknown_parameter(param)
    if _is_type_error(error_type):
        return _wrong_type(param, error)
    if error_type in BOUNDS:
        return _out_of_bounds(param, error["input"], error_type, _bound(error))
    if error_type in ("too_short", "too_long", "string_too_long"):
        return _wrong_length(param, error)
    if error_type == "literal_error":
        supported = error["ctx"]["expected"].replace(" or ", " and ")
        message = f"Invalid value: '{_shown(error['input'])}'. Supported values are: {supported}."
        return invalid_value(param, message)
    reason = error["msg"].removeprefix("Value error, ")
    return invalid_value(param, f"Invalid value for '{param}': {reason}.")


def missing_parameter(param: str) -> ApiError:
    """A required field is missing."""
    message = f"Missing required parameter: '{param}'."
    return ApiError(400, message, param=param, code="missing_required_parameter")


def unknown_parameter(param: str, known: Iterable[str] = ()) -> ApiError:
    """A field is unknown; the message names the most similar one of the known fields."""
    message = f"Unknown parameter: '{_shown(param)}'{suggestion(param, known) or '.'}"
    return ApiError(400, message, param=param, code="unknown_parameter")


def above_maximum(param: str, value: int | None, maximum: int) -> ApiError:
    """An integer exceeds this server's maximum."""
    return _out_of_bounds(param, value, "less_than_equal", maximum)


def _out_of_bounds(param: str, value: object, error_type: str, bound: object) -> ApiError:
    if value != value:
        return invalid_value(param, f"Invalid value for '{param}': NaN is not a number.")
    side, end, sign = BOUNDS[error_type]
    number = "integer" if isinstance(bound, int) else "decimal"
    if isinstance(bound, float) and bound.is_integer():
        bound = int(bound)
    return ApiError(
        400,
        f"Invalid '{param}': {number} {side} {end} value. Expected a value {sign} {bound}, but got "
        f"{_shown(value)} instead.",
        param=param,
        code=f"{number}_{side}_{end[:3]}_value",
    )


def _bound(error: Mapping[str, Any]) -> object:
    """The bound that the value violates."""
    return next(error["ctx"][name] for name in ("ge", "gt", "le", "lt") if name in error["ctx"])


def _wrong_type(param: str, error: Mapping[str, Any]) -> ApiError:
    expected = TYPES.get(error["type"])
    got = _type_name(error.get("input"))
    message = (
        f"Invalid value for '{param}': {error['msg']}."
        if expected is None
        else f"Invalid type for '{param}': expected {expected}, but got {got} instead."
    )
    return ApiError(400, message, param=param, code="invalid_type")


def _wrong_length(param: str, error: Mapping[str, Any]) -> ApiError:
    if error["type"] == "too_short":
        message = (
            f"Invalid '{param}': empty array. Expected an array with minimum length "
            f"{error['ctx']['min_length']}, but got an empty array instead."
        )
        return ApiError(400, message, param=param, code="empty_array")
    type_name = "string" if error["type"] == "string_too_long" else "array"
    with_article = "a string" if type_name == "string" else "an array"
    message = (
        f"Invalid '{param}': {type_name} too long. Expected {with_article} with maximum length "
        f"{error['ctx']['max_length']}, but got {with_article} with length "
        f"{len(error['input'])} instead."
    )
    return ApiError(400, message, param=param, code=f"{type_name}_above_max_length")


def _type_name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case list():
            return "an array"
    return "an object"


def _shown(value: object) -> str:
    try:
        text = str(value)
    except ValueError:
        # Python does not convert integers of more than 4,300 digits.
        return "a number of thousands of digits"
    return one_line(text, MAX_VALUE_CHARACTERS)


def _most_specific(errors: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The most specific error of the first invalid field.

    For a union, pydantic reports the errors of all its members. The member that the client meant
    is probably the one whose validation got deepest into the value.
    """
    first = _location(errors[0])
    candidates = [error for error in errors if _location(error)[: len(first)] == first]
    return max(
        candidates, key=lambda error: (len(_location(error)), not _is_type_error(error["type"]))
    )


def _location(error: Mapping[str, Any]) -> list[int | str]:
    """The path of an error in the body, without pydantic's names of union members."""
    parts: list[int | str] = list(error["loc"][1:])
    # The last part is then the client's name of a field, which may look like a union member.
    field_name = parts[-1:] if error["type"] in ("extra_forbidden", "missing") else []
    parents = parts[: len(parts) - len(field_name)]
    return [part for part in parents if not UNION_MEMBER.fullmatch(str(part))] + field_name


def _is_type_error(error_type: str) -> bool:
    return error_type.endswith("_type") or error_type == "int_from_float"


def _path(parts: Sequence[int | str]) -> str:
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path
