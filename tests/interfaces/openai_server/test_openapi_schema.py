"""The server conforms to its OpenAPI document for any input: checked by schemathesis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.types import ASGIApp

from a2r.interfaces.http.api_keys import add_key
from a2r.interfaces.http.model_registry import ModelRegistry
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.openai_server.app import create_app
from a2r.interfaces.openai_server.vllm_fields import UNSUPPORTED
from tests.support.fake_openai import ScriptedReply, boxed, config_for, fake_openai
from tests.support.serving import MODEL, written

pytestmark = pytest.mark.integration

NOWHERE = "http://127.0.0.1:9/v1"
COMPLETIONS = "/v1/chat/completions"
REFUSED = (
    *("tools", "functions", "logprobs", "top_logprobs", "logit_bias", "audio", "prediction"),
    *("web_search_options", "moderation", "modalities"),
    *UNSUPPORTED,
    *("add_generation_prompt", "prompt_logprobs"),
)
# With few samples or non-default settings, these rules can never accept.
MANY_SAMPLES_RULES = ("beta", "sprt", "window")
ANSWERS = ("41", "42", "42", "43")
BOUNDED = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


def document() -> schemathesis.BaseSchema:
    """The OpenAPI document, which is the same for all served models."""
    app = create_app(ModelRegistry.from_configs([config_for(NOWHERE)]), ServerSettings())
    return schemathesis.openapi.from_asgi("/openapi.json", app)


api = document()


@dataclass(frozen=True, kw_only=True)
class ServerWithKey:
    """A server that requires a key, and the key."""

    app: ASGIApp
    key: str

    def validate(self, case: Case, **options: Any) -> schemathesis.Response:
        """Send a case with the key, and validate the reply against the document."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return case.call_and_validate(app=self.app, headers=headers, **options)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerWithKey]:
    folder = tmp_path_factory.mktemp("served")
    keys = folder / "keys.yaml"
    key = add_key(keys, "tester")
    with fake_openai(answers) as fake:
        registry = ModelRegistry.from_configs([written(folder, fake.url)])
        yield ServerWithKey(app=create_app(registry, ServerSettings(keys=keys)), key=key)


def answers(body: dict[str, Any], _: int) -> ScriptedReply:
    """Samples that disagree, and a correct synthesizer."""
    return boxed("42" if body["model"] == "big" else ANSWERS[body.get("seed", 0) % 4])


@api.exclude(path=COMPLETIONS).parametrize()
@BOUNDED
def test_any_invalid_request_matches_the_document(case: Case, server: ServerWithKey) -> None:
    # The schema does not list the served models.
    server.validate(case, excluded_checks=[positive_data_acceptance])


@api.include(path=COMPLETIONS).parametrize()
@BOUNDED
def test_any_valid_request_matches_the_document(case: Case, server: ServerWithKey) -> None:
    server.validate(case, excluded_checks=[positive_data_acceptance])
    if fits(case):
        assert isinstance(case.body, dict)
        case.body = runnable(case.body)
        response = server.validate(case)
        assert not fits(case) or response.status_code == 200


def fits(case: Case) -> bool:
    """Whether the document allows a case, after changes by hooks."""
    return case.meta is not None and case.meta.generation.mode.is_positive


def runnable(body: dict[str, Any]) -> dict[str, Any]:
    """Change a request of the schema so that this server accepts its values."""
    allowed = {name: value for name, value in body.items() if name not in REFUSED}
    allowed |= {"model": MODEL, "messages": [{"role": "user", "content": "What is 12 + 30?"}]}
    if not allowed.get("stream"):
        allowed.pop("stream_options", None)
    if allowed.get("n"):
        allowed["n"] = 1 + allowed["n"] % 2
    if allowed.get("response_format"):
        plain = allowed["response_format"]["type"] == "text"
        allowed["response_format"] = {"type": "text" if plain else "json_object"}
    if allowed.get("a2r"):
        options = allowed["a2r"] | {"config": None, "graph": None}
        gate = options.get("gate")
        rule = gate.get("rule") if isinstance(gate, dict) else gate
        if rule in MANY_SAMPLES_RULES:
            allowed["a2r"] = options | {"gate": rule, "samples": 8}
        else:
            allowed["a2r"] = options | {
                "samples": options.get("samples") and 1 + options["samples"] % 4
            }
    return allowed


def test_the_document_needs_no_key(server: ServerWithKey) -> None:
    document = schemathesis.openapi.from_asgi("/openapi.json", server.app)
    assert document.raw_schema == api.raw_schema
    assert document.raw_schema["paths"].keys() == {
        *("/health", "/ready", "/metrics", "/v1/models", "/v1/models/{model}", COMPLETIONS)
    }


@pytest.mark.parametrize("path", ["/v1/models/{model}", COMPLETIONS])
def test_every_error_has_the_documented_schema(path: str) -> None:
    (operation,) = api.raw_schema["paths"][path].values()
    errors = {
        status: response for status, response in operation["responses"].items() if status != "200"
    }
    schemas = [error["content"]["application/json"]["schema"] for error in errors.values()]
    assert schemas == [{"$ref": "#/components/schemas/ErrorReply"}] * len(errors)
