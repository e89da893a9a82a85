"""`a2r mcp`: an MCP server over stdio or HTTP."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2r._internal.logging import LOGGER, configure_logging
from a2r.cli.connection_options import (
    BodyTimeoutOption,
    HeadTimeoutOption,
    KeepAliveOption,
    MaxClientConnectionsOption,
    MaxConnectionsOption,
    SendTimeoutOption,
)
from a2r.cli.options import (
    ConfigsOption,
    LogFormat,
    LogFormatOption,
    LogLevel,
    LogLevelOption,
)
from a2r.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from a2r.interfaces.http.settings import ServerSettings
    from a2r.interfaces.mcp_server.server_state import ServerState


class Transport(StrEnum):
    """Transport between clients and the server."""

    stdio = "stdio"
    http = "http"


def mcp(
    configs: ConfigsOption = None,
    transport: Annotated[
        Transport,
        typer.Option(help="stdio: a client starts the server; http: clients connect to it."),
    ] = Transport.stdio,
    host: Annotated[str, typer.Option(help="http: address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="http: port to listen on; 0 selects a free one.", min=0, max=65535)
    ] = 8000,
    max_samples: Annotated[
        int, typer.Option(help="Maximum number of samples a call may request.", min=1)
    ] = 64,
    keys: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="http: file with the hashes of API keys."),
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="http: allow access from other hosts without keys.")
    ] = False,
    grace: Annotated[
        float, typer.Option(help="http: seconds running calls have to finish on shutdown.", min=0.1)
    ] = 10.0,
    max_connections: MaxConnectionsOption = None,
    max_client_connections: MaxClientConnectionsOption = None,
    head_timeout: HeadTimeoutOption = 10.0,
    body_timeout: BodyTimeoutOption = 30.0,
    send_timeout: SendTimeoutOption = 60.0,
    keep_alive: KeepAliveOption = 5,
    log_format: LogFormatOption = LogFormat.console,
    log_level: LogLevelOption = LogLevel.info,
) -> None:
    """Serve the tools solve, compare_answers and cluster_answers to MCP clients.

    Runs until the client closes stdin or Ctrl-C. A second Ctrl-C exits at once.

    Exit codes: 0: clean shutdown, 2: usage or config error, 3: cannot listen on the address,
    130: second Ctrl-C.
    """
    _check_installed()
    from a2r.interfaces.http.model_registry import ModelRegistry
    from a2r.interfaces.http.settings import ServerSettings
    from a2r.interfaces.mcp_server.server_state import ServerState

    state = ServerState(registry=ModelRegistry.from_configs(configs or []), max_samples=max_samples)
    # An invalid config is reported when the server starts, not at the first call.
    state.solver(state.default)
    _configure_logging(log_format, log_level)
    if transport is Transport.stdio:
        _serve_stdio(state)
    else:
        settings = ServerSettings(
            host=host,
            port=port,
            keys=keys,
            no_auth=no_auth,
            grace=grace,
            max_connections=max_connections,
            max_client_connections=max_client_connections,
            head_seconds=head_timeout,
            body_seconds=body_timeout,
            send_seconds=send_timeout,
            keep_alive_seconds=keep_alive,
        )
        _serve_http(state, settings)
    # Python's last garbage collection takes over a second. Clients kill a server that takes two
    # seconds to exit.
    gc.freeze()


def _check_installed() -> None:
    try:
        import mcp.server  # noqa: F401 - checks that it is installed
    except ImportError as error:
        raise MissingExtraError("mcp", "mcp") from error


def _serve_stdio(state: ServerState) -> None:
    from a2r.interfaces.mcp_server.sdk import create_server
    from a2r.interfaces.mcp_server.server import RequestHandlers
    from a2r.interfaces.mcp_server.stdio_transport import serve_stdio

    if sys.stdin is None:
        raise ConfigError(
            "stdin is closed: the stdio transport needs it (use --transport http instead)"
        )
    if sys.stdin.isatty():
        _say("Waiting for an MCP client on stdin (Ctrl-C to stop)")
    server = create_server(RequestHandlers(state=state))
    asyncio.run(serve_stdio(server, state))


def _serve_http(state: ServerState, settings: ServerSettings) -> None:
    try:
        from a2r.interfaces.http.api_keys import ApiKeyStore
        from a2r.interfaces.http.sockets import bind, listen, listener_url
        from a2r.interfaces.mcp_server.http_middleware import ApiKeyMiddleware
        from a2r.interfaces.mcp_server.http_transport import MCP_PATH, create_app, serve_http
        from a2r.interfaces.mcp_server.sdk import create_server
        from a2r.interfaces.mcp_server.server import RequestHandlers
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "uvicorn", "mcp") from error

    settings.check_exposure()
    app = create_app(create_server(RequestHandlers(state=state)), settings)
    if settings.keys is not None:
        keys = ApiKeyStore(settings.keys)
        keys.load()
        app = ApiKeyMiddleware(app=app, keys=keys)
    with bind(settings.host, settings.port) as listener:
        listen(listener)
        _say(f"MCP server on {listener_url(listener, MCP_PATH)}; press Ctrl-C to stop")
        asyncio.run(serve_http(app, state, listener, settings))


def _configure_logging(log_format: LogFormat, log_level: LogLevel) -> None:
    """Log a2r, and the warnings of other libraries, in one format on stderr."""
    configure_logging(log_format.value, log_level.value)
    logging.basicConfig(level=logging.WARNING, handlers=logging.getLogger(LOGGER).handlers)


def _say(message: str) -> None:
    print(f"a2r: {message}", file=sys.stderr)
