"""Invalid requests: the status, the error body of OpenAI's API, and never a 500."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
import yaml

from a2r.errors import A2RError, BudgetError, ConfigError, NoAnswerError, QuestionError
from a2r.interfaces.http.model_registry import ModelRegistry
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.openai_server import app
from a2r.interfaces.openai_server.api_errors import from_run_error
from a2r.interfaces.openai_server.app import create_app
from a2r.result import ErrorType, Sample
from a2r.usage import Usage
from tests.support.fake_openai import config_for
from tests.support.operating import COMPLETIONS, error_fields, request_body

NOWHERE = "http://127.0.0.1:9/v1"
JSON = {"Content-Type": "application/json"}
USER = {"role": "user", "content": "x"}


def make_client(folder: Path, **settings: Any) -> httpx.AsyncClient:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(config_for(NOWHERE, explorer__retries=0)), "utf-8")
    served = create_app(ModelRegistry.from_configs([path]), ServerSettings(**settings))
    transport = httpx.ASGITransport(app=served, raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(tmp_path) as client:
        yield client


async def post_invalid(
    client: httpx.AsyncClient, content: str | bytes, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    response = await client.post(COMPLETIONS, content=content, headers=headers or JSON)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    return response.status_code, error_fields(response)


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", '"x"', "1", "null", "tru", "\x00", "{}garbage", "[" * 100_000),
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        '{"\\ud800": 1}',
        '{"model": "mine", "seed": ' + "9" * 5000 + "}",
        b'{"model": "\xff\xfe"}',
        b"\x1f\x8b\x08\x00",
    ],
)
async def test_a_body_that_is_not_a_json_object(
    client: httpx.AsyncClient, content: str | bytes
) -> None:
    status, error = await post_invalid(client, content)
    assert status == 400
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "x", ""])
async def test_a_body_of_another_type(client: httpx.AsyncClient, kind: str) -> None:
    status, error = await post_invalid(client, json.dumps(request_body()), {"Content-Type": kind})
    assert status == 400
    assert "JSON" in error["message"]


@pytest.mark.parametrize(
    ("body", "status", "param", "code"),
    [
        ({}, 400, "model", "missing_required_parameter"),
        ({"model": "mine"}, 400, "messages", "missing_required_parameter"),
        ({"model": 5, "messages": [USER]}, 400, "model", "invalid_type"),
        (request_body(model="nope"), 404, "model", "model_not_found"),
        (request_body(model="ｍｉｎｅ"), 404, "model", "model_not_found"),
        (request_body(model="mine\u200b"), 404, "model", "model_not_found"),
        (request_body(model="mine\n"), 404, "model", "model_not_found"),
        (request_body(model="\ud800"), 404, "model", "model_not_found"),
        (request_body(model=""), 404, "model", "model_not_found"),
        (request_body(nonsense=1), 400, "nonsense", "unknown_parameter"),
        (request_body(messages=[]), 400, "messages", "empty_array"),
        (request_body(messages="x"), 400, "messages", "invalid_type"),
        (request_body(messages=[1]), 400, "messages[0]", "invalid_type"),
        (
            request_body(messages=[{"role": "robot", "content": "x"}]),
            400,
            "messages[0].role",
            "invalid_value",
        ),
        (request_body(messages=[USER, {"role": "assistant"}]), 400, "messages", "invalid_value"),
        (request_body(messages=[{"role": "user"}]), 400, "messages[0].content", "invalid_type"),
        (request_body(question=" \n"), 400, "messages", "invalid_value"),
        (request_body(n=0), 400, "n", "integer_below_min_value"),
        (request_body(n=9), 400, "n", "integer_above_max_value"),
        (request_body(n=10**30), 400, "n", "integer_above_max_value"),
        (request_body(n=1.5), 400, "n", "invalid_type"),
        (request_body(n=True), 400, "n", "invalid_type"),
        (request_body(stream="yes"), 400, "stream", "invalid_type"),
        (request_body(temperature=3), 400, "temperature", "decimal_above_max_value"),
        (request_body(temperature=float("nan")), 400, "temperature", "invalid_value"),
        (request_body(temperature=float("inf")), 400, "temperature", "decimal_above_max_value"),
        (request_body(seed=2**63), 400, "seed", "integer_above_max_value"),
        (request_body(max_tokens=0), 400, "max_tokens", "integer_below_min_value"),
        (request_body(stop=["x"] * 17), 400, "stop", "array_above_max_length"),
        (request_body(stream_options={"include_usage": True}), 400, "stream_options", None),
        (request_body(stream=False, stream_options={}), 400, "stream_options", None),
        (request_body(top_p=-0.1), 400, "top_p", "decimal_below_min_value"),
        (request_body(a2r={"config": ""}), 404, "model", "model_not_found"),
        (request_body(a2r={"graph": ""}), 404, "model", "model_not_found"),
        *(
            (
                request_body(messages=[{"role": "user", "content": [{"type": kind, "x": "y"}]}]),
                400,
                f"messages[0].content[0].{kind}",
                "missing_required_parameter",
            )
            for kind in ("text", "refusal")
        ),
        (
            request_body(messages=[{"role": "user", "content": [{"type": "image_url"}]}]),
            400,
            "messages[0].content[0]",
            "invalid_value",
        ),
        (request_body(tools=[{"type": "function"}]), 400, "tools", "unsupported_parameter"),
        (request_body(logprobs=True), 400, "logprobs", "unsupported_parameter"),
        (request_body(a2r={"samples": "3"}), 400, "a2r.samples", "invalid_type"),
        (request_body(a2r={"nope": 1}), 400, "a2r.nope", "unknown_parameter"),
    ],
)
async def test_an_invalid_field(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, param: str, code: str | None
) -> None:
    actual, error = await post_invalid(client, json.dumps(body))
    assert (actual, error["param"]) == (status, param)
    assert code is None or error["code"] == code


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "user", "content": "a \ud800"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"stop": "\ud800"}, "stop"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stop": 5}, "stop"),
        ({"a2r": {"gate": "os:system"}}, "a2r.gate"),
    ],
)
async def test_the_param_is_named_as_the_client_wrote_it(
    client: httpx.AsyncClient, fields: dict[str, Any], param: str
) -> None:
    status, error = await post_invalid(client, json.dumps({**request_body(), **fields}))
    assert (status, error["param"]) == (400, param)


@pytest.mark.integration
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "file:///etc/passwd"},
        {"$ref": "http://127.0.0.1:9/schema"},
        {"type": "nonsense"},
        {"pattern": "(("},
        {"pattern": "((((a{100}){100}){100}){100})"},
        {"const": float("nan")},
        *(json.loads('{"not":' * deep + "{}" + "}" * deep) for deep in (300, 600, 900)),
    ],
)
async def test_a_schema_that_cannot_be_used(
    client: httpx.AsyncClient, schema: dict[str, Any]
) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    status, error = await post_invalid(client, json.dumps(request_body(response_format=wanted)))
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert "root:" not in error["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", COMPLETIONS, 405),
        ("DELETE", "/v1/models", 405),
        ("GET", "/nope", 404),
        ("GET", "/v1", 404),
        ("GET", "/v1/models/nope", 404),
        ("GET", "/v1/", 404),
        ("GET", "/v1/../metrics/x", 404),
        ("GET", "/%00%1b%0d%0aX-Evil:%201", 404),
    ],
)
async def test_unknown_paths_and_methods(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await client.request(method, path)
    assert response.status_code == status
    assert error_fields(response)["type"] == "invalid_request_error"
    assert "x-evil" not in response.headers


@pytest.mark.parametrize("name", ["../x.yaml", "/etc/passwd", "this:that", "a2r.graphs.two_stage"])
@pytest.mark.parametrize("field", ["model", "config", "graph", "x-a2r-config", "x-a2r-graph"])
async def test_paths_and_imports_are_rejected(
    client: httpx.AsyncClient, tmp_path: Path, field: str, name: str
) -> None:
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(config_for(NOWHERE)))
    body, headers = request_body(), dict(JSON)
    if field == "model":
        body["model"] = name
    elif field.startswith("x-"):
        headers[field] = name
    else:
        body["a2r"] = {field: name}
    before = set(sys.modules)
    status, error = await post_invalid(client, json.dumps(body), headers)
    assert (status, error["code"]) == (404, "model_not_found")
    assert set(sys.modules) == before


@pytest.mark.parametrize("gate", ["this:that", "os:system", "always\n", "", "Always"])
async def test_a_custom_gate_is_not_imported(client: httpx.AsyncClient, gate: str) -> None:
    for options in ({"gate": gate}, {"gate": {"rule": gate}}):
        status, _ = await post_invalid(client, json.dumps(request_body(a2r=options)))
        assert status == 400
    if gate.isprintable():
        status, _ = await post_invalid(
            client, json.dumps(request_body()), {**JSON, "X-A2R-Gate": gate}
        )
        assert status == 400
    assert "this" not in sys.modules


@pytest.mark.parametrize("samples", ["x", "", "-1", "0", "3.0", "65", "²", "1" * 400])
async def test_an_invalid_header(client: httpx.AsyncClient, samples: str) -> None:
    headers = {**JSON, "X-A2R-Samples": samples.encode()}
    response = await client.post(COMPLETIONS, json=request_body(), headers=headers)
    assert response.status_code == 400
    code = "integer_above_max_value" if samples == "65" else "invalid_value"
    assert error_fields(response)["code"] == code


@pytest.mark.parametrize("name", ["samples", "gate", "config", "graph", "kind"])
async def test_options_that_the_operator_does_not_allow(tmp_path: Path, name: str) -> None:
    options = {"samples": 2, "gate": "always", "config": "mine", "graph": "a2r", "kind": "text"}
    async with make_client(tmp_path, allowed=frozenset()) as client:
        status, error = await post_invalid(
            client, json.dumps(request_body(a2r={name: options[name]}))
        )
        assert (status, error["param"]) == (400, f"a2r.{name}")
        headers = {**JSON, f"X-A2R-{name}": str(options[name])}
        status, error = await post_invalid(client, json.dumps(request_body()), headers)
        assert (status, error["code"]) == (400, "unsupported_parameter")


async def test_more_samples_than_the_operator_allows(tmp_path: Path) -> None:
    async with make_client(tmp_path, max_samples=4) as client:
        for body, headers in (
            (request_body(a2r={"samples": 5}), JSON),
            (request_body(), {**JSON, "X-A2R-Samples": "5"}),
            (request_body(a2r={"samples": 5}), {**JSON, "X-A2R-Samples": "1"}),
        ):
            status, error = await post_invalid(client, json.dumps(body), headers)
            assert (status, error["param"]) == (400, "a2r.samples")


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_above_the_limit(tmp_path: Path, declared: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    async with make_client(tmp_path, body_bytes=10_000) as client:
        content = b" " * 100_000 if declared else pieces()
        response = await client.post(COMPLETIONS, content=content, headers=JSON)
        assert response.status_code == 413
        assert "at most 10000 bytes" in error_fields(response)["message"]


async def test_too_many_messages(client: httpx.AsyncClient) -> None:
    for messages in ([USER] * 20_000, [{"role": "user", "content": [{"type": "text"}] * 20_000}]):
        status, error = await post_invalid(client, json.dumps(request_body(messages=messages)))
        assert status == 400
        assert error["param"].startswith("messages")


async def test_messages_match_openais_api(client: httpx.AsyncClient) -> None:
    for fields, message in (
        (
            {"temperature": 3},
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 "
            "instead.",
        ),
        (
            {"messages": []},
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an "
            "empty array instead.",
        ),
        (
            {"temperature": "hot"},
            "Invalid type for 'temperature': expected a decimal, but got a string instead.",
        ),
        (
            {"messages": [{"role": "robot", "content": "x"}]},
            "Invalid value: 'robot'. Supported values are: 'system', 'developer', 'user', "
            "'assistant', 'tool' and 'function'.",
        ),
    ):
        _, error = await post_invalid(client, json.dumps({**request_body(), **fields}))
        assert error["message"] == message


@pytest.mark.parametrize(
    "kwargs",
    [
        '{"a": ' + "[" * 120 + "]" * 120 + "}",
        '{"a": ' + '{"b": ' * 100 + "1" + "}" * 101,
        '{"\\ud800": 1}',
        '{"a": ["\\udfff"]}',
        '{"a": NaN}',
        '{"a": 1e400}',
    ],
)
async def test_template_arguments_that_cannot_be_sent(
    client: httpx.AsyncClient, kwargs: str
) -> None:
    body = json.dumps(request_body())[:-1] + f', "chat_template_kwargs": {kwargs}}}'
    status, error = await post_invalid(client, body)
    assert (status, error["param"]) == (400, "chat_template_kwargs")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/models/", 200),
        ("/v1/models//", 200),
        ("/v1/models/mine/single/", 200),
        ("/health/", 200),
        ("/v1/chat/completions/", 405),
    ],
)
async def test_trailing_slashes_are_ignored(
    client: httpx.AsyncClient, path: str, status: int
) -> None:
    response = await client.get(path)
    assert response.status_code == status
    assert response.json() == (await client.get(path.rstrip("/"))).json()


@pytest.mark.parametrize(
    ("method", "path", "hint"),
    [
        ("POST", "/chat/completions", "Use http://testserver/v1/chat/completions: the base URL"),
        ("POST", "/v1/v1/chat/completions/", "Use http://testserver/v1/chat/completions: the"),
        ("POST", "/v1/chat/completions/chat/completions", "Use http://testserver/v1/chat/comp"),
        ("GET", "/models", "Use http://testserver/v1/models: the base URL of a client is http"),
        ("GET", "/models/mine/single", "Use http://testserver/v1/models/mine/single: the base"),
        ("POST", "/v1/responses", "only chat completions, at http://testserver/v1/chat/compl"),
        ("POST", "/v1/completions", "only chat completions, at http://testserver/v1/chat/compl"),
        ("GET", "/api/tags", "the base URL of a client is http://testserver/v1."),
        ("GET", "/", "the base URL of a client is http://testserver/v1."),
    ],
)
async def test_a_wrong_path_is_answered_with_the_right_url(
    client: httpx.AsyncClient, method: str, path: str, hint: str
) -> None:
    response = await client.request(method, path, json=request_body())
    assert response.status_code == 404
    message = error_fields(response)["message"]
    assert message.startswith(f"Not Found ({method} {path.rstrip('/') or '/'}). ")
    assert hint in message


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mime", "; did you mean 'mine'?"),
        ("mine/sinlge", "; did you mean 'mine/single'?"),
        ("Mine/self-consistency", "; did you mean 'mine/self_consistency'?"),
        ("gpt-4", "; known: mine, mine/a2r, mine/cascade, mine/rounds, mine/select, "),
        ("x" * 10**6, "xxx` does not exist or you do not have access to it; known: mine, "),
    ],
)
async def test_an_unknown_model_is_answered_with_similar_names(
    client: httpx.AsyncClient, name: str, hint: str
) -> None:
    status, error = await post_invalid(client, json.dumps(request_body(model=name)))
    assert (status, error["code"]) == (404, "model_not_found")
    assert hint in error["message"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ConfigError("api_key_env names SECRET_NAME, which is not set"), 500, "misconfigured"),
        (QuestionError("empty"), 400, "invalid_value"),
        (BudgetError("used up"), 429, "insufficient_quota"),
    ],
)
def test_a_config_error_is_a_server_error(error: A2RError, status: int, code: str) -> None:
    api_error = from_run_error(error)
    assert (api_error.status, api_error.code) == (status, code)
    assert "SECRET_NAME" not in str(api_error)


@pytest.mark.parametrize(
    ("faults", "calls", "status", "code"),
    [
        (("timeout", "deadline"), 2, 504, "deadline_exceeded"),
        (("deadline", "deadline"), 1, 504, "deadline_exceeded"),
        (("timeout", "timeout"), 0, 503, "endpoints_unreachable"),
        (("timeout", "rejected"), 2, 502, "no_answer"),
        (("context_overflow", "context_overflow"), 2, 400, "context_length_exceeded"),
    ],
)
def test_the_error_names_the_status_of_the_samples(
    faults: tuple[ErrorType, ...], calls: int, status: int, code: str
) -> None:
    samples = [
        Sample(index=n, status="failed", error_type=fault, error="http://gpu7: no")
        for n, fault in enumerate(faults)
    ]
    usage = SimpleNamespace(total=Usage(calls=calls))
    result = cast("Any", SimpleNamespace(samples=samples, usage=usage))
    api_error = from_run_error(NoAnswerError("http://gpu7: no", result))
    assert (api_error.status, api_error.code) == (status, code)
    assert "gpu7" not in str(api_error)
    assert api_error.detail == "http://gpu7: no"


async def test_an_internal_error(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "resolve_request", None)
    transport = cast("Any", client)._transport
    transport.raise_app_exceptions = False
    response = await client.post(COMPLETIONS, json=request_body())
    assert response.status_code == 500
    assert error_fields(response)["code"] == "internal_error"
    assert response.headers["x-should-retry"] == "false"
    assert response.headers["x-request-id"]


async def test_a_schema_that_is_too_long(client: httpx.AsyncClient) -> None:
    schema = {"type": "object", "title": "x" * 300_000}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    status, error = await post_invalid(client, json.dumps(request_body(response_format=wanted)))
    assert (status, error["param"]) == (400, "response_format.json_schema.schema")
    assert "262144" in error["message"]


def test_samples_cancelled_by_a_budget_are_a_budget_error() -> None:
    samples = [Sample(index=n, status="cancelled", error_type="budget") for n in range(2)]
    api_error = from_run_error(
        NoAnswerError("none finished", cast("Any", SimpleNamespace(samples=samples)))
    )
    assert (api_error.status, api_error.code) == (429, "insufficient_quota")
    assert api_error.headers == {"X-Should-Retry": "false"}
