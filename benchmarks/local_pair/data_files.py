"""The recorded files: gzipped JSON Lines, one question or synthesis per line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.local_pair.variants import DATA


def read(name: str) -> list[dict[str, Any]]:
    """Return the rows of a file, or none if it does not exist."""
    path = DATA / f"{name}.jsonl.gz"
    if not path.is_file():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write(name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows atomically: to a temporary file, which then replaces the file."""
    path = DATA / f"{name}.jsonl.gz"
    temporary = path.with_suffix(".part")
    ordered = sorted(rows, key=lambda row: (row["id"], row.get("variant", "")))
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ordered)
    # Without a time in the gzip header, equal rows give equal files.
    temporary.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
    temporary.replace(path)


def recorded_indices(row: Mapping[str, Any] | None) -> set[int]:
    """Return the indices of the samples in a row."""
    return set() if row is None else {sample["index"] for sample in row["samples"]}
