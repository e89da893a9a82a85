"""The recorded files: JSON lines, gzip, one question or synthesis a line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.local_pair.variants import DATA


def read(name: str) -> list[dict[str, Any]]:
    """The rows of a file; none where it is not there."""
    path = DATA / f"{name}.jsonl.gz"
    if not path.is_file():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write(name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Save rows whole: under another name first, so that an interrupted write loses nothing."""
    path = DATA / f"{name}.jsonl.gz"
    beside = path.with_suffix(".part")
    ordered = sorted(rows, key=lambda row: (row["id"], row.get("variant", "")))
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ordered)
    # Without a time in the header equal rows give equal files.
    beside.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
    beside.replace(path)


def recorded(row: Mapping[str, Any] | None) -> set[int]:
    """The indices of the samples that a row holds."""
    return set() if row is None else {sample["index"] for sample in row["samples"]}
