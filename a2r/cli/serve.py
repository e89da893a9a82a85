"""`a2r serve`: an OpenAI-compatible API server."""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

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
from a2r.errors import ConfigError, InterruptedRunError, MissingExtraError

LIMITS = "Limits"
ACCESS = "Access"


class ExtraFieldsPolicy(StrEnum):
    """How the server handles request fields that OpenAI's API does not have."""

    pass_ = "pass"
    drop = "drop"
    refuse = "refuse"


def serve(
    configs: ConfigsOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 selects a free one.")] = 8000,
    keys: Annotated[
        Path | None,
        typer.Option(
            help="File with the hashes of API keys (see 'a2r keys new').",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    no_auth: Annotated[
        bool,
        typer.Option(
            "--no-auth", help="Allow access from other hosts without keys.", rich_help_panel=ACCESS
        ),
    ] = False,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--cors-origin",
            help="Origin whose web pages may use the server, such as https://app.example; may be"
            " repeated, * allows all.",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    allow: Annotated[
        str,
        typer.Option(
            help="Overrides a request may set, of samples, gate, config, graph, kind; or none.",
            rich_help_panel=ACCESS,
        ),
    ] = "samples,gate,config,graph,kind",
    max_samples: Annotated[
        int,
        typer.Option(help="Maximum number of samples of a request.", rich_help_panel=LIMITS),
    ] = 64,
    max_choices: Annotated[
        int,
        typer.Option(help="Maximum number of choices (n) of a request.", rich_help_panel=LIMITS),
    ] = 8,
    concurrency: Annotated[
        int,
        typer.Option(help="Maximum number of requests running at once.", rich_help_panel=LIMITS),
    ] = 256,
    queue: Annotated[
        int, typer.Option(help="Maximum number of waiting requests.", rich_help_panel=LIMITS)
    ] = 1024,
    max_body: Annotated[
        int, typer.Option(help="Maximum bytes of a request body.", rich_help_panel=LIMITS)
    ] = 4 << 20,
    extra_fields: Annotated[
        ExtraFieldsPolicy,
        typer.Option(
            "--extra-fields",
            help="Request fields that OpenAI's API does not have: pass those of vLLM on to the"
            " endpoints and refuse others, drop all, or refuse all.",
            rich_help_panel=ACCESS,
        ),
    ] = ExtraFieldsPolicy.pass_,
    grace: Annotated[
        float,
        typer.Option(
            help="Seconds running requests have to finish on shutdown.", rich_help_panel=LIMITS
        ),
    ] = 30.0,
    max_connections: MaxConnectionsOption = None,
    max_client_connections: MaxClientConnectionsOption = None,
    head_timeout: HeadTimeoutOption = 10.0,
    body_timeout: BodyTimeoutOption = 30.0,
    send_timeout: SendTimeoutOption = 60.0,
    keep_alive: KeepAliveOption = 5,
    log_format: LogFormatOption = LogFormat.console,
    log_level: LogLevelOption = LogLevel.info,
) -> None:
    """Serve configs as models of an OpenAI-compatible API, until Ctrl-C or SIGTERM.

    Exit codes: 0: clean shutdown, 2: usage or config error, 3: cannot listen on the address, or a
    model cannot be fetched or started, 130: interrupted during startup.
    """
    try:
        from a2r.interfaces.http.model_registry import ModelRegistry
        from a2r.interfaces.http.settings import ServerSettings
        from a2r.interfaces.openai_server.lifecycle import run
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "fastapi", "server") from error

    allowed = [name.strip() for name in allow.split(",") if name.strip() not in ("", "none")]
    values: dict[str, Any] = {
        "host": host,
        "port": port,
        "keys": keys,
        "no_auth": no_auth,
        "allowed": allowed,
        "max_samples": max_samples,
        "max_choices": max_choices,
        "concurrency": concurrency,
        "queue": queue,
        "body_bytes": max_body,
        "extra_fields": extra_fields.value,
        "grace": grace,
        "cors_origins": tuple(cors_origin or ()),
        "max_connections": max_connections,
        "max_client_connections": max_client_connections,
        "head_seconds": head_timeout,
        "body_seconds": body_timeout,
        "send_seconds": send_timeout,
        "keep_alive_seconds": keep_alive,
    }
    try:
        settings = ServerSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"a2r serve: {first['loc'][0]}: {first['msg']}") from error
    configure_logging(log_format.value, log_level.value)
    for library in ("asyncio", "uvicorn"):
        logging.getLogger(library).handlers[:] = logging.getLogger(LOGGER).handlers
        logging.getLogger(library).propagate = False
    try:
        run(ModelRegistry.from_configs(configs or []), settings)
    except KeyboardInterrupt as error:
        raise InterruptedRunError from error
