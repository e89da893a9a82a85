"""Questions are read from every format, row by row; rows that cannot be read are reported."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from a2r.batch.errors import QuestionsError
from a2r.batch.question_files import UnreadableRow, count_rows, file_hash, read_rows

ROWS = [{"question": "1+1?", "gold": "2"}, {"question": "“2+2?”\n", "gold": "4"}]


def rows(path: Path, form: Any = None) -> list[Any]:
    return [
        row.reason if isinstance(row, UnreadableRow) else row for row in read_rows(str(path), form)
    ]


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
CSV = 'question,gold\n1+1?,2\n"“2+2?”\n",4\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", LINES),
        ("a.ndjson", "\ufeff" + LINES.replace("\n", "\r\n\n")),
        ("a.json", json.dumps(ROWS, indent=1)),
        ("a.jsonl.gz", gzip.compress(LINES.encode())),
        ("a.jsonl.zst", zstandard.compress(LINES.encode())),
        ("a.csv", CSV),
        ("a.CSV", "\ufeff" + CSV),
        ("a.tsv", CSV.replace(",", "\t")),
    ],
    # A compressed content has its time.
    ids=range(8),
)
def test_every_text_format(tmp_path: Path, name: str, content: str | bytes) -> None:
    assert rows(written(tmp_path / name, content)) == ROWS


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    assert rows(path) == ROWS
    assert count_rows(str(path)) == 2
    with pytest.raises(QuestionsError, match="cannot be read"):
        rows(written(tmp_path / "b.parquet", "no parquet"))


def test_unreadable_lines_are_reported_and_the_others_read(tmp_path: Path) -> None:
    lines = b'{"question": "a"}\n{"question": \n\xff\n"b"\n'
    first, broken, binary, last = rows(written(tmp_path / "a.jsonl", lines))
    assert (first, last) == ({"question": "a"}, "b")
    assert broken.startswith("line 2 is not JSON")
    assert binary.startswith("line 3 is not JSON")


def test_unreadable_rows_of_csv_are_reported_and_the_others_read(tmp_path: Path) -> None:
    content = b'question,gold\na,1\nb,2,3\n"c"x,4\n\xff,5\nd,6\n'
    found = rows(written(tmp_path / "a.csv", content))
    assert found[0] == {"question": "a", "gold": "1"}
    assert found[-1] == {"question": "d", "gold": "6"}
    reasons = [row for row in found if isinstance(row, str)]
    assert [reason.split(" ", 2)[2][:12] for reason in reasons] == [
        "has more val",
        "is not valid",
        "is not UTF-8",
    ]


def test_the_format_of_an_unknown_name_must_be_given(tmp_path: Path) -> None:
    path = written(tmp_path / "questions", LINES)
    with pytest.raises(QuestionsError, match="set --format to one of jsonl, csv"):
        rows(path)
    assert rows(path, "jsonl") == ROWS


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "none.csv")
    for read in (lambda: list(read_rows(path)), lambda: file_hash(path), lambda: count_rows(path)):
        with pytest.raises(QuestionsError, match=r"none\.csv: cannot be read: No such file"):
            read()


def test_rows_are_counted_without_parsing(tmp_path: Path) -> None:
    assert count_rows(str(written(tmp_path / "a.jsonl", LINES))) == 2
    assert count_rows(str(written(tmp_path / "a.csv", "question\na\nb\n"))) == 2
    assert count_rows("-") is None
    assert count_rows(str(tmp_path / "a.jsonl.gz")) is None
