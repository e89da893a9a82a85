"""`a2r serve` in a separate process, and the same application in a thread."""

from __future__ import annotations

import json
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
import yaml
from starlette.types import ASGIApp

from a2r.interfaces.http.model_registry import ModelRegistry
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.http.uvicorn_server import UvicornServer, uvicorn_config
from a2r.interfaces.openai_server.app import create_app
from tests.support.fake_openai import config_for
from tests.support.preloaded_python import python

MODEL = "mine"
SECONDS = 60.0


def written(folder: Path, url: str, **changes: Any) -> Path:
    """The config of the model "mine" on the endpoint `url`; `changes` are those of `config_for`."""
    path = folder / f"{MODEL}.yaml"
    path.write_text(yaml.safe_dump(config_for(url, **changes)), "utf-8")
    return path


class Served:
    """A running `a2r serve`: its address, and the lines that it wrote to stderr."""

    def __init__(self, *arguments: str, open_files: int | None = None) -> None:
        self.url = ""
        self.lines: list[str] = []

        def prepare() -> None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if open_files is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))

        # A fork of the fork server would not inherit the limit.
        program = python() if open_files is None else sys.executable
        self.process = subprocess.Popen(
            [program, "-m", "a2r", "serve", "--port", "0", "--log-format", "json", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=prepare,
        )
        self._changed = threading.Condition()
        self._over = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def root(self) -> str:
        """The address without `/v1`."""
        return self.url.removesuffix("/v1")

    def events(self, name: str, **fields: Any) -> list[dict[str, Any]]:
        """The logged events with a name and such fields."""
        with self._changed:
            lines = list(self.lines)
        return [
            event
            for line in lines
            if line.startswith("{")
            and (event := json.loads(line)).get("event") == name
            and all(event.get(key) == value for key, value in fields.items())
        ]

    def until(self, name: str, times: int = 1, **fields: Any) -> dict[str, Any]:
        """Wait until an event with such fields is logged `times` times; return the last one."""
        with self._changed:
            came = self._changed.wait_for(
                lambda: self._over or len(self.events(name, **fields)) >= times, SECONDS
            )
            events = self.events(name, **fields)
        assert came, f"{name!r} was not logged in time"
        assert len(events) >= times, f"{name!r} was not logged:\n{chr(10).join(self.lines)}"
        return events[times - 1]

    def exit_code(self) -> int:
        """Wait for the process to exit; return its exit code."""
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return code

    def end(self) -> int:
        """Stop the process with SIGTERM if it still runs; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.exit_code()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()


@contextmanager
def served(config: Path, *arguments: str, open_files: int | None = None) -> Iterator[Served]:
    """Run `a2r serve --config CONFIG ARGUMENTS…` on a free port; stop it with SIGTERM.

    `open_files` is the limit of the process's file descriptors.
    """
    running = Served("--config", str(config), *arguments, open_files=open_files)
    try:
        running.url = running.until("serving")["url"]
        yield running
    finally:
        try:
            running.end()
        finally:
            if running.process.poll() is None:
                running.process.kill()
                running.exit_code()


@dataclass(frozen=True, kw_only=True)
class Hosted:
    """The application in a thread of this process."""

    url: str
    app: ASGIApp
    offer: ModelRegistry

    @property
    def root(self) -> str:
        """The address without `/v1`."""
        return self.url.removesuffix("/v1")


class _Server(UvicornServer):
    """Sets `settled` when the startup has finished or failed."""

    def __init__(self, config: uvicorn.Config, settings: ServerSettings) -> None:
        super().__init__(config, settings)
        self.settled = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()


@contextmanager
def hosted(config: Path, settings: ServerSettings | None = None) -> Iterator[Hosted]:
    """`create_app` behind uvicorn in a thread, on a free port; faster than `served`."""
    offer = ModelRegistry.from_configs([str(config)])
    settings = settings or ServerSettings()
    app = create_app(offer, settings)
    server = _Server(uvicorn_config(app, settings), settings)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_run, args=(server, listener))
        thread.start()
        try:
            assert server.settled.wait(SECONDS), "the server did not start in time"
            assert server.started, "the server failed to start"
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
            yield Hosted(url=url, app=app, offer=offer)
        finally:
            server.should_exit = True
            thread.join(SECONDS)
    assert not thread.is_alive(), "the server did not stop"


def _run(server: _Server, listener: socket.socket) -> None:
    try:
        server.run(sockets=[listener])
    finally:
        server.settled.set()
