"""What is wrong with a request's body, in the words and codes of OpenAI's API."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from a2r.interfaces.openai_server.api_errors import ApiError, invalid_value, unreadable

# As pydantic names what a value may be: `constrained-str`, `list[Part]`, `GateOptions`.
ALTERNATIVE = re.compile(r"str|.*[-\[A-Z].*", re.DOTALL)
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
    """What is wrong with a body, by the first place where pydantic found a fault."""
    found = _closest(errors)
    kind, param = found["type"], _path(_location(found)) or None
    if kind == "json_invalid":
        return unreadable()
    if param is None and kind == "string_unicode":
        return ApiError(400, "The body of the request holds text that is not valid Unicode.")
    if param is None:
        return ApiError(
            400, "The body of the request has to be a JSON object, of type application/json."
        )
    if kind == "missing":
        return missing(param)
    if kind == "extra_forbidden":
        message = f"Unknown parameter: '{param}'."
        return ApiError(400, message, param=param, code="unknown_parameter")
    if _expected_type(kind):
        return _wrong_type(param, found)
    if kind in BOUNDS:
        return _out_of_bounds(param, found["input"], kind, _bound(found))
    if kind in ("too_short", "too_long", "string_too_long"):
        return _wrong_length(param, found)
    if kind == "literal_error":
        supported = found["ctx"]["expected"].replace(" or ", " and ")
        told = f"Invalid value: '{_shown(found['input'])}'. Supported values are: {supported}."
        return invalid_value(param, told)
    why = found["msg"].removeprefix("Value error, ")
    return invalid_value(param, f"Invalid value for '{param}': {why}.")


def missing(param: str) -> ApiError:
    """A field that has to be there."""
    message = f"Missing required parameter: '{param}'."
    return ApiError(400, message, param=param, code="missing_required_parameter")


def above_maximum(param: str, value: int | None, most: int) -> ApiError:
    """An integer that is above what this server takes."""
    return _out_of_bounds(param, value, "less_than_equal", most)


def _out_of_bounds(param: str, value: object, kind: str, bound: object) -> ApiError:
    if value != value:
        return invalid_value(param, f"Invalid value for '{param}': it is no number.")
    side, end, sign = BOUNDS[kind]
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


def _bound(found: Mapping[str, Any]) -> object:
    """The bound that a value is beyond."""
    return next(found["ctx"][name] for name in ("ge", "gt", "le", "lt") if name in found["ctx"])


def _wrong_type(param: str, found: Mapping[str, Any]) -> ApiError:
    expected = TYPES.get(found["type"])
    got = _type_name(found.get("input"))
    message = (
        f"Invalid value for '{param}': {found['msg']}."
        if expected is None
        else f"Invalid type for '{param}': expected {expected}, but got {got} instead."
    )
    return ApiError(400, message, param=param, code="invalid_type")


def _wrong_length(param: str, found: Mapping[str, Any]) -> ApiError:
    if found["type"] == "too_short":
        message = (
            f"Invalid '{param}': empty array. Expected an array with minimum length "
            f"{found['ctx']['min_length']}, but got an empty array instead."
        )
        return ApiError(400, message, param=param, code="empty_array")
    thing = "string" if found["type"] == "string_too_long" else "array"
    message = (
        f"Invalid '{param}': {thing} too long. Expected {_article(thing)} with maximum length "
        f"{found['ctx']['max_length']}, but got {_article(thing)} with length "
        f"{len(found['input'])} instead."
    )
    return ApiError(400, message, param=param, code=f"{thing}_above_max_length")


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


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
        # Python writes no integers of thousands of digits.
        return "a number of thousands of digits"
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}…"


def _closest(errors: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The finding that says most of the first place with a fault.

    Where a value may be one of several things, pydantic tells what each of them misses: the one
    that the client meant got furthest.
    """
    first = _location(errors[0])
    about = [error for error in errors if _location(error)[: len(first)] == first]
    return max(about, key=lambda error: (len(_location(error)), not _expected_type(error["type"])))


def _location(error: Mapping[str, Any]) -> list[int | str]:
    """Where in the body it is, without pydantic's names for the things that a value may be."""
    parts: list[int | str] = list(error["loc"][1:])
    own = parts[-1:] if error["type"] in ("extra_forbidden", "missing") else []
    between = parts[: len(parts) - len(own)]
    return [part for part in between if not ALTERNATIVE.fullmatch(str(part))] + own


def _expected_type(kind: str) -> bool:
    return kind.endswith("_type") or kind == "int_from_float"


def _path(parts: Sequence[int | str]) -> str:
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path
