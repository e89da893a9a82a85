"""`a2r keys`: API keys for the servers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

keys_app = typer.Typer(no_args_is_help=True)


@keys_app.callback()
def keys() -> None:
    """Create API keys for 'a2r serve' and 'a2r mcp'."""


@keys_app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the key's owner, shown in logs.")],
    file: Annotated[Path, typer.Option("--keys", help="File that stores the hash.")] = Path(
        "a2r-keys.yaml"
    ),
) -> None:
    """Create a key, print it once, and store its hash in a file.

    Running servers reload the file when it changes. To revoke a key, remove its line.
    """
    from a2r.interfaces.http.api_keys import add_key

    print(add_key(file, name))
