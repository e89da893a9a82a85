"""Operation of the server: readiness, metrics, request IDs, logs, failing endpoints."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from a2r.inference.routing import circuit_breaker as circuit
from a2r.interfaces.http.api_keys import add_key
from a2r.interfaces.openai_server import readiness as health
from tests.support.fake_openai import ScriptedReply, boxed, fake_openai, replies
from tests.support.operating import (
    COMPLETIONS,
    QUESTION,
    SECONDS,
    address,
    closed_port,
    error_fields,
    metric,
    read_metrics,
    request_body,
    running,
    until_counted,
    until_gauges,
)
from tests.support.serving import Served, hosted, served, written

pytestmark = pytest.mark.integration

AGREED = replies(small=boxed("4"))
DISPUTED = replies(small=[boxed(n) for n in ("4", "4", "5", "6")], big=boxed("5"))


@contextmanager
def model_list_endpoint(port: int) -> Iterator[None]:
    """Run an endpoint on a port that lists its models."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"object": "list", "data": []}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


async def test_ready_while_the_endpoints_respond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "CACHE_SECONDS", -1.0)
    port = closed_port()
    with hosted(written(tmp_path, f"http://127.0.0.1:{port}/v1")) as server:
        async with httpx.AsyncClient(base_url=server.root, timeout=SECONDS) as client:
            for up in (False, True, False, True):
                if up:
                    with model_list_endpoint(port):
                        response = await client.get("/ready")
                else:
                    response = await client.get("/ready")
                assert response.status_code == (200 if up else 503)
                assert set(response.json()["configs"]["mine"]) == {"explorer", "synthesizer"}
            assert (await client.get("/health")).json() == {"status": "ok"}


async def test_metrics_count_what_the_endpoints_counted(tmp_path: Path) -> None:
    # The usage of a cancelled sample is not predictable.
    async with running(tmp_path, DISPUTED, stop__lossless=False) as (upstream, _, client):
        for stream in (True, False):
            for gate in ("unanimous", "never", "always"):
                response = await client.post(
                    COMPLETIONS, json=request_body(stream=stream, a2r={"gate": gate})
                )
                assert response.status_code == 200
        voted = await client.post(COMPLETIONS, json=request_body(model="mine/self_consistency"))
        assert voted.json()["choices"][0]["message"]["content"].endswith("{4}")
        for model, stream, count in (
            ("mine", "true", 3),
            ("mine", "false", 3),
            ("mine/self_consistency", "false", 1),
        ):
            await until_counted(client, count, model=model, status="200", stream=stream)
        await until_gauges(client, a2r_requests_running=0.0, a2r_requests_waiting=0.0)
        metrics = read_metrics((await client.get("/metrics")).text)
        for role, model in (("explorer", "small"), ("synthesizer", "big")):
            calls = len(upstream.request_log.calls(model))
            role_labels = {"config": "mine", "role": role}
            assert metric(metrics, "a2r_calls_total", **role_labels) == calls > 0
            for kind, each in (("prompt", 10), ("completion", 5)):
                assert metric(metrics, "a2r_tokens_total", **role_labels, kind=kind) == each * calls
            endpoint_labels = {**role_labels, "endpoint": upstream.url}
            assert metric(metrics, "a2r_endpoint_up", **endpoint_labels) == 1
            assert metric(metrics, "a2r_endpoint_outstanding", **endpoint_labels) == 0
        results = {
            labels: value
            for (name, labels), value in metrics.items()
            if name == "a2r_results_total"
        }
        assert sum(results.values()) == 7
        # Only the requested gate "never" accepts if there is a second stage.
        assert metric(metrics, "a2r_synthesis_skipped_total", model="mine") == 2
        assert ("a2r_synthesis_skipped_total", "mine/self_consistency") not in {
            (name, dict(labels)["model"]) for name, labels in metrics if "skipped_total" in name
        }
        ran = metric(metrics, "a2r_stage_seconds_count", model="mine", stage="request")
        assert ran == metric(metrics, "a2r_stage_seconds_count", model="mine", stage="run") == 6
        assert metric(metrics, "a2r_stage_seconds_count", model="mine", stage="queue") == 6


