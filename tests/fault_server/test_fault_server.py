from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fault_server import (
    PRESETS,
    Behavior,
    FaultServer,
    Rule,
    Scenario,
    load_scenario,
    preset_scenario,
    token_count,
)
from tests.fault_server.client import chat_body, raw_request, request_completion, request_path, send
from tests.fault_server.listener import allow_connections
from tests.support.processes import started

pytestmark = pytest.mark.integration

TEXT = "The answer is \\boxed{42}."
SHORT = 0.4


@pytest.mark.parametrize("stream", [False, True])
async def test_delays(stream: bool) -> None:
    behavior = Behavior(
        text="abc", tokens=3, header_delay=0.1, first_token_delay=0.1, token_delay=0.05
    )
    start = time.monotonic()
    with FaultServer(behavior) as server:
        response = await request_completion(server.url, chat_body(stream=stream))
    assert 0.29 < time.monotonic() - start < 5
    record = server.request_log.records[0]
    assert record.end is not None
    assert record.end - record.start > 0.29
    assert response.ending == "complete"


@pytest.mark.parametrize("stream", [False, True])
async def test_generation_stops_when_the_client_disconnects(stream: bool) -> None:
    with FaultServer(Behavior(text=TEXT, tokens=10_000, token_delay=0.01)) as server:
        asking = asyncio.create_task(request_completion(server.url, chat_body(stream=stream)))
        await server.request_log.until(lambda log: log.generated >= 5)
        assert server.request_log.models["small"].running == 1
        asking.cancel()
        await server.request_log.until(lambda log: log.cancelled == 1)
        made = server.request_log.generated
        assert 5 <= made < 1000
        assert (server.request_log.outstanding, server.request_log.reported_tokens) == (0, 0)
        await request_completion(server.url, chat_body(model="nope"))
        assert server.request_log.generated == made
        assert server.request_log.models["small"].running == 0


async def test_slots_queue_requests() -> None:
    behavior = Behavior(text=TEXT, tokens=4)
    with FaultServer(behavior, slots=2, service_time=0.1) as server:
        start = time.monotonic()
        asking = [
            asyncio.create_task(request_completion(server.url, chat_body(stream=n % 2 == 0)))
            for n in range(6)
        ]
        await server.request_log.until(lambda log: log.outstanding == 6)
        model = server.request_log.models["small"]
        assert (model.running, model.waiting) == (2, 4)
        await asyncio.gather(*asking)
        assert 0.29 < time.monotonic() - start < 5
        assert (server.request_log.peak, server.request_log.finished) == (6, 6)
        assert (model.running, model.waiting) == (0, 0)


async def test_two_thousand_connections_at_once() -> None:
    allow_connections(4200)
    behavior = Behavior(text=TEXT, header_delay=3600)
    with FaultServer(behavior, keep_bodies=False) as server:
        address = urlsplit(server.url)
        raw = raw_request(server.url, "/chat/completions", json.dumps(chat_body()).encode())
        clients = []
        for _ in range(2000):
            client = socket.create_connection((address.hostname, address.port or 0))
            client.sendall(raw)
            clients.append(client)
        await server.request_log.until(lambda log: log.outstanding == 2000)
        for client in clients:
            client.close()
        await server.request_log.until(lambda log: log.cancelled == 2000)
        assert (server.request_log.peak, server.request_log.peak_connections) == (2000, 2000)
        assert (server.request_log.requests, server.request_log.outstanding) == ([], 0)


def test_rule_conditions() -> None:
    def numbers(scenario: Scenario, *, seconds: float = 0, model: str = "small") -> list[int]:
        picked = [scenario.pick(number, seconds, model) for number in range(12)]
        return [number for number, item in enumerate(picked) if item.status == 500]

    def rule(**conditions: Any) -> Scenario:
        return Scenario(rules=(Rule(behavior=Behavior(status=500), **conditions),))

    assert numbers(rule(first=2)) == [0, 1]
    assert numbers(rule(every=5)) == [4, 9]
    assert numbers(rule(between=(3, 4))) == [3, 4]
    assert numbers(rule(first=3, model="big")) == []
    assert numbers(rule(first=1, model="big"), model="big") == [0]
    for second, expected in ((0.9, False), (1.0, True), (1.9, True), (2.0, False), (4.5, False)):
        assert bool(numbers(rule(seconds=(1, 2)), seconds=second)) == expected
    assert numbers(rule(seconds=(1, 2), period=3), seconds=4.5)


def test_shares_are_disjoint_and_deterministic() -> None:
    def kinds(seed: int) -> list[str]:
        flaky = preset_scenario("flaky", seed=seed)
        return [flaky.pick(number, 1.0, "small").label for number in range(20_000)]

    drawn = kinds(1)
    assert drawn == kinds(1)
    assert drawn != kinds(2)
    shares = {kind: drawn.count(kind) / len(drawn) for kind in set(drawn)}
    assert shares == pytest.approx(
        {"answer": 0.82, "status_500": 0.10, "reset_mid_reply": 0.05, "hang_before_headers": 0.03},
        abs=0.007,
    )
    assert preset_scenario("flaky").pick(0, 2.1, "small").status == 429


