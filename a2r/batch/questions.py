"""The questions of a batch: lines of JSON, CSV or Parquet, read one after the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from a2r._internal import field_mapping
from a2r._internal.text import replace_surrogates
from a2r.answers.errors import UnknownKindError
from a2r.answers.parsing.multiple_choice import parse_options
from a2r.answers.types import Kind, validate_kind
from a2r.batch.bank.records import BankRecord
from a2r.batch.errors import QuestionsError
from a2r.batch.recorded_replies import recorded_replies
from a2r.errors import A2RError
from a2r.inference.types import ChatMessage, ModelReply
from a2r.workflow.chat_messages import to_messages
from a2r.workflow.inputs import Question, split_history, to_graph_input

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class QuestionFields(field_mapping.FieldMapping):
    """The names of the columns of a question; dots in a name select nested objects."""

    fields: ClassVar[tuple[str, ...]] = ("question", "messages", "gold", "kind", "choices", "id")
    default_names: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "question": ("question", "problem", "prompt", "query"),
        "gold": ("gold", "answer", "target", "solution"),
        "choices": ("choices", "options", "meta.choices"),
    }
    example: ClassVar[str] = "question=problem"
    error: ClassVar[Callable[[str], A2RError]] = QuestionsError


@dataclass(frozen=True, kw_only=True)
class BatchQuestion:
    """A question of a batch.

    `number` is its position, from 0, `text` the question with its options, `messages` the chat if
    it is one. `fields` are the other columns. `replies` are recorded replies by the name of their
    call, each with the hash of its request.
    """

    number: int
    id: str
    text: str
    messages: list[ChatMessage] | None = None
    kind: Kind | None = None
    gold: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    replies: Mapping[str, tuple[str, ModelReply]] = field(default_factory=dict)

    @property
    def question(self) -> Question:
        """The question as `A2R.aask` takes it."""
        return self.text if self.messages is None else [dict(m) for m in self.messages]

    @property
    def hash(self) -> str:
        """The hash of the question, its kind and its gold answer."""
        values = (self.id, self.text, self.messages, self.kind, self.gold)
        return hashlib.sha256(json.dumps(values, ensure_ascii=False).encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class InvalidQuestion:
    """A line that is no question: its position and the reason."""

    number: int
    reason: str


def parse_question(
    number: int, row: object, fields: QuestionFields
) -> BatchQuestion | InvalidQuestion:
    """Parse a row: an object with a question or messages, or a text."""
    if isinstance(row, BankRecord):
        return from_record(row)
    try:
        if isinstance(row, str):
            row = {fields.names("question")[0]: row}
        if not isinstance(row, Mapping):
            raise QuestionsError("expected an object or a text")
        return _question(number, row, fields)
    except A2RError as error:
        return InvalidQuestion(number=number, reason=str(error))


def from_record(record: BankRecord) -> BatchQuestion | InvalidQuestion:
    """The question of a bank's record with its number and its replies."""
    if not record.question:
        return InvalidQuestion(number=record.number, reason=record.error or "no question")
    return BatchQuestion(
        number=record.number,
        id=record.id,
        text=record.question,
        messages=record.messages,
        kind=record.kind,
        gold=record.gold,
        fields=record.fields,
        replies=recorded_replies(record),
    )


def _question(number: int, row: Row, fields: QuestionFields) -> BatchQuestion:
    messages = _messages(fields.value(row, "messages"))
    text = _text(row, "question", fields)
    if messages is not None:
        text, _, _ = split_history(to_messages([dict(message) for message in messages]))
    if text is None:
        names = " or ".join(repr(name) for name in fields.names("question"))
        raise QuestionsError(f"has no {names}; use --map question=NAME to read another column")
    if messages is None:
        text = _with_options(text, fields.value(row, "choices"))
        to_graph_input(text)
    used = {name.split(".")[0] for field_name in fields.fields for name in fields.names(field_name)}
    return BatchQuestion(
        number=number,
        id=_text(row, "id", fields) or str(number),
        text=text,
        messages=messages,
        kind=_kind(fields.value(row, "kind")),
        gold=_text(row, "gold", fields),
        fields={name: value for name, value in row.items() if name not in used},
    )


def _messages(value: object) -> list[ChatMessage] | None:
    if value is None:
        return None
    if isinstance(value, str):
        # A column of a CSV file.
        try:
            value = json.loads(value)
        except ValueError as error:
            raise QuestionsError(f"its messages are not JSON: {error}") from error
    if not isinstance(value, Sequence) or not value:
        raise QuestionsError("its messages must be a list of chat messages")
    chat = [dict(message) if isinstance(message, Mapping) else message for message in value]
    converted = to_messages(chat)
    names = {"human": "user", "ai": "assistant"}
    return [
        ChatMessage(role=names.get(message.type, message.type), content=str(message.text))
        for message in converted
    ]


def _kind(name: object) -> Kind | None:
    if name is None or name == "":
        return None
    try:
        return validate_kind("choice" if name == "mcq" else name)
    except UnknownKindError as error:
        raise QuestionsError(str(error)) from error


def _text(row: Row, name: str, fields: QuestionFields) -> str | None:
    value = fields.value(row, name)
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        quoted = " or ".join(repr(each) for each in fields.names(name))
        raise QuestionsError(f"{quoted} must be text, not {type(value).__name__}")
    return replace_surrogates(str(value))


def _with_options(text: str, choices: object) -> str:
    """Return the question followed by its options, unless it lists them itself."""
    if isinstance(choices, Mapping) and isinstance(choices.get("text"), Sequence):
        # The form of ARC: parallel lists of labels and texts.
        choices = dict(zip(choices.get("label", LETTERS), choices["text"], strict=False))
    if isinstance(choices, Sequence) and not isinstance(choices, str):
        choices = dict(zip(LETTERS, choices, strict=False))
    if not isinstance(choices, Mapping) or not choices or parse_options(text):
        return text
    lines = (f"{key}) {' '.join(str(value).split())}" for key, value in choices.items())
    return replace_surrogates("\n".join([text, *lines]))
