"""A page in a real headless Chromium uses the server from another origin."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from a2r.interfaces.http.api_keys import add_key
from a2r.interfaces.http.settings import ServerSettings
from tests.support.fake_openai import boxed, fake_openai, replies
from tests.support.serving import MODEL, hosted, written

pytestmark = [pytest.mark.integration, pytest.mark.browser]

PAGE = """<!doctype html><meta charset="utf-8"><script type="module">
const show = (value) => fetch("/shown", { method: "POST", body: JSON.stringify(value) });
const ask = (stream) => fetch(%(url)s + "/chat/completions", {
  method: "POST",
  headers: { "Content-Type": "application/json", Authorization: "Bearer " + %(key)s },
  body: JSON.stringify({ model: %(model)s, stream,
                         messages: [{ role: "user", content: "2+2?" }] }),
});
try {
  const models = await (await fetch(%(url)s + "/models",
    { headers: { Authorization: "Bearer " + %(key)s } })).json();
  const plain = await (await ask(false)).json();
  const reader = (await ask(true)).body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
  const chunks = text.split("\\n\\n").filter((e) => e.startsWith("data: {"))
    .map((e) => JSON.parse(e.slice(6)));
  show({ models: models.data.map((model) => model.id),
         plain: plain.choices[0].message.content,
         streamed: chunks.map((c) => c.choices[0]?.delta?.content ?? "").join(""),
         done: text.trimEnd().endsWith("data: [DONE]") });
} catch (error) { show({ error: String(error) }); }
</script>"""
SECONDS = 90


@dataclass
class Site:
    """A page, and the values that it has shown."""

    page: str = ""
    shown: Queue[dict[str, Any]] = field(default_factory=Queue)


@contextmanager
def hosted_site(site: Site) -> Iterator[str]:
    """Serve a site; yields its origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(site.page)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._reply("")
            site.shown.put(json.loads(body))

        def _reply(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def shown_by(site: Site, url: str, profile: Path) -> dict[str, Any]:
    """What a page shows in Chromium."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    browser = subprocess.Popen(
        ["chromium", *options, f"--user-data-dir={profile}", url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return site.shown.get(timeout=SECONDS)
    finally:
        browser.terminate()
        browser.wait(SECONDS)


@pytest.mark.timeout(300)
def test_a_page_asks_and_streams_only_from_an_origin_that_is_allowed(tmp_path: Path) -> None:
    keys, site = tmp_path / "keys.yaml", Site()
    key = add_key(keys, "page")
    with fake_openai(replies(small=boxed("4"))) as endpoint, hosted_site(site) as origin:
        config = written(tmp_path, endpoint.url)
        for allowed in (True, False):
            settings = ServerSettings(keys=keys, cors_origins=(origin,) if allowed else ())
            with hosted(config, settings) as served:
                values = {"url": served.url, "key": key, "model": MODEL}
                site.page = PAGE % {name: json.dumps(value) for name, value in values.items()}
                shown = shown_by(site, f"{origin}/", tmp_path / f"profile-{allowed}")
            if allowed:
                assert MODEL in shown.pop("models")
                text = boxed("4").text
                assert shown == {"plain": text, "streamed": text, "done": True}
            else:
                assert shown == {"error": "TypeError: Failed to fetch"}
