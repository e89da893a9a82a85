"""The fork server: forks a process with all imports done for each client, see `client.py`.

`python -P server.py SOCKET`; it prints `ready`, and exits when stdin is closed.
"""

from __future__ import annotations

import atexit
import builtins
import gc
import importlib
import io
import marshal
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import time
import types
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

IMPORTED = (
    "a2r.cli.live_display",
    "a2r.cli.app",
    "a2r.cli.run_report",
    "a2r.cli.resume",
    "a2r.solver",
    "a2r.workflow.graph_loader",
    "a2r.graphs.cascade",
    "a2r.graphs.rounds",
    "a2r.graphs.select",
    "a2r.graphs.self_consistency",
    "a2r.graphs.single",
    "a2r.graphs.two_stage",
    "a2r.interfaces.mcp_server.http_transport",
    "a2r.interfaces.mcp_server.sdk",
    "a2r.interfaces.mcp_server.stdio_transport",
    "a2r.inference.transport.http_sessions",
    "a2r.evaluation.replay",
    "a2r.interfaces.openai_server.app",
    "langchain_openai",
    "langgraph.checkpoint.sqlite.aio",
    "uvicorn",
    f"a2r.interfaces.mcp_server.sdk.version_{metadata.version('mcp').partition('.')[0]}",
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A spawn request: the program, its arguments, and the attributes of the new process."""

    program: str
    arguments: list[str]
    folder: str
    variables: dict[str, str]
    ignored: list[int]
    mask: int
    streams: list[int]


class Server:
    """Forks for spawn requests, forwards signals, and reports exit statuses."""

    def __init__(self, address: str) -> None:
        self.children: dict[int, socket.socket] = {}
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(address)
        self.listener.listen(64)
        self.wake_reader, self.wake_writer = socket.socketpair()
        for end in (self.wake_reader, self.wake_writer):
            end.setblocking(False)
        self.selector = selectors.DefaultSelector()
        for source in (self.listener, self.wake_reader, sys.stdin):
            self.selector.register(source, selectors.EVENT_READ)

    def serve(self) -> Request | None:
        """Serve requests; return the request in a fork, and `None` in the server at its end."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wake_writer.fileno(), warn_on_full_buffer=False)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is sys.stdin:
                    self._kill_all()
                    return None
                if key.fileobj is self.wake_reader:
                    self._reap()
                elif key.fileobj is not self.listener:
                    self._forward_signals(key.data, key.fileobj)
                elif request := self._accept():
                    return request

    def _accept(self) -> Request | None:
        """Accept a request and fork; return the request in the fork, else `None`."""
        connection, _ = self.listener.accept()
        try:
            request = _receive_request(connection)
        except OSError:
            connection.close()
            return None
        pid = os.fork()
        if pid == 0:
            self._close_in_fork(connection)
            return request
        for stream in request.streams:
            os.close(stream)
        self.children[pid] = connection
        self.selector.register(connection, selectors.EVENT_READ, pid)
        return None

    def _close_in_fork(self, connection: socket.socket) -> None:
        """Close the server's resources in a fork."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.selector.close()
        for resource in (
            connection,
            self.listener,
            self.wake_reader,
            self.wake_writer,
            *self.children.values(),
        ):
            resource.close()

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            while self.wake_reader.recv(4096):
                pass
        with suppress(ChildProcessError):
            while (exited := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = exited
                if connection := self.children.pop(pid, None):
                    self.selector.unregister(connection)
                    with suppress(OSError):
                        connection.sendall(status.to_bytes(4, "big"))
                    connection.close()

    def _forward_signals(self, pid: int, connection: Any) -> None:
        """Forward a client's signals; kill the process of a client that has disconnected."""
        if pid not in self.children:
            return
        try:
            numbers = connection.recv(64)
        except OSError:
            numbers = b""
        if not numbers:
            self.selector.unregister(connection)
            self.children.pop(pid).close()
        for number in numbers or (signal.SIGKILL,):
            os.kill(pid, number)

    def _kill_all(self) -> None:
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)
        for pid in self.children:
            os.waitpid(pid, 0)


def _receive_request(connection: socket.socket) -> Request:
    length, streams, _, _ = socket.recv_fds(connection, 8, 3)
    left = int.from_bytes(length, "big")
    pieces = []
    while left:
        pieces.append(connection.recv(left))
        if not pieces[-1]:
            raise OSError("the client has disconnected")
        left -= len(pieces[-1])
    program, arguments, folder, variables, ignored, mask = marshal.loads(b"".join(pieces))
    return Request(
        program=program,
        arguments=arguments,
        folder=folder,
        variables=variables,
        ignored=ignored,
        mask=mask,
        streams=streams,
    )


def _apply_attributes(request: Request) -> None:
    """Give this process the attributes of the request."""
    for number, stream in enumerate(request.streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request.folder)
    os.umask(request.mask)
    os.environ.clear()
    os.environ.update(request.variables)
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    for number in request.ignored:
        signal.signal(number, signal.SIG_IGN)
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        old = getattr(sys, name)
        raw = io.FileIO(number, mode, closefd=False)
        buffer = io.BufferedReader(raw) if mode == "r" else io.BufferedWriter(raw)
        stream = io.TextIOWrapper(
            buffer,
            encoding=old.encoding,
            errors=old.errors,
            line_buffering=name == "stderr" or raw.isatty(),
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _run(request: Request) -> None:
    arguments = request.arguments
    if request.program == "a2r":
        script = Path(sys.executable).parent / "a2r"
        sys.argv = [str(script), *arguments]
        sys.path.insert(0, str(script.parent))
        runpy.run_path(str(script), run_name="__main__")
    elif arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path.insert(0, request.folder)
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        is_command = arguments[0] == "-c"
        sys.argv = [arguments[0], *arguments[1 + is_command :]]
        sys.path.insert(0, "")
        main = types.ModuleType("__main__")
        vars(main)["__builtins__"] = builtins
        sys.modules["__main__"] = main
        text = arguments[1] if is_command else sys.stdin.read()
        exec(compile(text, "<string>" if is_command else "<stdin>", "exec"), vars(main))


def _run_to_exit(request: Request) -> int:
    """Run the request; return the exit code.

    It cleans up like an interpreter, but does not unload the modules shared by all forks.
    """
    code = 0
    try:
        _run(request)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException as error:  # noqa: BLE001 - printed like the interpreter does
        sys.excepthook(type(error), error, error.__traceback__)
        code = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    threading._shutdown()
    atexit._run_exitfuncs()
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            os.write(2, f"Exception ignored in: {stream!r}\n{error!r}\n".encode())
            code = 120
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return code & 0xFF


if __name__ == "__main__":
    for module in IMPORTED:
        importlib.import_module(module)
    assert threading.active_count() == 1, "a fork would lose the other threads"
    server = Server(sys.argv[1])
    gc.collect()
    gc.freeze()
    os.write(1, b"ready\n")
    if request := server.serve():
        _apply_attributes(request)
        os._exit(_run_to_exit(request))
