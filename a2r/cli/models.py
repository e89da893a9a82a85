"""`a2r models`: list and download the models of the embedded engine."""

from __future__ import annotations

from typing import Annotated

import typer

from a2r._internal.logging import configure_logging
from a2r.serving.embedded import ModelStore, catalog
from a2r.serving.embedded.model_store import default_model_folder

models_app = typer.Typer(help="List and download the models of the embedded engine.")


@models_app.callback(invoke_without_command=True)
def list_models(context: typer.Context) -> None:
    """List the models of the catalog, and whether their files are stored."""
    if context.invoked_subcommand is not None:
        return
    store = ModelStore(folder=default_model_folder())
    width = max(map(len, catalog()))
    for name, model in catalog().items():
        state = "present" if store.is_present(model) else "not present"
        print(f"{name:<{width}}  {model.bytes / 1e6:7.0f} MB  {model.license}  {state}")


@models_app.command("pull")
def pull(
    name: Annotated[
        str, typer.Argument(help="Name in the catalog, or owner/repo/file.gguf on the hub.")
    ],
) -> None:
    """Download and verify a model file, and print its path."""
    configure_logging("console")
    print(ModelStore(folder=default_model_folder()).fetch(name))
