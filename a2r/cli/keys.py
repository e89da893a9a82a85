"""`a2r keys`: API keys of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

keys_app = typer.Typer(help="Make API keys for 'a2r serve'.", no_args_is_help=True)


@keys_app.callback()
def keys() -> None:
    """Make API keys for 'a2r serve' and 'a2r mcp'."""


@keys_app.command()
def new(
    name: Annotated[str, typer.Argument(help="Whose key it is; it stands in the logs.")],
    file: Annotated[Path, typer.Option("--keys", help="The file that keeps its hash.")] = Path(
        "a2r-keys.yaml"
    ),
) -> None:
    """Make a key, print it once, and keep its hash in a file; a server reads it at once.

    To take a key back, remove its line from the file.
    """
    from a2r.interfaces.http.api_keys import add_key

    print(add_key(file, name))
