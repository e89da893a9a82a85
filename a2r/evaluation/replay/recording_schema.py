"""One line of a recording: a question, its gold, and its samples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from a2r._internal.text import replace_surrogates
from a2r.answers import Kind
from a2r.answers.errors import UnknownKindError
from a2r.answers.parsing.multiple_choice import options
from a2r.answers.types import validate_kind
from a2r.evaluation.replay.field_mapping import FieldMapping, RecordingError

MAX_TOKENS = 1 << 53
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RecordedSample:
    """A sample as it was recorded; `answer` counts where there is no text. Unknown is `None`.

    `failed` says that it was drawn and brought nothing at all.
    """

    text: str = ""
    answer: str | None = None
    tokens: int | None = None
    finish_reason: str | None = None
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recorded question: its text with its options, its gold, and at least one sample.

    `kind` is `None` where the recording tells none, or `auto`, or one that a2r does not know, which
    is `strange_kind` then.
    """

    problem: str
    gold: str
    kind: Kind | None
    samples: tuple[RecordedSample, ...]
    unknown_kind: str | None = None


def parse_recording(line: bytes, fields: FieldMapping) -> Recording:
    """The question of a line.

    Raises:
        RecordingError: the line is no JSON object, or a field is missing or of another type.
    """
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"no JSON: {error}") from error
    if not isinstance(record, dict):
        raise RecordingError("no JSON object")
    samples = fields.value(record, "samples")
    if not isinstance(samples, list) or not samples:
        raise RecordingError(f"{_named(fields, 'samples')} is missing, or no list of samples")
    kind, strange = _kind(fields.value(record, "kind"))
    return Recording(
        problem=_with_options(_needed(record, "problem", fields), fields.value(record, "choices")),
        gold=_needed(record, "gold", fields),
        kind=kind,
        unknown_kind=strange,
        samples=tuple(_sample(sample, place, fields) for place, sample in enumerate(samples)),
    )


def parse_kind(name: object) -> Kind:
    """The kind of answers that a name stands for; `mcq` is `choice`.

    Raises:
        RecordingError: there is no such kind.
    """
    try:
        folded = name.strip().casefold() if isinstance(name, str) else name
        return validate_kind("choice" if folded == "mcq" else folded)
    except UnknownKindError as error:
        raise RecordingError(str(error)) from error


def _kind(name: object) -> tuple[Kind | None, str | None]:
    """The kind that a recording tells, and its name where there is no such kind."""
    if name is None:
        return None, None
    try:
        kind = parse_kind(name)
    except RecordingError:
        return None, replace_surrogates(str(name))
    return None if kind == "auto" else kind, None


def _sample(sample: object, place: int, fields: FieldMapping) -> RecordedSample:
    if isinstance(sample, str):
        return RecordedSample(text=replace_surrogates(sample))
    if sample is None:
        return RecordedSample(failed=True)
    if not isinstance(sample, dict):
        raise RecordingError(f"sample {place} is neither a text nor an object")
    try:
        text, answer, finish = (
            _text(sample, name, fields) for name in ("text", "answer", "finish_reason")
        )
        tokens = _tokens(sample, fields)
    except RecordingError as error:
        raise RecordingError(f"sample {place}: {error}") from error
    # A null says that there was no answer; a name that is nowhere is another name.
    if not any(fields.contains(sample, name) for name in ("text", "answer")) and finish is None:
        names = " nor ".join(_named(fields, name) for name in ("text", "answer"))
        raise RecordingError(f"sample {place} has neither {names}")
    return RecordedSample(text=text or "", answer=answer, tokens=tokens, finish_reason=finish)


def _tokens(sample: Record, fields: FieldMapping) -> int | None:
    value = fields.value(sample, "tokens")
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= MAX_TOKENS:
        raise RecordingError(f"{_named(fields, 'tokens')} is no number of tokens")
    return int(value)


def _needed(record: Record, name: str, fields: FieldMapping) -> str:
    value = _text(record, name, fields)
    if value is None or not value.strip():
        raise RecordingError(
            f"{_named(fields, name)} is missing or empty (--map {name}=NAME tells another name)"
        )
    return value


def _text(record: Record, name: str, fields: FieldMapping) -> str | None:
    """A text; a number, as answers often are, is one, and so is a list of one."""
    value = fields.value(record, name)
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RecordingError(f"{_named(fields, name)} is no text")
    return replace_surrogates(str(value))


def _named(fields: FieldMapping, name: str) -> str:
    return " or ".join(repr(one) for one in fields.names(name))


def _with_options(problem: str, choices: object) -> str:
    """The problem followed by its options, if it does not list them itself."""
    if isinstance(choices, list):
        choices = dict(zip(LETTERS, choices, strict=False))
    if not isinstance(choices, Mapping) or not choices or options(problem):
        return problem
    listed = (
        f"{replace_surrogates(str(k))}) {' '.join(replace_surrogates(str(v)).split())}"
        for k, v in choices.items()
    )
    return "\n".join([problem, *listed])