def test_presets_and_invalid_scenarios() -> None:
    for name in PRESETS:
        assert preset_scenario(name, seed=3).seed == 3
    errors: list[tuple[dict[str, Any], str]] = [
        ({"preset": "nope"}, "no preset 'nope'"),
        ({"rule": []}, "unknown keys rule"),
        ({"default": {"tex": ""}}, "unknown keys tex"),
        ({"rules": [{"share": 0.1, "hang": "often"}]}, "hang must be one of"),
        ({"rules": [{"share": 0.7}, {"share": 0.4}]}, "more than 1"),
        ({"default": {"tokens": -1}}, "negative"),
        ({"default": {"coalesce": 0}}, "at least 1"),
    ]
    for invalid, message in errors:
        with pytest.raises(ValueError, match=message):
            load_scenario(invalid)


async def test_script_by_body_and_number_can_be_replaced() -> None:
    def script(body: dict[str, Any], number: int) -> Behavior:
        return Behavior(text=f"{body['model']} {number}")

    with FaultServer(script) as server:
        assert (
            await request_completion(server.url, chat_body(stream=True))
        ).delta_text() == "small 0"
        assert (
            await request_completion(server.url, chat_body(stream=True, model="big"))
        ).delta_text() == "big 1"
        server.script = Behavior(status=500)
        assert (await request_completion(server.url, chat_body())).status == 500
        script_json = {"rules": [{"every": 2, "text": "second"}], "default": {"text": "first"}}
        assert (await request_path(server.url, "/script", script_json)).json() == {"ok": True}
        assert (
            await request_completion(server.url, chat_body(stream=True))
        ).delta_text() == "second"
        assert (
            await request_completion(server.url, chat_body(stream=True))
        ).delta_text() == "first"
        refused = await request_path(server.url, "/script", {"rules": [{"hang": "often"}]})
        assert (refused.status, refused.json()["error"]["code"]) == (400, 400)
        dump = (await request_path(server.url, "/requests?records")).json()
        assert (dump["arrived"], dump["models"]["big"]["requests"]) == (5, 1)
        assert [record["number"] for record in dump["records"]] == [0, 1, 2, 3, 4]
        assert "body" not in dump["records"][0]
        assert (await request_path(server.url, "/requests?bodies")).json()["records"][0]["body"][
            "model"
        ] == "small"


async def test_exceptions_of_a_script_are_raised_at_exit() -> None:
    def script(body: dict[str, Any], number: int) -> Behavior:
        raise LookupError("never scripted")

    with pytest.raises(LookupError, match="never scripted"), FaultServer(script) as server:
        assert (await request_completion(server.url, chat_body())).status == 500


async def test_faults_of_other_paths() -> None:
    paths = {"/health": Behavior(status=503, error=""), "/v1/models": Behavior(hang=0)}
    with FaultServer(Scenario(paths=paths)) as server:
        assert (await request_path(server.url, "/health")).status == 503
        raw = raw_request(server.url, "/models", b"", "GET")
        assert (await send(server.url, raw, idle_timeout=SHORT)).ending == "timeout"
        assert (await request_completion(server.url, chat_body())).status == 200


# Continued messages, and OpenAI's API.


def continue_body(**changes: Any) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": "12 + 30?"},
        {"role": "assistant", "content": "The answer is:"},
    ]
    return chat_body(messages=messages, continue_final_message=True, **changes)


async def test_vllm_continues_a_message_only_without_a_generation_prompt() -> None:
    with FaultServer(Behavior(text=" 42")) as server:
        asked = await request_completion(
            server.url, chat_body(messages=continue_body()["messages"])
        )
        continued = await request_completion(server.url, continue_body(add_generation_prompt=False))
        default = await request_completion(server.url, continue_body())
        both = await request_completion(server.url, continue_body(add_generation_prompt=True))
        assert [record.kind for record in server.request_log.records[2:]] == ["bad_request"] * 2
    assert continued.json()["choices"][0]["message"]["content"] == " 42"
    # Neither the end of the message nor the start of a new one is in the prompt.
    tokens = [reply.json()["usage"]["prompt_tokens"] for reply in (asked, continued)]
    assert tokens[0] - tokens[1] == token_count("<|im_end|>\n<|im_start|>assistant\n")
    assert (default.status, both.status) == (400, 400)
    assert "are not compatible" in default.json()["error"]["message"]
    assert "Cannot set both" in both.json()["error"]["message"]