async def test_metrics_count_failed_requests(tmp_path: Path) -> None:
    def script(body: dict[str, Any], _: int) -> ScriptedReply:
        hang = "hang" in body["messages"][0]["content"]
        return ScriptedReply(hang=True) if hang else ScriptedReply(status=400, error="no")

    async with running(tmp_path, script) as (upstream, _, client):
        for stream in (True, False):
            response = await client.post(COMPLETIONS, json=request_body(stream=stream))
            assert response.status_code == (200 if stream else 502)
        for stream in (True, False):
            body = request_body("hang", stream=stream)
            task = asyncio.create_task(client.post(COMPLETIONS, json=body))
            await upstream.request_log.until(lambda log: log.outstanding == 4)
            task.cancel()
            await upstream.request_log.until(lambda log: log.outstanding == 0)
        for status in ("502", "499"):
            for value in ("true", "false"):
                await until_counted(client, 1, model="mine", status=status, stream=value)
        metrics = read_metrics((await client.get("/metrics")).text)
        for method in ("failed", "cancelled"):
            assert metric(metrics, "a2r_results_total", model="mine", method=method) == 2
        assert not [labels for name, labels in metrics if "skipped_total" in name]


async def test_refused_requests_are_counted_for_their_model(tmp_path: Path) -> None:
    async with running(tmp_path, AGREED) as (_, _server, client):
        for wrong in ({"n": 9}, {"logprobs": True}, {"messages": [{"role": "user"}]}):
            await client.post(COMPLETIONS, json=request_body(stream=True, **wrong))
        await until_counted(client, 3, model="mine", status="400", stream="true")


async def test_a_budget_does_not_count_as_a_skipped_synthesis(tmp_path: Path) -> None:
    budget = {"question": {"tokens": 20}}
    async with running(tmp_path, DISPUTED, budget=budget) as (_, _server, client):
        reply = await client.post(COMPLETIONS, json=request_body())
        [details] = reply.json()["a2r"]
        assert (details["method"], details["syntheses"]) == ("majority", 0)
        await until_counted(client, 1, model="mine", status="200", stream="false")
        metrics = read_metrics((await client.get("/metrics")).text)
        assert not [labels for name, labels in metrics if "skipped_total" in name]


async def test_a_half_open_endpoint_is_not_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit, "INITIAL_SECONDS", 0.0)
    async with running(tmp_path, replies(small=ScriptedReply(status=500))) as (upstream, _, client):
        for _ in range(2):
            assert (await client.post(COMPLETIONS, json=request_body())).status_code == 502
        labels = {"config": "mine", "role": "explorer", "endpoint": upstream.url}
        metrics = read_metrics((await client.get("/metrics")).text)
        assert metric(metrics, "a2r_endpoint_up", **labels) == 0


async def test_unknown_paths_and_models_add_no_metric_labels(tmp_path: Path) -> None:
    async with running(tmp_path, AGREED) as (_, _server, client):
        await client.post(COMPLETIONS, json=request_body())
        # From the second request on, the metrics include the requests of /metrics.
        await client.get("/metrics")
        counts: list[int] = []
        for _ in range(2):
            for n in range(20):
                odd = f"odd-{len(counts)}-{n}"
                await client.post(COMPLETIONS, json=request_body(model=odd))
                await client.post(COMPLETIONS, json=request_body(a2r={"config": odd}))
                await client.post(COMPLETIONS, json=request_body(a2r={"graph": odd}))
                await client.get(f"/{odd}", headers={"X-Request-Id": odd})
                await client.request(f"M{n}", "/health")
            text = (await client.get("/metrics")).text
            assert "odd-" not in text
            counts.append(len(read_metrics(text)))
        assert counts[0] == counts[1]


@pytest.mark.parametrize("fits", ["mine-1", "a.b:c_d", "x" * 128])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_request_id_reaches_the_endpoint(tmp_path: Path, fits: str, stream: bool) -> None:
    script = replies(small=boxed("4"), big=boxed("4"))
    async with running(tmp_path, script) as (upstream, _, client):
        headers = {"X-Request-Id": fits}
        body = request_body(n=2, stream=stream, a2r={"gate": "always"})
        twice = [client.post(COMPLETIONS, json=body, headers=headers) for _ in range(2)]
        for response in await asyncio.gather(*twice):
            assert response.headers["X-Request-Id"] == fits
        request_ids = [
            httpx.Headers(headers)["X-Request-Id"] for headers in upstream.request_log.headers
        ]
        assert len(request_ids) == 2 * 2 * 5
        assert all(name.startswith(f"{fits}-") for name in request_ids)
        assert len(set(request_ids)) == len(request_ids), (
            "two requests with the same X-Request-Id share an ID"
        )


@pytest.mark.parametrize("unfit", [None, "", "x" * 129, "a b", "é", "a\tb", "<script>", "a;b"])
async def test_a_request_without_an_id_gets_one(tmp_path: Path, unfit: str | None) -> None:
    async with running(tmp_path, AGREED) as (upstream, _, client):
        headers = {} if unfit is None else {"X-Request-Id": unfit.encode()}
        response = await client.post(COMPLETIONS, json=request_body(), headers=headers)
        request_id = response.headers["X-Request-Id"]
        assert request_id.startswith("req-")
        assert len(request_id) == 36
        request_ids = [
            httpx.Headers(headers)["X-Request-Id"] for headers in upstream.request_log.headers
        ]
        assert all(name.startswith(f"{request_id}-") for name in request_ids)
        assert (await client.get("/health", headers=headers)).headers["X-Request-Id"] != request_id


