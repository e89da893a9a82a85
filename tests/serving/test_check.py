"""`a2r check`: findings on different servers, the table, the JSON, the exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import socket
import subprocess
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from a2r.config import load_config
from a2r.errors import ConfigError
from a2r.serving.diagnostics import check as check_module
from a2r.serving.diagnostics.check import check_config
from a2r.serving.diagnostics.report import EndpointReport
from a2r.serving.embedded.model_catalog import catalog
from tests.support.fake_openai import ScriptedReply, fake_openai
from tests.support.fake_vllm import LISTED, FakeVllm
from tests.support.preloaded_python import python

pytestmark = pytest.mark.integration

SAMPLING = {"max_tokens": 1024, "temperature": 0.6, "seed": 0, "extra_body": {"top_k": 20}}


def config(*urls: str, **explorer: Any) -> dict[str, Any]:
    role = {"model": "small", "endpoints": list(urls), "sampling": SAMPLING, "samples": 2}
    return {"explorer": {**role, **explorer}}


async def checked(server: FakeVllm, **explorer: Any) -> EndpointReport:
    async with server.serve() as url:
        [report] = await check_config(load_config(config(url, **explorer)))
    return report


def texts(report: EndpointReport, kind: str = "error") -> list[str]:
    return [finding.text for finding in report.findings if finding.kind == kind]


async def test_a_valid_vllm() -> None:
    server = FakeVllm()
    report = await checked(server)
    assert report.is_usable
    assert report.findings == ()
    assert (report.reachable, report.served, report.models) == (True, True, ("small",))
    assert (report.context, report.reasoning, report.usage) == (4096, "separate", "continuous")
    assert report.tokenize is True
    assert report.first_token is not None
    assert 0 < report.first_token < 5
    assert report.speed is not None
    assert 1 < report.speed < 1000
    first, short = server.requests
    assert (first["max_tokens"], first["stream_options"]["continuous_usage_stats"]) == (1, True)
    assert (short["max_tokens"], short["temperature"], short["top_k"]) == (32, 0.6, 20)
    assert server.authorizations == {"Bearer EMPTY"}


@pytest.mark.parametrize(
    ("server", "explorer", "message"),
    [
        (FakeVllm(models=[{"id": "x"}, {"id": "y"}]), {}, "serves x, y, not small"),
        (FakeVllm(models=[]), {}, "serves no model, not small"),
        (
            FakeVllm(key="k"),
            {},
            "requires an API key: set api_key_env to the name of its variable (HTTP 401",
        ),
        (FakeVllm(key="k"), {"api_key_env": "MY_KEY"}, "refuses the API key in MY_KEY (HTTP 401"),
        (FakeVllm(error_statuses={"/v1/models": 503}), {}, "not ready, it may still load"),
        (
            FakeVllm(error_statuses={"/v1/models": 500}),
            {},
            "does not list its models: HTTP 500: refused",
        ),
        (FakeVllm(error_statuses={"/v1/models": 302}), {}, "does not list its models: HTTP 302"),
        (FakeVllm(error_statuses={"/v1/chat/completions": 500}), {}, "no reply: HTTP 500: refused"),
        (
            FakeVllm(error_statuses={"/v1/chat/completions": 403}),
            {},
            "no reply: requires an API key",
        ),
        (
            FakeVllm(rejected_word="top_k"),
            {},
            "refuses the sampling settings of the role: HTTP 400",
        ),
        (FakeVllm(raw=b'data: {"error": {"message": "dead"}}\n\n'), {}, "no reply: dead"),
        (FakeVllm(raw=b"data: {nonsense\n\n"), {}, "no reply: invalid JSON in stream"),
        (FakeVllm(raw=b'data: {"choices": []}\n\n'), {}, "no reply: connection closed"),
        (
            FakeVllm(models=[{**LISTED, "max_model_len": 1024}]),
            {},
            "max_tokens 1024 leaves no room for a prompt: context is 1024 tokens",
        ),
    ],
)
async def test_config_errors(
    monkeypatch: pytest.MonkeyPatch, server: FakeVllm, explorer: dict[str, Any], message: str
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    report = await checked(server, **explorer)
    assert not report.is_usable
    [error] = texts(report)
    assert error.startswith(message)
    assert "secret" not in repr(report)


async def test_config_warnings() -> None:
    tight = await checked(FakeVllm(models=[{**LISTED, "max_model_len": 1200}]))
    assert tight.is_usable
    [warning] = texts(tight, "warning")
    assert (
        "max_tokens 1024 leaves 176 of 1200 context tokens for the prompt; a question may need"
        in warning
    )
    untold = await checked(FakeVllm(usage="none"))
    assert (untold.usage, untold.is_usable) == ("none", True)
    assert "reports no usage" in texts(untold, "warning")[0]
    unstreamed = await checked(FakeVllm(streams=False))
    assert (unstreamed.usage, unstreamed.speed, unstreamed.is_usable) == ("final", None, True)
    assert "does not stream" in texts(unstreamed, "warning")[0]
    without_streaming = FakeVllm(streams=False)
    assert (await checked(without_streaming, stream=False)).findings == ()
    assert not any(body.get("stream") for body in without_streaming.requests)


async def test_a_synthesizer_needs_room_for_its_references() -> None:
    async with FakeVllm(models=[{**LISTED, "max_model_len": 2600}]).serve() as url:
        both = config(url) | {"synthesizer": {**config(url)["explorer"], "samples": 1}}
        explorer, synthesizer = await check_config(load_config(both))
    assert explorer.findings == ()
    assert "a question and 2 references may need about 2048" in texts(synthesizer, "warning")[0]


@pytest.mark.parametrize(
    ("server", "usage"),
    [
        (FakeVllm(usage="final"), "final"),
        (FakeVllm(usage="final", rejected_word="continuous_usage_stats"), "final"),
        (FakeVllm(usage="final", rejected_word="stream_options"), "none"),
    ],
)
async def test_when_usage_is_reported(server: FakeVllm, usage: str) -> None:
    report = await checked(server)
    assert (report.usage, report.is_usable) == (usage, True)
    assert report.speed is not None


@pytest.mark.parametrize(
    ("server", "where"),
    [
        (FakeVllm(thinking="reasoning_content"), "separate"),
        (FakeVllm(thinking="content", words=("<think>", "hm", "so")), "in the text"),
        (FakeVllm(thinking="content", words=("hm", "</think>", "so")), "in the text"),
        (FakeVllm(thinking="content", words=("[THINK]", "hm", "so")), "in the text"),
        (FakeVllm(thinking="content", words=("<think>",)), "in the text"),
        (FakeVllm(thinking="content"), None),
    ],
)
async def test_where_thinking_is_reported(server: FakeVllm, where: str | None) -> None:
    vllm = {"port": 9, "reasoning_parser": "qwen3"}
    report = await checked(server, vllm=vllm)
    assert report.reasoning == where
    assert report.is_usable
    warnings = [text for text in texts(report, "warning") if "reasoning_parser" in text]
    assert len(warnings) == (where == "in the text")
    assert any("a2r up starts http://127.0.0.1:9/v1" in text for text in texts(report, "warning"))


async def test_a_hidden_first_token_has_a_latency() -> None:
    assert (await checked(FakeVllm(words=("",)))).first_token is not None


async def test_a_gateway_without_a_model_list_is_tested_with_a_reply() -> None:
    refusals = {"/v1/models": 404, "/tokenize": 404}
    report = await checked(FakeVllm(error_statuses=refusals))
    assert (report.served, report.context, report.tokenize) == (True, None, False)
    assert report.is_usable
    listed = await checked(FakeVllm(models=[{"id": "small"}]))
    assert listed.context == 4096


async def test_endpoints_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    monkeypatch.setattr("a2r.serving.diagnostics.timed_client.MODELS_TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        urls = [
            f"http://127.0.0.1:{port}/v1",
            f"http://127.0.0.1:{silent.getsockname()[1]}/v1",
            "http://no-such-host.invalid/v1",
            f"https://127.0.0.1:{port}/v1",
        ]
        reports = await check_config(load_config(config(*urls)))
    errors = [texts(report)[0] for report in reports]
    assert errors[:3] == [
        "unreachable: connection refused",
        "unreachable: no response within 0.2 s",
        "unreachable: unknown host name",
    ]
    assert [report.reachable for report in reports] == [False] * 4


async def test_a_reply_that_never_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_module, "REPLY_TIMEOUT_SECONDS", 0.2)
    report = await checked(FakeVllm(hangs=True))
    assert texts(report) == ["no reply: no response within 0.2 s"]


async def test_a_working_endpoint_does_not_hide_a_failing_one(tmp_path: Path) -> None:
    async with FakeVllm().serve() as url:
        good, bad = await check_config(load_config(config(url, "http://127.0.0.1:1/v1")))
    assert (good.is_usable, bad.is_usable) == (True, False)


async def test_keys_and_passwords_are_not_exposed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    server = FakeVllm(key="sk-secret")
    assert (await checked(server, api_key_env="MY_KEY")).is_usable
    assert server.authorizations == {"Bearer sk-secret"}
    proxied = FakeVllm()
    async with proxied.serve() as url:
        with_user = url.replace("//", "//me:pass%20word@")
        [report] = await check_config(load_config(config(with_user)))
    assert report.is_usable
    assert report.endpoint == url
    assert proxied.authorizations == {"Basic " + b64encode(b"me:pass word").decode()}
    async with FakeVllm(key="k").serve() as url:
        with_user = url.replace("//", "//me:pass%20word@")
        [report] = await check_config(load_config(config(with_user)))
    expected = "refuses the user and password of its URL (HTTP 401: invalid key Basic [key])"
    assert texts(report) == [expected]


async def test_an_unset_key_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="NOT_SET_AT_ALL, which is not set"):
        await check_config(load_config(config("http://h/v1", api_key_env="NOT_SET_AT_ALL")))


async def test_roles_on_one_endpoint_are_measured_in_turn() -> None:
    server = FakeVllm()
    async with server.serve() as url:
        both = config(url) | {"synthesizer": config(url)["explorer"]}
        reports = await check_config(load_config(both))
    assert [report.role for report in reports] == ["explorer", "synthesizer"]
    assert server.max_in_flight == 1


async def test_the_embedded_engine_is_checked_but_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A2R_CACHE", str(tmp_path))
    name = "smollm2-135m-instruct"
    [report, _] = await check_config(load_config("tiny"))
    assert texts(report) == [
        f"the model file is missing; download it with 'a2r models pull {name}'"
    ]
    file = tmp_path / "models" / catalog()[name].file
    file.parent.mkdir()
    with file.open("wb") as stream:
        stream.truncate(catalog()[name].bytes)
    reports = await check_config(load_config("tiny"))
    assert all(report.is_usable for report in reports)
    assert reports[0].context == 4096
    [unknown] = await check_config(load_config(config("embedded", model="no-such-model")))
    assert "unknown model 'no-such-model'" in texts(unknown)[0]


def a2r_check(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python(), "-m", "a2r", "check", str(path), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def written(folder: Path, data: dict[str, Any]) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


async def test_the_table_and_the_exit_codes(tmp_path: Path) -> None:
    async with FakeVllm().serve() as url:
        path = written(tmp_path, config(url))
        good = await asyncio.to_thread(a2r_check, path)
        wrong = await asyncio.to_thread(a2r_check, path, "--set", "explorer.model=other")
        bad = await asyncio.to_thread(a2r_check, path, "--set", "explorer.samples=no")
        as_json = await asyncio.to_thread(a2r_check, path, "--json")
    assert (good.returncode, good.stderr) == (0, "")
    heading, row, verdict = good.stdout.splitlines()
    assert heading.split()[:5] == ["role", "endpoint", "reachable", "model", "served"]
    assert heading.index("reachable") == row.index("yes")
    cells = ["explorer", url, "yes", "small", "yes", "4096", "separate"]
    assert row.split()[:7] == cells
    assert row.endswith("continuous  yes")
    assert verdict == "config mine works"
    assert (wrong.returncode, wrong.stderr) == (3, "")
    assert f"error: explorer, {url}: serves small, not other" in wrong.stdout
    assert wrong.stdout.splitlines()[-1] == "config mine does not work"
    assert bad.returncode == 2
    document = json.loads(as_json.stdout)
    assert (document["config"], document["works"]) == ("mine", True)
    assert document["endpoints"][0]["context"] == 4096


@pytest.mark.parametrize(("columns", "lines"), [("200", 2), ("60", 10)])
def test_a_terminal_gets_a_table_that_fits_it(tmp_path: Path, columns: str, lines: int) -> None:
    ours, theirs = pty.openpty()
    path = written(tmp_path, config("http://127.0.0.1:1/v1"))
    completed = subprocess.run(
        [python(), "-m", "a2r", "check", str(path)],
        stdout=theirs,
        stderr=subprocess.PIPE,
        timeout=60,
        env={**os.environ, "COLUMNS": columns},
        check=False,
    )
    os.close(theirs)
    screen = b""
    with suppress(OSError):
        while piece := os.read(ours, 1 << 16):
            screen += piece
    os.close(ours)
    lines_shown = screen.decode().splitlines()
    assert (completed.returncode, completed.stderr) == (3, b"")
    assert lines_shown[lines].startswith("error: explorer, http://127.0.0.1:1/v1: unreachable")
    assert "…" not in screen.decode()


def test_an_openai_server_that_is_not_vllm(tmp_path: Path) -> None:
    with fake_openai(lambda _body, _number: ScriptedReply(text="one two three four")) as server:
        completed = a2r_check(written(tmp_path, config(server.url)))
    assert completed.returncode == 0, completed.stdout
    assert "final" in completed.stdout
