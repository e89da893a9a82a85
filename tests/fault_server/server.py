"""A server with OpenAI's and vLLM's HTTP API that injects scripted faults."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from tests.fault_server.behavior import Behavior
from tests.fault_server.generation import Capacity
from tests.fault_server.listener import Listener, bind_socket
from tests.fault_server.request_log import RequestLog
from tests.fault_server.request_validation import Api
from tests.fault_server.routes import Routes
from tests.fault_server.scenario import RunningScenario, Scenario, Script

ScriptLike = Script | Scenario | Behavior | None


class FaultServer:
    """A server in its own thread and event loop; use it as a context manager.

    `script` defines the behavior for each request: one behavior for all, a scenario, or a
    function of a request's body and number. It can be replaced at any time. An exception of the
    function is answered with status 500, and raised again at exit. With `api="openai"`, the server
    has only OpenAI's routes and rejects other fields than OpenAI's. `generation_prompt` ends the
    prompts that `/tokenize` shows, as a chat template that opens thinking does.
    """

    def __init__(
        self,
        script: ScriptLike = None,
        *,
        models: tuple[str, ...] = ("small", "big"),
        host: str = "127.0.0.1",
        port: int = 0,
        service_time: float = 0.0,
        slots: int | None = None,
        max_model_len: int = 32768,
        keep_bodies: bool = True,
        api: Api = "vllm",
        generation_prompt: str = "",
    ) -> None:
        self.request_log = RequestLog(keep_bodies=keep_bodies)
        self.url = ""
        self._address = (host, port)
        self._killed = False
        self._routes = Routes(
            _to_script(script),
            models=models,
            log=self.request_log,
            capacity=Capacity(slots=slots, service_time=service_time),
            max_model_len=max_model_len,
            api=api,
            generation_prompt=generation_prompt,
            play=self._set_scenario,
        )
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def script(self) -> Script:
        return self._routes.script

    @script.setter
    def script(self, script: ScriptLike) -> None:
        self._routes.script = _to_script(script)
        self._apply_now()

    def __enter__(self) -> Self:
        sock = bind_socket(*self._address)
        host, port = sock.getsockname()
        self.url = f"http://{host}:{port}/v1"
        if isinstance(self.script, RunningScenario):
            self.script.restart()
        self._thread = threading.Thread(target=self._main, args=(sock,), daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop = None
        if error is None and self._routes.script_errors:
            raise self._routes.script_errors[0]

    def kill(self) -> None:
        """Refuse connections and abort the open ones, until `revive`."""
        self._killed = True
        self._apply_now()

    def revive(self) -> None:
        """Listen again on the same port, unless the scenario is down."""
        self._killed = False
        self._apply_now()

    def _set_scenario(self, scenario: Scenario) -> None:
        self._routes.script = RunningScenario(scenario)
        self._changed.set()

    def _apply_now(self) -> None:
        if self._loop is None:
            return
        applied = asyncio.run_coroutine_threadsafe(self._reapply(), self._loop)
        if threading.current_thread() is not self._thread:
            applied.result()

    def _main(self, sock: socket.socket) -> None:
        try:
            asyncio.run(self._serve(sock))
        except OSError as failure:
            self._failure = failure
        finally:
            self._ready.set()

    async def _serve(self, sock: socket.socket) -> None:
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()
        self._listener_lock = asyncio.Lock()
        self._listener = Listener(sock, self._routes, self.request_log, self._routes.in_flight)
        await self._apply()
        self._loop = asyncio.get_running_loop()
        follower = asyncio.create_task(self._follow_schedule())
        self._ready.set()
        await self._stop.wait()
        follower.cancel()
        await self._listener.close()

    async def _apply(self) -> None:
        """Listen or stop, depending on `kill` and the scenario."""
        script = self.script
        down = self._killed
        if isinstance(script, RunningScenario):
            down = down or script.scenario.is_down(script.seconds())
        async with self._listener_lock:
            await (self._listener.stop() if down else self._listener.start())

    async def _reapply(self) -> None:
        await self._apply()
        self._changed.set()

    async def _follow_schedule(self) -> None:
        """Start and stop at the scenario's times."""
        while True:
            self._changed.clear()
            await self._apply()
            script, pause = self.script, None
            if isinstance(script, RunningScenario):
                seconds = script.seconds()
                change = script.scenario.next_change(seconds)
                pause = None if change is None else change - seconds
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()


def _to_script(script: ScriptLike) -> Script:
    if script is None or isinstance(script, Behavior):
        script = Scenario(default=script or Behavior())
    return RunningScenario(script) if isinstance(script, Scenario) else script
