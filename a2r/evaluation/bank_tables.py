"""Banks as tables: a row per question, or per sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from a2r.batch import BankRecord
from a2r.errors import MissingExtraError
from a2r.result import Attempt

if TYPE_CHECKING:
    import pandas
    import pyarrow

Rows = Literal["questions", "samples"]


def question_row(record: BankRecord) -> dict[str, Any]:
    """The row of a question: its result without the texts of its samples."""
    result = record.result
    return {
        "number": record.number,
        "id": record.id,
        "question": record.question,
        "kind": record.kind if result is None else result.kind,
        "gold": record.gold,
        "status": record.status,
        "answer": None if result is None else result.answer,
        "correct": record.correct,
        "method": None if result is None else result.method,
        "agreement": None if result is None else result.agreement,
        "clusters": None if result is None else len(result.clusters),
        "samples": None if result is None else len(result.samples),
        "syntheses": None if result is None else len(result.synthesis),
        "decision": None if result is None or result.gate is None else result.gate.decision,
        "calls": record.usage.calls,
        "prompt_tokens": record.usage.prompt_tokens,
        "completion_tokens": record.usage.completion_tokens,
        "cost": record.usage.cost,
        "seconds": record.seconds,
        "error": record.error,
    }


def sample_rows(record: BankRecord) -> Iterator[dict[str, Any]]:
    """The rows of the samples of a question, then of its syntheses."""
    if record.result is None:
        return
    clusters = {
        sample: number
        for number, cluster in enumerate(record.result.clusters)
        for sample in cluster.samples
    }
    for sample in record.result.samples:
        place = {"role": sample.role, "wave": sample.wave, "round": None}
        yield _attempt_row(record, sample, place | {"cluster": clusters.get(sample.index)})
    for synthesis in record.result.synthesis:
        place = {"role": "synthesizer", "wave": None, "round": synthesis.round}
        yield _attempt_row(record, synthesis, place | {"cluster": None})


def _attempt_row(record: BankRecord, attempt: Attempt, place: dict[str, Any]) -> dict[str, Any]:
    return {
        "number": record.number,
        "id": record.id,
        "index": attempt.index,
        **place,
        "status": attempt.status,
        "answer": attempt.answer,
        "text": attempt.text,
        "finish_reason": attempt.finish_reason,
        "prompt_tokens": attempt.usage.prompt_tokens,
        "completion_tokens": attempt.usage.completion_tokens,
        "cost": attempt.usage.cost,
        "seconds": attempt.seconds,
        "endpoint": attempt.endpoint,
        "error": attempt.error,
    }


def _rows(records: Iterable[BankRecord], rows: Rows) -> Iterator[dict[str, Any]]:
    for record in records:
        if rows == "questions":
            yield question_row(record)
        else:
            yield from sample_rows(record)


def to_pandas(records: Iterable[BankRecord], rows: Rows = "questions") -> pandas.DataFrame:
    """The records of a bank as a pandas table with a row per question, or per sample.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError("pandas", "tables") from error
    return pandas.DataFrame.from_records(list(_rows(records, rows)))


def to_arrow(records: Iterable[BankRecord], rows: Rows = "questions") -> pyarrow.Table:
    """The records of a bank as an Arrow table with a row per question, or per sample.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtraError("pyarrow", "tables") from error
    return pyarrow.Table.from_pylist(list(_rows(records, rows)))
