"""Options of the servers for their connections, to survive slow clients."""

from __future__ import annotations

from typing import Annotated

import typer

CONNECTIONS = "Connections"
MIN_SECONDS = 0.1
MAX_SECONDS = 86400

MaxConnectionsOption = Annotated[
    int | None,
    typer.Option(
        "--max-connections",
        help="Maximum number of open connections. (default: half of the limit of open files, at"
        " most 4096)",
        min=1,
        rich_help_panel=CONNECTIONS,
    ),
]
MaxClientConnectionsOption = Annotated[
    int | None,
    typer.Option(
        "--max-client-connections",
        help="Maximum number of open connections of one address. (default: half of"
        " --max-connections)",
        min=1,
        rich_help_panel=CONNECTIONS,
    ),
]
HeadTimeoutOption = Annotated[
    float,
    typer.Option(
        "--head-timeout",
        help="Seconds in which a client must send the head of a request.",
        min=MIN_SECONDS,
        max=MAX_SECONDS,
        rich_help_panel=CONNECTIONS,
    ),
]
BodyTimeoutOption = Annotated[
    float,
    typer.Option(
        "--body-timeout",
        help="Seconds in which a client must send the body of a request.",
        min=MIN_SECONDS,
        max=MAX_SECONDS,
        rich_help_panel=CONNECTIONS,
    ),
]
SendTimeoutOption = Annotated[
    float,
    typer.Option(
        "--send-timeout",
        help="Seconds after which a client that does not read its response is disconnected.",
        min=MIN_SECONDS,
        max=MAX_SECONDS,
        rich_help_panel=CONNECTIONS,
    ),
]
KeepAliveOption = Annotated[
    int,
    typer.Option(
        "--keep-alive",
        help="Seconds after which a connection without a request is closed.",
        min=1,
        max=MAX_SECONDS,
        rich_help_panel=CONNECTIONS,
    ),
]
