"""`a2r answers`: what `a2r.answers` offers, for shell scripts and other languages."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any, BinaryIO

import typer

from a2r.answers import Answer, Cluster, Kind, Settings, cluster, compare, extract, grade
from a2r.answers.errors import UnknownKindError
from a2r.answers.types import validate_kind
from a2r.errors import A2RError, NoAnswerFoundError

answers_app = typer.Typer(
    help="Read and compare answers: from arguments, from stdin, or many as JSON lines.",
    no_args_is_help=True,
)
# So that -5 is an answer, and no option.
NEGATIVES = {"ignore_unknown_options": True}
Record = dict[str, Any]
KindOption = Annotated[str, typer.Option("--kind", help="auto, math, choice, text, json or code.")]
LinesOption = Annotated[
    bool, typer.Option("--jsonl", help="Read a JSON object a line, print one a line.")
]


class InputError(A2RError):
    """Input that is no JSON, or does not say what is needed."""

    exit_code = 2


@answers_app.command("extract")
def extract_command(
    text: Annotated[str, typer.Argument(help="A model's text; - reads stdin.")] = "-",
    kind: KindOption = "auto",
    question: Annotated[
        str | None, typer.Option(help="The question, which lists the options of a choice.")
    ] = None,
    last_number: Annotated[
        bool, typer.Option("--last-number", help="Take the last number where nothing else is.")
    ] = False,
    jsonl: LinesOption = False,
) -> None:
    """Print the final answer of a text; exit with 4 if it gives none.

    Lines of --jsonl hold text, and may hold kind and question; a null answer is none.
    """
    settings = Settings(last_number=last_number)
    asked = _kind(kind)

    def of_record(record: Record) -> Record:
        line_kind = _kind(record.get("kind", asked))
        line_question = _optional_text(record, "question") or question
        return _answer(extract(_text(record, "text"), line_kind, line_question, settings))

    if jsonl:
        _each_line(of_record)
        return
    found = extract(_argument(text), asked, question, settings)
    if found is None:
        raise NoAnswerFoundError("the text gives no final answer")
    print(found.text)


@answers_app.command("compare", context_settings=NEGATIVES)
def compare_command(
    first: Annotated[str | None, typer.Argument(help="An answer.")] = None,
    second: Annotated[str | None, typer.Argument(help="Another, or the gold.")] = None,
    kind: KindOption = "auto",
    against_gold: Annotated[
        bool, typer.Option("--grade", help="Grade the first, or its answer, by the second.")
    ] = False,
    jsonl: LinesOption = False,
) -> None:
    """Print whether two answers are the same; exit with 0 if they are, with 1 if not.

    Lines of --jsonl hold a and b, and may hold kind; with --grade, answer and gold.
    """
    asked = _kind(kind)
    names = ("answer", "gold") if against_gold else ("a", "b")

    def of_record(record: Record) -> Record:
        pair = _text(record, names[0]), _text(record, names[1])
        line_kind = _kind(record.get("kind", asked))
        if against_gold:
            return {"right": grade(*pair, line_kind)}
        comparison = compare(*pair, line_kind)
        return {"same": comparison.same, "undecided": comparison.undecided}

    if jsonl:
        _each_line(of_record)
        return
    if first is None or second is None:
        raise InputError("compare takes two answers, or --jsonl and lines on stdin")
    found = of_record({names[0]: first, names[1]: second})
    print(_verdict(found))
    if not found.get("same", found.get("right")):
        raise typer.Exit(1)


@answers_app.command("cluster", context_settings=NEGATIVES)
def cluster_command(
    answers: Annotated[
        list[str] | None, typer.Argument(help="Answers; without any, the lines of stdin.")
    ] = None,
    kind: KindOption = "auto",
    jsonl: LinesOption = False,
) -> None:
    """Print the clusters of equivalent answers, largest first, as JSON.

    A cluster has its answer, its votes, and the positions of its samples in the input. Lines of
    --jsonl hold answers, a list of texts and nulls, and may hold kind.
    """
    asked = _kind(kind)

    def of_record(record: Record) -> Record:
        given = record.get("answers")
        if not isinstance(given, list) or any(not isinstance(a, str | None) for a in given):
            raise InputError("'answers' is no list of texts and nulls")
        groups = cluster(given, _kind(record.get("kind", asked)))
        return {"clusters": [_group(group) for group in groups]}

    if jsonl and answers:
        raise InputError("--jsonl reads stdin: leave the answers out")
    if jsonl:
        _each_line(of_record)
        return
    given = answers if answers and answers != ["-"] else _stdin_lines()
    print(json.dumps(of_record({"answers": given})["clusters"], ensure_ascii=False, indent=2))


def _stdin_lines() -> list[str | None]:
    lines = (line.decode(errors="replace").strip() for line in _stdin())
    return [line or None for line in lines]


def _each_line(of_record: Callable[[Record], Record]) -> None:
    """Print what comes of each line of stdin; a bad line costs itself alone.

    Raises:
        InputError: at the end, if a line was bad.
    """
    bad = 0
    for number, line in _lines():
        try:
            found = of_record(_record(line))
        except InputError as error:
            bad += 1
            found = {"error": f"line {number}: {error}"}
        print(json.dumps(found, ensure_ascii=True), flush=True)
    if bad:
        raise InputError(f"{bad} lines could not be used; their output says why")


def _lines() -> Iterator[tuple[int, bytes]]:
    return ((n, line) for n, line in enumerate(_stdin(), 1) if line.strip())


def _record(line: bytes) -> Record:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"no JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError("no JSON object")
    return value


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise InputError(f"{name!r} is missing, or no text")
    return value


def _optional_text(record: Record, name: str) -> str | None:
    return None if record.get(name) is None else _text(record, name)


def _kind(value: object) -> Kind:
    try:
        return validate_kind(value)
    except UnknownKindError as error:
        raise InputError(str(error)) from error


def _argument(text: str) -> str:
    return _stdin().read().decode(errors="replace") if text == "-" else text


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise InputError("stdin is closed: give the text as an argument")
    return sys.stdin.buffer


def _answer(found: Answer | None) -> Record:
    if found is None:
        return {"answer": None, "kind": None, "extraction_method": None}
    return {"answer": found.text, "kind": found.kind, "extraction_method": found.extraction_method}


def _verdict(found: Record) -> str:
    if "right" in found:
        return "right" if found["right"] else "wrong"
    return "same" if found["same"] else "undecided" if found["undecided"] else "different"


def _group(group: Cluster) -> Record:
    return {
        "answer": group.answer,
        "votes": group.votes,
        "samples": list(group.samples),
        "undecided": group.undecided,
    }
