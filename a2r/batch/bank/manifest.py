"""The manifest of a bank: what was asked, with which config, and by which version."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from a2r._internal.models import FrozenModel
from a2r.batch.errors import BankError
from a2r.config import LoadedConfig

MANIFEST = "manifest.json"
# Where and how fast a config runs, not what it samples.
OPERATIONAL = ("endpoints", "weights", "concurrency", "retries", "api_key_env", "price")
OPERATIONAL_SECTIONS = ("budget.session.", "engine.")


class Manifest(FrozenModel):
    """The manifest.

    `config` are the values by dotted key, without secrets; `config_hash` covers those that decide
    what is sampled. `questions_hash` is that of the questions' file, null for standard input.
    `code_hash` covers the graph and its nodes if they are not shipped. Times are in seconds since
    the epoch; `finished_at` is null until every question has a record.
    """

    format: Literal["a2r-bank"] = "a2r-bank"
    schema_version: Literal[1] = 1
    a2r_version: str
    config_name: str
    config: dict[str, Any]
    config_hash: str
    code_hash: str | None = None
    questions_file: str
    questions_hash: str | None
    keep_thinking: bool = False
    created_at: float
    finished_at: float | None = None
    questions: int | None = None

    def write(self, folder: Path) -> None:
        """Write the manifest, replacing the old one at once."""
        temporary = folder / f".{MANIFEST}"
        with temporary.open("w", encoding="utf-8") as file:
            file.write(self.model_dump_json(indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / MANIFEST)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a bank.

        Raises:
            BankError: there is none, or it cannot be read.
        """
        path = folder / MANIFEST
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise BankError(f"{folder} is not a bank: it has no {MANIFEST}") from error
        except OSError as error:
            raise BankError(f"{path}: cannot be read: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise BankError(f"{path}: is not a manifest: {where}: {first['msg']}") from error


def config_hash(loaded: LoadedConfig) -> str:
    """The hash of the values that decide what is sampled."""
    values = {key: value for key, value in loaded.values().items() if _decides(key)}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _decides(key: str) -> bool:
    return key.rpartition(".")[2] not in OPERATIONAL and not key.startswith(OPERATIONAL_SECTIONS)
