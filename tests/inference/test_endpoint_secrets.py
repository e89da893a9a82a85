"""Credentials of endpoints: how they are sent, and that no error repeats them."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler

from a2r import A2R
from a2r.errors import NoAnswerError, UnreachableError
from tests.fault_server import Behavior, FaultServer
from tests.support.endpoint_samples import GOOD, ask, behavior_with, config_over

pytestmark = pytest.mark.integration


BASIC = b64encode(b"me:pass word").decode()


def with_user(server: FaultServer) -> dict[str, Any]:
    """Return a config whose only endpoint has a user and a password in its URL."""
    config = config_over(server, samples=1, retries=0)
    config["explorer"]["endpoints"] = [server.url.replace("//", "//me:pass%20word@")]
    return config


async def test_url_credentials_are_sent_as_a_header_and_redacted(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    def reject_and_repeat(_: dict[str, Any], number: int) -> Behavior:
        reported = f"who is me, pass word, pass%20word, Basic {BASIC}?"
        return GOOD if number == 0 else behavior_with(status=401, error=reported)

    with FaultServer(reject_and_repeat) as server:
        solver = A2R(with_user(server))
        await solver.workflow.models.probe("explorer")
        result = await solver.aask("6 times 7?")
        assert (result.answer, result.samples[0].endpoint) == ("42", server.url)
        with pytest.raises(NoAnswerError) as refused:
            await solver.aask("6 times 7?")
        assert "HTTP 401: who is me, [key], [key], Basic [key]?" in str(
            refused.value.result.samples[0].error
        )
        assert {headers["Authorization"] for headers in server.request_log.headers} == {
            f"Basic {BASIC}"
        }
        server.kill()
        with pytest.raises(UnreachableError) as unreached:
            await solver.workflow.models.probe("explorer")
        lost = await ask(with_user(server))
    shown = [str(refused.value), str(unreached.value), caplog.text, *capsys.readouterr()]
    results = (result, refused.value.result, lost)
    shown += [json.dumps(each.model_dump(mode="json")) for each in results]
    for secret in (BASIC, "pass word", "pass%20word"):
        assert secret not in "".join(shown)


async def test_an_api_key_overrides_the_url_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-mine")
    with FaultServer(GOOD) as server:
        config = with_user(server)
        config["explorer"]["api_key_env"] = "MY_KEY"
        assert (await ask(config)).answer == "42"
        assert [headers["Authorization"] for headers in server.request_log.headers] == [
            "Bearer sk-mine"
        ]


async def test_a_key_repeated_in_an_error_is_redacted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-SECRET-abcdefghijklmnopqrstuvwxyz")
    error = "x" * 262 + " sk-SECRET-abcdefghijklmnopqrstuvwxyz is no key"
    with FaultServer(behavior_with(status=401, error=error)) as server:
        result = await ask(config_over(server, samples=1, api_key_env="MY_KEY"))
    assert "SECRET" not in (result.samples[0].error or "")
    assert "[key]" in (result.samples[0].error or "")


async def test_repeated_parameters_of_a_url_are_redacted() -> None:
    error = "bad query key=first-s3cret&key=second-s3cret (first-s3cret)"
    with FaultServer(behavior_with(status=400, error=error)) as server:
        config = config_over(server, samples=1)
        config["explorer"]["endpoints"] = [f"{server.url}?key=first-s3cret&key=second-s3cret"]
        result = await ask(config)
    assert "s3cret" not in result.model_dump_json()
    assert "bad query" in (result.samples[0].error or "")


BODY_SECRET, HEADER_SECRET, KEY_SECRET = "body-s3cr\u00e9t-1", "header-s3cret-2", "key-s3cret-3"
EXTRA_BODY = {
    "guard": {"password": BODY_SECRET},
    "headers": {"Authorization": f"Bearer {HEADER_SECRET}"},
    "top_k": 20,
}


def repeating(form: str) -> Any:
    """A script whose errors repeat the request in a form."""

    def script(body: dict[str, Any], _: int) -> Behavior:
        said = {"body": body, "headers": {"Authorization": f"Bearer {KEY_SECRET}"}}
        values = f"{BODY_SECRET} {HEADER_SECRET} {KEY_SECRET} {'x' * 250} {BODY_SECRET}"
        message = {"json": json.dumps(said), "python": repr(said)}.get(form, values)
        error = {"error": {"message": message, "input": said, "code": "invalid_request_error"}}
        match form:
            case "text":
                return Behavior(status=400, error=message, error_shape="text")
            case "body":
                return Behavior(status=422, error={"detail": [{"loc": ["body"], "input": said}]})
            case "stream":
                return Behavior(events=[f"data: {json.dumps(error)}"], only_events=True)
            case "event":
                return Behavior(events=[f"event: error\ndata: {values}"], only_events=True)
            case "no choices":
                return Behavior(events=[f"data: {json.dumps(said)}"], only_events=True)
        return Behavior(status=400, error=error)

    return script


async def test_what_a_refusal_repeats_of_a_request_is_redacted() -> None:
    behavior = Behavior(message={"refusal": f"{BODY_SECRET} and {HEADER_SECRET} are forbidden"})
    with FaultServer(behavior) as server:
        result = await ask(config_over(server, samples=1, sampling={"extra_body": EXTRA_BODY}))
    assert result.samples[0].error == "the model refused: [hidden] and [hidden] are forbidden"


def read_files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


@pytest.mark.parametrize("callbacks", [True, False])
@pytest.mark.parametrize(
    "form", ["json", "python", "values", "text", "body", "stream", "event", "no choices"]
)
async def test_what_a_server_repeats_of_a_request_is_redacted(
    form: str,
    callbacks: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    seen: list[str] = []

    class Listener(BaseCallbackHandler):
        def on_llm_error(self, error: BaseException, **_: Any) -> None:
            seen.append(f"{error} {error!r}")

    monkeypatch.setenv("MY_KEY", KEY_SECRET)
    store = tmp_path / "runs.db"
    with FaultServer(repeating(form)) as server:
        config = config_over(
            server,
            samples=2,
            retries=0,
            api_key_env="MY_KEY",
            sampling={"extra_body": EXTRA_BODY},
        )
        solver = A2R(config, checkpointer=str(store))
        with pytest.raises(NoAnswerError) as caught:
            await solver.aask(
                "6 times 7?",
                {
                    "callbacks": [Listener()] if callbacks else [],
                    "configurable": {"thread_id": "mine"},
                },
            )
        assert server.request_log.requests[0]["guard"] == {"password": BODY_SECRET}
    result = caught.value.result
    assert "[hidden]" in (result.samples[0].error or "") or "[key]" in str(caught.value)
    assert bool(seen) == callbacks
    stored = read_files(tmp_path)
    assert result.run_id.encode() in stored
    shown = [str(caught.value), result.model_dump_json(), caplog.text, *seen]
    for secret in (BODY_SECRET, HEADER_SECRET, KEY_SECRET):
        assert secret.encode() not in stored
        for text in shown:
            assert secret not in text
            assert json.dumps(secret)[1:-1] not in text
