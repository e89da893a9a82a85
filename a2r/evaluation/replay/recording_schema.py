"""Schema of a line of a recording: a question, its gold answer and its samples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from a2r._internal.text import replace_surrogates
from a2r.answers import Kind
from a2r.answers.errors import UnknownKindError
from a2r.answers.parsing.multiple_choice import parse_options
from a2r.answers.types import validate_kind
from a2r.evaluation.replay.field_mapping import FieldMapping, RecordingError

MAX_TOKENS = 1 << 53
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RecordedSample:
    """A sample as recorded; fields that are not recorded are `None`.

    `answer` is used if `text` is blank. `failed` marks a call without a reply (null).
    """

    text: str = ""
    answer: str | None = None
    tokens: int | None = None
    finish_reason: str | None = None
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recorded question: its text with its options, its gold answer, and at least one sample.

    `kind` is `None` if it is missing, `auto` or unknown; an unknown one is in `unknown_kind`.
    """

    problem: str
    gold: str
    kind: Kind | None
    samples: tuple[RecordedSample, ...]
    unknown_kind: str | None = None


def parse_recording(line: bytes, fields: FieldMapping) -> Recording:
    """Parse a line.

    Raises:
        RecordingError: the line is not a JSON object, or a field is missing or has a wrong type.
    """
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"invalid JSON: {error}") from error
    if not isinstance(record, dict):
        raise RecordingError("expected a JSON object")
    samples = fields.value(record, "samples")
    if not isinstance(samples, list) or not samples:
        raise RecordingError(
            f"{_quoted_names(fields, 'samples')} must be a non-empty list of samples"
        )
    kind, unknown_kind = _kind(fields.value(record, "kind"))
    return Recording(
        problem=_with_parse_options(
            _required_text(record, "problem", fields), fields.value(record, "choices")
        ),
        gold=_required_text(record, "gold", fields),
        kind=kind,
        unknown_kind=unknown_kind,
        samples=tuple(_sample(sample, index, fields) for index, sample in enumerate(samples)),
    )


def parse_kind(name: object) -> Kind:
    """Parse the name of an answer kind; `mcq` is `choice`.

    Raises:
        RecordingError: the kind is unknown.
    """
    try:
        folded = name.strip().casefold() if isinstance(name, str) else name
        return validate_kind("choice" if folded == "mcq" else folded)
    except UnknownKindError as error:
        raise RecordingError(str(error)) from error


def _kind(name: object) -> tuple[Kind | None, str | None]:
    """Return the kind of a recording, and its name if the kind is unknown."""
    if name is None:
        return None, None
    try:
        kind = parse_kind(name)
    except RecordingError:
        return None, replace_surrogates(str(name))
    return None if kind == "auto" else kind, None


def _sample(sample: object, index: int, fields: FieldMapping) -> RecordedSample:
    if isinstance(sample, str):
        return RecordedSample(text=replace_surrogates(sample))
    if sample is None:
        return RecordedSample(failed=True)
    if not isinstance(sample, dict):
        raise RecordingError(f"sample {index} must be text or an object")
    try:
        text, answer, finish = (
            _text(sample, name, fields) for name in ("text", "answer", "finish_reason")
        )
        tokens = _tokens(sample, fields)
    except RecordingError as error:
        raise RecordingError(f"sample {index}: {error}") from error
    # A null is a missing answer. Without both fields, the names are probably different (--map).
    if not any(fields.contains(sample, name) for name in ("text", "answer")) and finish is None:
        names = " nor ".join(_quoted_names(fields, name) for name in ("text", "answer"))
        raise RecordingError(f"sample {index} has neither {names}")
    return RecordedSample(text=text or "", answer=answer, tokens=tokens, finish_reason=finish)


def _tokens(sample: Record, fields: FieldMapping) -> int | None:
    value = fields.value(sample, "tokens")
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= MAX_TOKENS:
        raise RecordingError(f"{_quoted_names(fields, 'tokens')} must be a number of tokens")
    return int(value)


def _required_text(record: Record, name: str, fields: FieldMapping) -> str:
    value = _text(record, name, fields)
    if value is None or not value.strip():
        raise RecordingError(
            f"{_quoted_names(fields, name)} is missing or empty; use --map {name}=NAME to read "
            "another field"
        )
    return value


def _text(record: Record, name: str, fields: FieldMapping) -> str | None:
    """Return a field as text; a number or a list of one value is converted."""
    value = fields.value(record, name)
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RecordingError(f"{_quoted_names(fields, name)} must be text")
    return replace_surrogates(str(value))


def _quoted_names(fields: FieldMapping, name: str) -> str:
    return " or ".join(repr(alias) for alias in fields.names(name))


def _with_parse_options(problem: str, choices: object) -> str:
    """Return the problem followed by its options, unless it lists them itself."""
    if isinstance(choices, list):
        choices = dict(zip(LETTERS, choices, strict=False))
    if not isinstance(choices, Mapping) or not choices or parse_options(problem):
        return problem
    lines = (
        f"{replace_surrogates(str(k))}) {' '.join(replace_surrogates(str(v)).split())}"
        for k, v in choices.items()
    )
    return "\n".join([problem, *lines])
