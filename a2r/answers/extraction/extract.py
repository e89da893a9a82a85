"""Extract the final answer from the text of a sample."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from a2r.answers.argument_types import check_options, check_text
from a2r.answers.extraction.announced import announced_answer, boxed_content
from a2r.answers.extraction.boxed import last_box
from a2r.answers.extraction.candidate import Candidate
from a2r.answers.extraction.choices import find_choice
from a2r.answers.extraction.code_blocks import answer_in_json, last_json
from a2r.answers.extraction.conclusions import concluding_answer
from a2r.answers.extraction.final_statement import final_statement
from a2r.answers.extraction.html import strip_html
from a2r.answers.extraction.infer_kind import infer_kind
from a2r.answers.extraction.next_question import strip_next_question
from a2r.answers.extraction.program import find_program
from a2r.answers.extraction.strip_reasoning import strip_reasoning
from a2r.answers.parsing.literals import literal_form
from a2r.answers.sandbox.json_schema import conforms
from a2r.answers.settings import DEFAULTS, Settings
from a2r.answers.types import Answer, Kind, validate_kind

LAST_NUMBER = re.compile(r"-?(?<![\w.])\$?\d+(?:,\d+)*(?:\.\d+)?(?:/\d+)?%?(?!\d)")


def extract(
    text: str, kind: Kind = "auto", question: str | None = None, settings: Settings = DEFAULTS
) -> Answer | None:
    """Extract the final answer of a text; `None` if there is none. Reasoning never counts.

    Takes time linear in the length of the text and starts no process, except to validate JSON
    against `settings.json_schema`.

    Args:
        text: the text of a model.
        kind: the kind of answer; `auto` infers it from the question. Without a question, `auto`
            takes a boxed answer, then an answer phrase, then a conclusion in the last line.
        question: the question; for the kind `choice` it lists the options.
        settings: `last_number` allows the last number as a guess; `json_schema` is the schema for
            answers of kind `json`.

    Raises:
        ArgumentTypeError: an argument has another type.
        UnknownKindError: `kind` is not one of the kinds.
        SchemaError: `json_schema` is invalid.
        MissingExtraError: `json_schema` is set and jsonschema-rs is not installed.
    """
    check_text(text, "text")
    check_options(settings, question)
    if validate_kind(kind) == "auto" and question is not None:
        kind = infer_kind(question)
    answer = strip_next_question(strip_reasoning(text), question or "")
    if kind not in ("code", "json"):
        answer = strip_html(answer)
    candidate = EXTRACTORS[kind](answer, question or "")
    if candidate is None and settings.last_number and kind in ("auto", "math"):
        numbers = LAST_NUMBER.findall(answer)
        candidate = (0, numbers[-1], "last_number") if numbers else None
    if candidate is None or not _conforms(candidate[1], kind, settings):
        return None
    return Answer(text=candidate[1], kind=kind, extraction_method=candidate[2])


def _conforms(text: str, kind: Kind, settings: Settings) -> bool:
    if kind != "json" or settings.json_schema is None:
        return True
    return conforms(json.loads(text), settings.json_schema, settings)


def _math(text: str, question: str) -> Candidate | None:
    box = last_box(text)
    if box is not None:
        later = announced_answer(text[box.end :], words=False, numeric=True)
        return later or (box.start, boxed_content(box), "boxed")
    return (
        announced_answer(text, words=True, numeric=True)
        or _json_answer(text)
        or _conclusion(text, words=False, numeric=True)
    )


def _words(text: str, question: str) -> Candidate | None:
    box = last_box(text)
    if box is not None:
        return box.start, boxed_content(box), "boxed"
    return (
        announced_answer(text, words=True, numeric=False)
        or _json_answer(text)
        or _conclusion(text, words=True, numeric=False)
    )


def _json_answer(text: str) -> Candidate | None:
    has_answer, value = answer_in_json(text)
    if not has_answer or value is None or value == "":
        return None
    return 0, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), "json"


def _conclusion(text: str, *, words: bool, numeric: bool) -> Candidate | None:
    if answer_in_json(text)[0] or text.rstrip().endswith(("```", "~~~")):
        return None
    value = concluding_answer(text, words=words)
    if value is None and numeric:
        value = final_statement(text)
    return None if value is None else (0, value, "last_line")


def _json(text: str, question: str) -> Candidate | None:
    document = last_json(text)
    if document is None:
        return None
    value = json.dumps(json.loads(document), ensure_ascii=False, sort_keys=True)
    # Numbers with more digits than a float stay as written.
    same = literal_form(value, "json") == literal_form(document, "json")
    return 0, value if same else document, "json"


def _code(text: str, question: str) -> Candidate | None:
    program = find_program(text, question)
    return (0, program, "code") if program and program.strip() else None


EXTRACTORS: Mapping[Kind, Callable[[str, str], Candidate | None]] = {
    "auto": _words,
    "math": _math,
    "text": _words,
    "choice": find_choice,
    "json": _json,
    "code": _code,
}
