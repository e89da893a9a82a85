"""`a2r up`: the vLLM servers of a config, from their start to their end."""

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
from a2r.cli.ask import LogFormat
from a2r.cli.options import ConfigArgument, SetOption
from a2r.config import EMBEDDED, LoadedConfig, default_config_name, load_config
from a2r.errors import InterruptedRunError
from a2r.result import ROLES

if TYPE_CHECKING:
    from a2r.serving.vllm.server_spec import ServerSpec
    from a2r.serving.vllm.supervisor import VllmSupervisor

FRAMES_A_SECOND = 4
STYLES = {"healthy": "green", "restarting": "yellow", "starting": "cyan"}


class Emit(StrEnum):
    """What the servers can be written as."""

    compose = "compose"


def up(
    config: ConfigArgument = None,
    assignments: SetOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands, and start nothing.")
    ] = False,
    emit: Annotated[
        Emit | None, typer.Option(help="Print the servers as a compose file, and start nothing.")
    ] = None,
    logs: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Where the log files go. (default: the user's log folder)"
        ),
    ] = None,
    log_format: Annotated[
        LogFormat | None, typer.Option(help="Log lines on stderr instead of the live display.")
    ] = None,
) -> None:
    """Start the vLLM servers that a config's 'serve' sections describe, and keep them running.

    Prints an address a line once all are healthy, and runs until Ctrl-C, which ends the servers
    and their children; a second Ctrl-C kills them.

    Exit codes: 0 ended in order, 2 usage or config, 3 a server did not start or keep running,
    130 interrupted before all were healthy, or ended by a second Ctrl-C.
    """
    from a2r.serving.vllm.server_spec import server_specs

    loaded = load_config(config or default_config_name(), assignments=assignments or [])
    if _all_embedded(loaded):
        _say(f"nothing to start: the embedded engine of config {loaded.name} starts by itself")
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
    asyncio.run(_serve(loaded, specs, folder, live=live))


async def _serve(
    loaded: LoadedConfig, specs: list[ServerSpec], folder: Path, *, live: bool
) -> None:
    from a2r._internal.signals import SignalHandler
    from a2r.serving.vllm.supervisor import VllmSupervisor

    supervisor = VllmSupervisor(specs, folder)
    with SignalHandler(supervisor.kill) as interrupts:
        try:
            with _display(supervisor) if live else nullcontext():
                done = await interrupts.run_until_signal(supervisor.start())
            if live:
                configure_logging("console")
            if not done:
                raise InterruptedRunError
            for line in _addresses(loaded, specs):
                print(line, flush=True)
            get_logger().info("all servers are healthy; Ctrl-C ends them", logs=str(folder))
            await interrupts.run_until_signal(supervisor.watch())
        finally:
            await supervisor.stop()
    if interrupts.forced:
        raise InterruptedRunError


def _addresses(loaded: LoadedConfig, specs: list[ServerSpec]) -> list[str]:
    """A line for each role and server: role, model, address."""
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
            where = ", ".join(map(redact_url, role.endpoints))
            _say(f"{name} has no serve section: nothing is started for it, it uses {where}")
        for url in unlisted_servers(role):
            _say(f"{url} is started for {name}, but {name}.endpoints does not name it")


def _display(supervisor: VllmSupervisor) -> Live:
    return Live(
        console=Console(stderr=True),
        get_renderable=lambda: _table(supervisor),
        refresh_per_second=FRAMES_A_SECOND,
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


def _say(message: str) -> None:
    print(f"a2r: {strip_control_characters(message)}", file=sys.stderr)
