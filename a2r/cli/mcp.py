"""`a2r mcp`: the tools and resources of A2R for MCP clients, over stdio or HTTP."""

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
from a2r.cli.ask import LogFormat, LogLevel
from a2r.cli.options import ConfigsOption
from a2r.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from a2r.interfaces.http.settings import ServerSettings
    from a2r.interfaces.mcp_server.server_state import ServerState


class Transport(StrEnum):
    """How clients reach the server."""

    stdio = "stdio"
    http = "http"


def mcp(
    configs: ConfigsOption = None,
    transport: Annotated[
        Transport, typer.Option(help="stdio: a client starts it; http: clients connect to it.")
    ] = Transport.stdio,
    host: Annotated[str, typer.Option(help="http: the address to bind.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="http: the port; 0 takes a free one.", min=0, max=65535)
    ] = 8000,
    max_samples: Annotated[
        int, typer.Option(help="The most samples that a call may ask for.", min=1)
    ] = 64,
    keys: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="http: the keys that clients need, as hashes."),
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="http: let others than this machine in without keys.")
    ] = False,
    grace: Annotated[
        float, typer.Option(help="http: seconds that runs have to finish at the end.", min=0.1)
    ] = 10.0,
    log_format: Annotated[
        LogFormat, typer.Option(help="The form of the log lines on stderr.")
    ] = LogFormat.console,
    log_level: Annotated[
        LogLevel, typer.Option(help="The least level that is logged; debug logs model text.")
    ] = LogLevel.info,
) -> None:
    """Serve A2R to MCP clients: the tools solve, compare_answers and cluster_answers.

    Runs until the client closes stdin, or Ctrl-C; a second one ends it at once.

    Exit codes: 0 ended in order, 2 usage or config, 3 the address cannot be used, 130 ended by a
    second Ctrl-C.
    """
    _check_installed()
    from a2r.interfaces.http.model_registry import ModelRegistry
    from a2r.interfaces.http.settings import ServerSettings
    from a2r.interfaces.mcp_server.server_state import ServerState

    desk = ServerState(registry=ModelRegistry.from_configs(configs or []), max_samples=max_samples)
    # A client learns of a config that cannot be built when it starts the server, not later.
    desk.solver(desk.default)
    _log_everything(log_format, log_level)
    if transport is Transport.stdio:
        _serve_stdio(desk)
    else:
        _serve_http(
            desk, ServerSettings(host=host, port=port, keys=keys, no_auth=no_auth, grace=grace)
        )
    # At its end Python looks through everything that was imported, for over a second. A client
    # kills a server that takes two.
    gc.freeze()


def _check_installed() -> None:
    try:
        import mcp.server.mcpserver  # noqa: F401 - whether it is there, and new enough
    except ImportError as error:
        raise MissingExtraError("mcp", "mcp") from error


def _serve_stdio(desk: ServerState) -> None:
    from a2r.interfaces.mcp_server.server import build_server
    from a2r.interfaces.mcp_server.stdio_transport import serve_stdio

    if sys.stdin is None:
        raise ConfigError("standard input is closed, on which a client of MCP would talk")
    if sys.stdin.isatty():
        _say("waits for an MCP client on standard input; Ctrl-C ends it")
    asyncio.run(serve_stdio(build_server(desk)))


def _serve_http(desk: ServerState, settings: ServerSettings) -> None:
    from a2r.interfaces.http.api_keys import ApiKeyStore
    from a2r.interfaces.http.sockets import bind, listen, listener_url
    from a2r.interfaces.mcp_server.http_transport import PATH, KeyGuard, application, serve_http
    from a2r.interfaces.mcp_server.server import build_server

    settings.check_exposure()
    app = application(build_server(desk), settings.host)
    if settings.keys is not None:
        ring = ApiKeyStore(settings.keys)
        ring.load()
        app = KeyGuard(app=app, keys=ring)
    with bind(settings.host, settings.port) as listener:
        listen(listener)
        _say(f"MCP server on {listener_url(listener, PATH)}; Ctrl-C ends it")
        asyncio.run(serve_http(app, desk, listener, grace=settings.grace))


def _log_everything(log_format: LogFormat, log_level: LogLevel) -> None:
    """The logs of A2R, and the warnings of everything else, in one form on stderr."""
    configure_logging(log_format.value, log_level.value)
    logging.basicConfig(level=logging.WARNING, handlers=logging.getLogger(LOGGER).handlers)


def _say(message: str) -> None:
    print(f"a2r: {message}", file=sys.stderr)