def check_secrets(server: Served, *secrets: str) -> None:
    for line in server.lines:
        assert isinstance(json.loads(line), dict), f"not JSON: {line}"
        assert not [secret for secret in secrets if secret in line]


async def test_one_log_line_per_request(tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    key = await asyncio.to_thread(add_key, keys, "alice")
    with fake_openai(DISPUTED) as upstream:
        config = written(tmp_path, upstream.url)
        with served(config, "--keys", str(keys), "--host", "0.0.0.0") as server:
            url = f"http://127.0.0.1:{address(server.root)[1]}"
            async with httpx.AsyncClient(base_url=url, timeout=SECONDS) as client:
                key_header = {"Authorization": f"Bearer {key}"}
                done = await client.post(COMPLETIONS, json=request_body(), headers=key_header)
                wrong = {"Authorization": "Bearer a2r-wrong-and-secret-too"}
                await client.post(COMPLETIONS, json=request_body(), headers=wrong)
                await client.get("/%1b[31m?key=in-the-query")
                await asyncio.to_thread(garbage, url)
            line = server.until("request", request_id=done.headers["X-Request-Id"])
            assert (line["status"], line["key"], line["model"]) == (200, "alice", "mine")
            assert line["run"] == done.json()["a2r"][0]["run_id"]
            assert line["decisions"] == "synthesize"
            assert isinstance(line["seconds"], float)
            refused = server.until("request", status=401)
            assert "key" not in refused
            assert server.until("request", status=404)["path"] == "/ [31m"
        assert len(server.events("request")) == 3
        check_secrets(server, key, "a2r-wrong", "secret", QUESTION, "in-the-query")


def garbage(url: str) -> None:
    """Send bytes that are not HTTP."""
    import socket

    with socket.create_connection(address(url)) as connection:
        connection.sendall(b"\x16\x03\x01 garbage\r\n\r\n")
        while connection.recv(4096):
            pass


async def test_two_configs_of_one_server(tmp_path: Path) -> None:
    with fake_openai(DISPUTED) as upstream:
        first = written(tmp_path, upstream.url)
        other = first.with_name("other.yaml")
        other.write_bytes(first.read_bytes().replace(b"samples: 4", b"samples: 2"))
        with served(first, "--config", str(other), "--allow", "none") as server:
            async with httpx.AsyncClient(base_url=server.root, timeout=SECONDS) as client:
                listed = {model["id"] for model in (await client.get("/v1/models")).json()["data"]}
                assert {"mine", "other", "mine/self_consistency"} <= listed
                for model, samples in (("mine", 4), ("other", 2)):
                    reply = (await client.post(COMPLETIONS, json=request_body(model=model))).json()
                    assert reply["model"] == model
                    assert reply["a2r"][0]["samples"] == samples
                refused = await client.post(COMPLETIONS, json=request_body(a2r={"samples": 2}))
                assert error_fields(refused)["param"] == "a2r.samples"


async def test_allowed_request_options(tmp_path: Path) -> None:
    async with running(tmp_path, DISPUTED) as (upstream, _, client):

        async def ask(options: dict[str, Any] | None, **headers: str) -> dict[str, Any]:
            option_headers = {f"X-A2R-{name}": value for name, value in headers.items()}
            body = request_body() if options is None else request_body(a2r=options)
            reply: dict[str, Any] = (
                await client.post(COMPLETIONS, json=body, headers=option_headers)
            ).json()
            return reply

        assert (await ask(None, Samples="2"))["a2r"][0]["samples"] == 2
        assert (await ask({"samples": 3}, Samples="2"))["a2r"][0]["samples"] == 3
        assert (await ask(None, Gate="always"))["a2r"][0]["syntheses"] == 1
        assert (await ask({"gate": "never"}, Gate="always"))["a2r"][0]["syntheses"] == 0
        graph = await ask({}, Graph="self_consistency")
        assert (graph["model"], graph["a2r"][0]["syntheses"]) == ("mine/self_consistency", 0)
        assert (await ask(None, Kind="choice"))["a2r"][0]["clusters"] == []
        for off in ("off", "OFF", "0", "false"):
            assert "a2r" not in await ask(None, Details=off)
        assert len(upstream.request_log.calls("small")) > 0
