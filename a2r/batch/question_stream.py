"""The questions of a batch as an asynchronous stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from a2r._internal.thread_stream import stream_in_thread
from a2r.batch.question_files import UnreadableRow, read_rows
from a2r.batch.questions import BatchQuestion, InvalidQuestion, parse_question
from a2r.batch.settings import BatchSettings


async def stream_questions(
    settings: BatchSettings,
) -> AsyncGenerator[BatchQuestion | InvalidQuestion, None]:
    """Yield the questions of a file in order, up to the limit of the settings.

    Raises:
        QuestionsError: the file cannot be read.
    """
    rows = stream_in_thread(lambda: read_rows(settings.questions, settings.form))
    number = 0
    async with aclosing(rows) as source:
        async for row in source:
            if settings.limit is not None and number >= settings.limit:
                return
            if isinstance(row, UnreadableRow):
                yield InvalidQuestion(number=number, reason=row.reason)
            else:
                yield parse_question(number, row, settings.fields)
            number += 1
