"""JSON validation against untrusted schemas: nothing hangs, nothing is fetched."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2r.answers import Settings, extract
from a2r.answers.errors import AnswersError, SchemaError
from a2r.answers.sandbox.json_schema import check_schema, conforms
from a2r.config.schema import response_format_schema

pytestmark = pytest.mark.integration

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
    "additionalProperties": False,
}
# Each validates in exponential time without a time limit.
EXPONENTIAL_SCHEMAS = {
    "references that double": (
        "{'$defs': {**{f'd{i}': {'allOf': [{'$ref': f'#/$defs/d{i + 1}'}] * 2} for i in range(40)},"
        " 'd40': {}}, '$ref': '#/$defs/d0'}",
        "{}",
    ),
    "what is not evaluated, nested": (
        "functools.reduce(lambda inner, _: {'allOf': [inner], 'unevaluatedProperties': False},"
        " range(40), {'properties': {'a': {}}})",
        "{'a': 1}",
    ),
    "alternatives of a recursion": (
        "{'anyOf': [{'type': 'array', 'items': {'$ref': '#'}, 'minItems': n} for n in (0, 1)]}",
        "functools.reduce(lambda inner, _: [inner], range(40), 'x')",
    ),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
KEYWORDS = st.sampled_from(
    ["type", "properties", "items", "pattern", "enum", "$ref", "$id", "anyOf", "minimum", "$schema"]
)
SCHEMAS = st.dictionaries(
    KEYWORDS, JSON | st.sampled_from(["object", "#", "a+", "^(", "$defs"]), max_size=4
)


def extract_json(text: str, schema: Any) -> str | None:
    answer = extract(text, "json", None, Settings(json_schema=json.dumps(schema)))
    return None if answer is None else answer.text


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ({"name": "Ada", "age": 36}, True),
        ({"name": "Ada"}, True),
        ({"name": "Ada", "age": 36.0}, True),
        ({"name": "Ada", "age": True}, False),
        ({"name": "Ada", "age": "36"}, False),
        ({"name": "Ada", "born": 1815}, False),
        ({"age": 36}, False),
        ([], False),
        (None, False),
    ],
)
def test_only_conforming_json_is_an_answer(value: Any, good: bool) -> None:
    assert conforms(value, json.dumps(PERSON)) is good
    text = f"Let me see.\n```json\n{json.dumps(value)}\n```"
    answer = extract_json(text, PERSON)
    assert (answer is not None and json.loads(answer) == value) is good


def test_without_a_schema_any_json_is_an_answer() -> None:
    answer = extract("[1]", "json", None, Settings())
    assert answer is not None
    assert extract("42", "math", None, Settings(json_schema='{"type": "object"}')) is not None


@pytest.mark.parametrize(
    "schema",
    [
        '{"type": "riddle"}',
        '{"multipleOf": 0}',
        '{"pattern": "("}',
        '{"pattern": "(?=a)b"}',
        '{"pattern": "(a)\\\\1"}',
        '{"pattern": "(((a{1000}){1000}){1000})"}',
        '{"$ref": "#/nowhere"}',
        '{"$ref": "file:///etc/passwd"}',
        '{"$schema": "urn:unknown"}',
        '{"minimum": NaN}',
        '{"minimum": 1' + "0" * 5000 + "}",
        '{"title": "\\ud800"}',
        "[]",
        "1",
        "null",
        '"{}"',
        "no JSON",
        "",
        "[" * 100_000,
        '{"not":' * 500 + "{}" + "}" * 500,
    ],
    ids=lambda schema: schema[:40],
)
def test_an_invalid_schema_is_rejected_with_a_one_line_error(schema: str) -> None:
    with pytest.raises(SchemaError) as raised:
        check_schema(schema)
    assert isinstance(raised.value, AnswersError)
    assert isinstance(raised.value, ValueError)
    assert "\n" not in str(raised.value)


@given(SCHEMAS)
@settings(deadline=None)
def test_a_schema_is_accepted_or_rejected(schema: dict[str, Any]) -> None:
    with contextlib.suppress(SchemaError):
        check_schema(json.dumps(schema))


@given(JSON, st.sampled_from([{}, PERSON, {"type": "array", "items": {"minimum": 1}}]))
@settings(deadline=None)
def test_every_value_conforms_or_does_not(value: Any, schema: dict[str, Any]) -> None:
    text = json.dumps(value)
    assert conforms(json.loads(text), json.dumps(schema)) in (True, False)
    answer = extract_json(f"```json\n{text}\n```", schema)
    assert answer is None or json.dumps(json.loads(answer)) is not None


@pytest.mark.parametrize("where", ["$ref", "$schema", "$dynamicRef", "$recursiveRef"])
def test_remote_references_are_not_fetched(where: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/schema"
        schema = json.dumps({where: url, "type": "object"})
        with contextlib.suppress(SchemaError):
            check_schema(schema)
            conforms({}, schema)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^(a+)+$", "a" * 100_000 + "!"),
        ("(a|a|a|a)*b", "a" * 100_000),
        ("^(a{0,300}){0,30}$", "a" * 100_000),
        ("(x+x+)+y", "x" * 100_000),
    ],
)
def test_a_pattern_takes_no_exponential_time(pattern: str, text: str) -> None:
    assert not conforms(text, json.dumps({"pattern": pattern}))
    names = {"patternProperties": {pattern: False}, "additionalProperties": {"type": "null"}}
    assert not conforms({text: 1}, json.dumps(names))


def test_a_schema_may_be_recursive() -> None:
    tree = {"$defs": {"t": {"items": {"$ref": "#/$defs/t"}, "type": "array"}}, "$ref": "#/$defs/t"}
    assert conforms([[], [[[]]]], json.dumps(tree))
    assert not conforms([[], [[1]]], json.dumps(tree))
    for endless in ({"$ref": "#"}, {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}):
        assert conforms({}, json.dumps(endless))


@pytest.mark.parametrize("case", EXPONENTIAL_SCHEMAS)
def test_a_short_schema_takes_no_exponential_time(case: str) -> None:
    schema, value = EXPONENTIAL_SCHEMAS[case]
    # In a separate process: an endless validation here would block every thread.
    program = (
        "import functools, json\n"
        "from a2r.answers.errors import SchemaError\n"
        "from a2r.answers.sandbox.json_schema import conforms\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        f"        print(conforms({value}, json.dumps({schema})))\n"
        "    except SchemaError:\n"
        "        print('refused')\n"
    )
    command = [sys.executable, "-c", program]
    process = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert process.stdout.strip() in ("True", "False", "refused")


def test_a_huge_schema() -> None:
    names = [f"p{number}" for number in range(2000)]
    schema = json.dumps({"properties": {name: {"pattern": f"^{name}a+$"} for name in names}})
    assert conforms({name: f"{name}aaa" for name in names}, schema)
    assert not conforms({"p7": "p8a"}, schema)


@pytest.mark.parametrize("depth", [10, 200, 256, 400, 900, 5000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deeply_nested_json_does_not_crash(depth: int, opening: str, closing: str) -> None:
    text = f"{opening * depth}1{closing * depth}"
    answer = extract_json(text, {})
    assert (answer is not None) if depth <= 200 else (answer is None or json.loads(answer))
    # The text of a model that is stuck in a loop.
    assert extract_json(opening * depth, {}) is None


@pytest.mark.parametrize("digits", [20, 400, 4000, 5000])
def test_integers_of_any_length_do_not_crash(digits: int) -> None:
    schema = {"properties": {"n": {"type": "integer", "minimum": 10}}, "type": "object"}
    answer = extract_json(f'{{"n": {"9" * digits}}}', schema)
    assert digits > 4300 or (answer is not None and "9" * digits in answer)
    assert extract_json(f'{{"n": -{"9" * digits}}}', schema) is None


@pytest.mark.parametrize("text", [r'{"a": "\ud800"}', r'{"\udfff": 1}', r'["\ud83d"]'])
def test_lone_surrogates_do_not_crash(text: str) -> None:
    assert extract_json(text, {}) in (None, json.dumps(json.loads(text), ensure_ascii=False))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_json_that_only_python_accepts_is_rejected(value: str) -> None:
    assert extract_json(f'{{"a": {value}}}', {"type": "object"}) is None


def test_the_schema_of_a_response_format() -> None:
    assert response_format_schema({"type": "json_object"}) == {"type": "object"}
    custom = {"name": "x", "strict": True, "schema": PERSON}
    assert response_format_schema({"type": "json_schema", "json_schema": custom}) is PERSON


@pytest.mark.parametrize(
    "response_format",
    [
        {},
        {"type": "text"},
        {"type": "json_object", "json_schema": {"schema": {}}},
        {"type": "json_schema", "json_schema": {"name": "x"}},
        {"type": "json_schema", "json_schema": None},
        {"type": "json_schema", "schema": {}},
    ],
)
def test_other_response_formats_have_no_schema(response_format: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="json_schema"):
        response_format_schema(response_format)
