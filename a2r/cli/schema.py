"""`a2r schema`: the JSON Schemas of a result, and of the records of a bank."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel


class Document(StrEnum):
    """What a schema describes."""

    result = "result"
    bank = "bank"
    manifest = "manifest"


def schema(
    document: Annotated[
        Document,
        typer.Argument(
            help="result: what 'a2r ask --json' prints; bank: a line of a bank; manifest: the "
            "manifest of a bank."
        ),
    ] = Document.result,
) -> None:
    """Print the JSON Schema of a result, of a line of a bank, or of a bank's manifest."""
    model, version = _model(document)
    schema_document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:a2r:{document.value}:{version}",
        **model.model_json_schema(mode="serialization"),
    }
    print(json.dumps(schema_document, indent=2))


def _model(document: Document) -> tuple[type[BaseModel], int]:
    """The model of a document, and the version of its schema."""
    if document is Document.result:
        from a2r.result import SCHEMA_VERSION, Result

        return Result, SCHEMA_VERSION
    from a2r.batch import BANK_SCHEMA_VERSION, BankRecord, Manifest

    return (BankRecord if document is Document.bank else Manifest), BANK_SCHEMA_VERSION
