"""Answers in Markdown tables."""

from __future__ import annotations

import re

ROW = re.compile(r"^[ \t]{0,8}\|[^\n]*\|[ \t]*$", re.MULTILINE)
RULE = re.compile(r"^[\s|:-]+$")
LABEL = re.compile(
    r"^(?:final |correct |the )?(?:answer|result|total|sum|réponse|respuesta|resposta|risposta"
    r"|antwort"
    r"|ergebnis|ответ|答案|答え|정답)$",
    re.IGNORECASE,
)
MAX_TABLE_CHARACTERS = 4000


def unframe_tables(text: str) -> str:
    """The text with the answer of a table as a line `Answer: …` after it.

    The answer stands in the last row, beside a label such as `Answer`, or below it as the only
    row. Only a table at the end of the text counts.
    """
    tail = text[-MAX_TABLE_CHARACTERS:]
    rows = [_cells(match[0]) for match in ROW.finditer(tail) if not RULE.match(match[0])]
    last = list(ROW.finditer(tail))[-1:]
    if not rows or tail[last[0].end() :].strip():
        return text
    answer = _beside_label(rows[-1]) or (_below_label(rows) if len(rows) == 2 else None)
    return text if answer is None else f"{text}\n\nAnswer: {answer}"


def _cells(row: str) -> list[str]:
    return [cell.strip(" \t*_`") for cell in row.strip().strip("|").split("|")]


def _beside_label(cells: list[str]) -> str | None:
    """The last cell of a row that starts with a label."""
    labelled = len(cells) > 1 and LABEL.match(cells[0].rstrip(":："))
    return cells[-1] if labelled and cells[-1] else None


def _below_label(rows: list[list[str]]) -> str | None:
    """The cell of the only row below a label in the header."""
    header, row = rows
    columns = [n for n, cell in enumerate(header) if LABEL.match(cell)]
    return row[columns[0]] if len(columns) == 1 and columns[0] < len(row) else None
