"""`a2r serve`: A2R behind OpenAI's API."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError

from a2r._internal.logging import LOGGER, configure_logging
from a2r.cli.options import ConfigsOption
from a2r.errors import ConfigError, InterruptedRunError, MissingExtraError

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["console", "json"]
LIMITS = "Limits"
ACCESS = "Access"


def serve(
    configs: ConfigsOption = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.")] = 8000,
    keys: Annotated[
        Path | None,
        typer.Option(
            help="File of the API keys' hashes ('a2r keys new' writes it).",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    no_auth: Annotated[
        bool,
        typer.Option("--no-auth", help="Serve others without keys.", rich_help_panel=ACCESS),
    ] = False,
    allow: Annotated[
        str,
        typer.Option(
            help="What a request may override: of samples, gate, config, graph, kind; or none.",
            rich_help_panel=ACCESS,
        ),
    ] = "samples,gate,config,graph,kind",
    max_samples: Annotated[
        int, typer.Option(help="Most samples a request may ask for.", rich_help_panel=LIMITS)
    ] = 64,
    max_choices: Annotated[
        int, typer.Option(help="Most choices (n) of a request.", rich_help_panel=LIMITS)
    ] = 8,
    concurrency: Annotated[
        int, typer.Option(help="Requests that run at once.", rich_help_panel=LIMITS)
    ] = 256,
    queue: Annotated[
        int, typer.Option(help="Requests that may wait for a place.", rich_help_panel=LIMITS)
    ] = 1024,
    max_body: Annotated[
        int, typer.Option(help="Most bytes of a request.", rich_help_panel=LIMITS)
    ] = 4 << 20,
    grace: Annotated[
        float,
        typer.Option(help="Seconds to finish what runs at the end.", rich_help_panel=LIMITS),
    ] = 30.0,
    log_format: Annotated[Format, typer.Option(help="How stderr is written.")] = "console",
    log_level: Annotated[Level, typer.Option(help="What is logged.")] = "info",
) -> None:
    """Serve configs as models of an OpenAI-compatible API, until Ctrl-C or SIGTERM.

    Exit codes: 0 ended in order, 2 usage or config, 3 the address cannot be used, or a model not
    be fetched or started, 130 interrupted before it served.
    """
    try:
        from a2r.interfaces.http.model_registry import ModelRegistry
        from a2r.interfaces.http.settings import ServerSettings
        from a2r.interfaces.openai_server.lifecycle import run
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "fastapi", "server") from error

    names = [name.strip() for name in allow.split(",") if name.strip() not in ("", "none")]
    values: dict[str, Any] = {
        "host": host,
        "port": port,
        "keys": keys,
        "no_auth": no_auth,
        "allowed": names,
        "samples": max_samples,
        "choices": max_choices,
        "concurrency": concurrency,
        "queue": queue,
        "body_bytes": max_body,
        "grace": grace,
    }
    try:
        settings = ServerSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"a2r serve: {first['loc'][0]}: {first['msg']}") from error
    configure_logging(log_format, log_level)
    for other in ("asyncio", "uvicorn"):
        logging.getLogger(other).handlers[:] = logging.getLogger(LOGGER).handlers
        logging.getLogger(other).propagate = False
    try:
        run(ModelRegistry.from_configs(configs or []), settings)
    except KeyboardInterrupt as error:
        raise InterruptedRunError from error