async def test_openai_rejects_unknown_fields_and_has_no_other_routes() -> None:
    with FaultServer(Behavior(text="42"), api="openai") as server:
        known = await request_completion(server.url, chat_body(seed=1, max_tokens=5))
        continued = await request_completion(server.url, continue_body(add_generation_prompt=False))
        options = {"include_usage": True, "continuous_usage_stats": True}
        streamed = await request_completion(
            server.url, chat_body(stream=True, stream_options=options)
        )
        models = (await request_path(server.url, "/v1/models")).json()["data"]
        paths = ("/version", "/health", "/metrics")
        statuses = [(await request_path(server.url, path)).status for path in paths]
        tokenized = await request_path(server.url, "/tokenize", {"prompt": "a"})
    assert known.status == 200
    assert (continued.status, streamed.status) == (400, 400)
    error = continued.json()["error"]
    assert error["message"] == "Unknown parameter: 'continue_final_message'."
    assert error["code"] == "unknown_parameter"
    assert "stream_options.continuous_usage_stats" in streamed.json()["error"]["message"]
    assert {model["owned_by"] for model in models} == {"system"}
    assert (statuses, tokenized.status) == ([404, 404, 404], 404)


# Down times.


async def test_a_killed_server_refuses_connections_until_it_is_revived() -> None:
    with FaultServer(Behavior(text="ab", tokens=2, hang=1)) as server:
        asking = asyncio.create_task(request_completion(server.url, chat_body(stream=True)))
        await server.request_log.until(lambda log: log.generated == 1)
        server.kill()
        assert (await asking).ending == "closed"
        assert (server.request_log.outcomes, server.request_log.downs) == ({"killed": 1}, 1)
        with pytest.raises(ConnectionRefusedError):
            await request_completion(server.url, chat_body())
        server.script = Behavior(text="back")
        with pytest.raises(ConnectionRefusedError):
            await request_completion(server.url, chat_body())
        server.revive()
        assert (await request_completion(server.url, chat_body(stream=True))).delta_text() == "back"


async def test_a_script_can_kill_its_server() -> None:
    def script(body: dict[str, Any], number: int) -> Behavior:
        server.kill()
        return Behavior(hang="before_headers")

    with FaultServer(script) as server:
        assert (await request_completion(server.url, chat_body())).ending == "closed"


async def test_down_times() -> None:
    flapping = Scenario(flapping=2.0)
    assert [flapping.is_down(second) for second in (0, 0.9, 1.0, 1.9, 2.0, 3.5)] == [
        *(False, False, True, True, False, True)
    ]
    assert [flapping.next_change(second) for second in (0, 0.9, 1.0, 3.5)] == [1, 1, 2, 4]
    dead = preset_scenario("dead")
    assert dead.is_down(0)
    assert dead.next_change(0) is None
    with FaultServer(dead) as server:
        with pytest.raises(ConnectionRefusedError):
            await request_completion(server.url, chat_body())
        server.script = load_scenario({"down": [[0.3, 1.2]], "default": {"hang": "after_headers"}})
        assert (await request_completion(server.url, chat_body(stream=True))).ending == "closed"
        with pytest.raises(ConnectionRefusedError):
            await request_completion(server.url, chat_body())
        await server.request_log.until(lambda log: log.is_up)
        assert (server.request_log.downs, server.request_log.outcomes) == (1, {"killed": 1})
        assert (
            await request_completion(server.url, chat_body(stream=True), idle_timeout=SHORT)
        ).status == 200


async def test_many_servers_at_once() -> None:
    with FaultServer() as first, FaultServer() as second:
        assert first.url != second.url
        await asyncio.gather(
            request_completion(first.url, chat_body()), request_completion(second.url, chat_body())
        )
        assert (first.request_log.arrived, second.request_log.arrived) == (1, 1)


async def test_command_line() -> None:
    script = "{rules: [{first: 1, status: 500}]}"
    more = ["--model", "tiny", "--script", script, "--default", "{text: hi}", "--records"]
    process = started("-m", "tests.fault_server", *more)
    try:
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
        url = json.loads(line)["url"]
        assert (await request_completion(url, chat_body(model="tiny"))).status == 500
        assert (
            await request_completion(url, chat_body(model="tiny", stream=True))
        ).delta_text() == "hi"
    finally:
        process.send_signal(signal.SIGTERM)
        out, error = await asyncio.to_thread(process.communicate)
    assert (process.returncode, error) == (0, "")
    summary = json.loads(out)
    assert (summary["arrived"], summary["statuses"]) == (2, {"500": 1, "200": 1})
    assert [record["kind"] for record in summary["records"]] == ["status_500", "answer"]


def test_command_line_help_and_errors() -> None:
    command = [sys.executable, "-m", "tests.fault_server"]
    message = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert all(name in message.stdout for name in PRESETS)
    invalid = subprocess.run(
        [*command, "--default", "{tex: 1}"], capture_output=True, text=True, check=False
    )
    assert invalid.returncode == 2
    assert "unknown keys tex" in invalid.stderr
