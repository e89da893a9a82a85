"""`a2r up`: start the vLLM servers of a config and keep them running."""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import platformdirs
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from a2r._internal.logging import configure_logging, get_logger
from a2r._internal.text import one_line, strip_control_characters
from a2r._internal.urls import redact_url
from a2r.cli.options import ConfigArgument, LogFormat, SetOption
from a2r.config import EMBEDDED, LoadedConfig, default_config_name, load_config
from a2r.errors import InterruptedRunError
from a2r.result import ROLES

if TYPE_CHECKING:
    from a2r.serving.vllm.server_spec import ServerSpec
    from a2r.serving.vllm.supervisor import VllmSupervisor

REFRESH_PER_SECOND = 4
STYLES = {"healthy": "green", "restarting": "yellow", "starting": "cyan"}


class Emit(StrEnum):
    """The formats of `--emit`."""

    compose = "compose"


def up(
    config: ConfigArgument = None,
    assignments: SetOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands without starting the servers.")
    ] = False,
    emit: Annotated[
        Emit | None, typer.Option(help="Print a Compose file without starting the servers.")
    ] = None,
    logs: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Folder of the log files. (default: the user's log folder)"
        ),
    ] = None,
    log_format: Annotated[
        LogFormat | None,
        typer.Option(help="Write log lines to stderr instead of the live display."),
    ] = None,
) -> None:
    """Start the vLLM servers of a config's 'vllm' sections, and keep them running.

    Prints one address per line once all servers are healthy. Ctrl-C stops the servers and their
    child processes; a second Ctrl-C kills them.

    Exit codes: 0: clean shutdown, 2: usage or config error, 3: a server failed, 130: interrupted
    before all servers were healthy, or killed by a second Ctrl-C.
    """
    from a2r.serving.vllm.server_spec import server_specs

    loaded = load_config(config or default_config_name(), assignments=assignments or [])
    if _all_embedded(loaded):
        _print_message(
            f"nothing to start: config {loaded.name} uses the embedded engine, which starts itself"
        )
        return
    specs = server_specs(loaded)
    if emit is not None:
        from a2r.serving.vllm.compose import compose_file

        print(compose_file(loaded.name, specs), end="")
        return
    if dry_run:
        for spec in specs:
            print(f"# {spec.label}: {spec.url}\n{spec.shell()}")
        return
    live = log_format is None and sys.stderr.isatty()
    if not live:
        configure_logging(log_format.value if log_format else "console")
    _warn_unlisted_servers(loaded)
    folder = (logs or Path(platformdirs.user_log_dir("a2r"))).expanduser().absolute()
    asyncio.run(_run(loaded, specs, folder, live=live))


async def _run(loaded: LoadedConfig, specs: list[ServerSpec], folder: Path, *, live: bool) -> None:
    from a2r._internal.signals import SignalHandler
    from a2r.serving.vllm.supervisor import VllmSupervisor

    supervisor = VllmSupervisor(specs, folder)
    with SignalHandler(supervisor.kill) as signals:
        try:
            with _display(supervisor) if live else nullcontext():
                healthy = await signals.run_until_signal(supervisor.start())
            if live:
                configure_logging("console")
            if not healthy:
                raise InterruptedRunError
            for line in _addresses(loaded, specs):
                print(line, flush=True)
            get_logger().info("all servers healthy (Ctrl-C to stop)", logs=str(folder))
            await signals.run_until_signal(supervisor.watch())
        finally:
            await supervisor.stop()
    if signals.forced:
        raise InterruptedRunError


def _addresses(loaded: LoadedConfig, specs: list[ServerSpec]) -> list[str]:
    """One line per role and server: role, model, address."""
    rows = [(name, spec.model, spec.url) for name in ROLES for spec in specs if name in spec.roles]
    width = max(len(model) for _, model, _ in rows)
    return [
        strip_control_characters(f"{role:<11}  {model:<{width}}  {url}")
        for role, model, url in rows
    ]


def _all_embedded(loaded: LoadedConfig) -> bool:
    roles = [loaded.config.role(name) for name in ROLES]
    return all(
        role is None or (role.vllm is None and role.endpoints == [EMBEDDED]) for role in roles
    )


def _warn_unlisted_servers(loaded: LoadedConfig) -> None:
    from a2r.serving.vllm.server_spec import unlisted_servers

    for name in ROLES:
        role = loaded.config.role(name)
        if role is None:
            continue
        if role.vllm is None:
            endpoints = ", ".join(map(redact_url, role.endpoints))
            _print_message(
                f"{name} has no vllm section, so no server is started; it uses {endpoints}"
            )
        for url in unlisted_servers(role):
            _print_message(f"{url} is started for {name}, but is not in {name}.endpoints")


def _display(supervisor: VllmSupervisor) -> Live:
    return Live(
        console=Console(stderr=True),
        get_renderable=lambda: _table(supervisor),
        refresh_per_second=REFRESH_PER_SECOND,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _table(supervisor: VllmSupervisor) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("server", "port", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("seconds", justify="right")
    table.add_column("last log line", no_wrap=True, overflow="ellipsis", ratio=1)
    for server in supervisor.servers:
        table.add_row(
            server.spec.name,
            str(server.spec.port),
            Text(server.state, style=STYLES.get(server.state, "dim")),
            f"{server.seconds:.0f}",
            Text(one_line(server.last_line(), 200), style="dim"),
        )
    return table


def _print_message(message: str) -> None:
    print(f"a2r: {strip_control_characters(message)}", file=sys.stderr)
