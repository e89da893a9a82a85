"""Plain text tables."""

from __future__ import annotations

from collections.abc import Sequence

COLUMN_GAP = "  "


def format_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table: the headings, then the rows, in left-aligned columns.

    Raises:
        ValueError: a row has more or fewer cells than there are headings.
    """
    lines = [headings, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        COLUMN_GAP.join(
            f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)
        ).rstrip()
        for cells in lines
    ]
