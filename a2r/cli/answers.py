"""`a2r answers`: the functions of `a2r.answers` for shell scripts and other languages."""

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
    help="Extract, compare and cluster answers: from arguments, stdin or JSON lines.",
    no_args_is_help=True,
)
# So that -5 is an answer rather than an option.
NEGATIVE_NUMBERS = {"ignore_unknown_options": True}
Record = dict[str, Any]
KindOption = Annotated[str, typer.Option("--kind", help="auto, math, choice, text, json or code.")]
LinesOption = Annotated[
    bool, typer.Option("--jsonl", help="Read and print one JSON object per line.")
]


class InputError(A2RError):
    """The input is not valid JSON, or a value is missing or has the wrong type."""

    exit_code = 2


@answers_app.command("extract")
def extract_command(
    text: Annotated[str, typer.Argument(help="The text of a model; - reads stdin.")] = "-",
    kind: KindOption = "auto",
    question: Annotated[
        str | None, typer.Option(help="The question, with the options of a choice.")
    ] = None,
    last_number: Annotated[
        bool,
        typer.Option("--last-number", help="Take the last number if there is no other answer."),
    ] = False,
    jsonl: LinesOption = False,
) -> None:
    """Print the final answer of a text; exit with 4 if there is none.

    With --jsonl, a line has the key text, and optionally kind and question; the answer is null
    if there is none.
    """
    settings = Settings(last_number=last_number)
    default_kind = _kind(kind)

    def extract_record(record: Record) -> Record:
        line_kind = _kind(record.get("kind", default_kind))
        line_question = _optional_text(record, "question") or question
        return _answer(extract(_text(record, "text"), line_kind, line_question, settings))

    if jsonl:
        _process_lines(extract_record)
        return
    answer = extract(_argument(text), default_kind, question, settings)
    if answer is None:
        raise NoAnswerFoundError("the text has no final answer")
    print(answer.text)


@answers_app.command("compare", context_settings=NEGATIVE_NUMBERS)
def compare_command(
    first: Annotated[str | None, typer.Argument(help="An answer.")] = None,
    second: Annotated[
        str | None, typer.Argument(help="Another answer, or the gold answer.")
    ] = None,
    kind: KindOption = "auto",
    against_gold: Annotated[
        bool, typer.Option("--grade", help="Grade the first answer, or text, against the second.")
    ] = False,
    jsonl: LinesOption = False,
) -> None:
    """Print whether two answers are the same; exit with 0 if they are, else with 1.

    With --jsonl, a line has the keys a and b (with --grade: answer and gold), and optionally kind.
    """
    default_kind = _kind(kind)
    names = ("answer", "gold") if against_gold else ("a", "b")

    def compare_record(record: Record) -> Record:
        pair = _text(record, names[0]), _text(record, names[1])
        line_kind = _kind(record.get("kind", default_kind))
        if against_gold:
            return {"right": grade(*pair, line_kind)}
        comparison = compare(*pair, line_kind)
        return {"same": comparison.same, "undecided": comparison.undecided}

    if jsonl:
        _process_lines(compare_record)
        return
    if first is None or second is None:
        raise InputError("compare takes two answers, or --jsonl and lines on stdin")
    result = compare_record({names[0]: first, names[1]: second})
    print(_verdict(result))
    if not result.get("same", result.get("right")):
        raise typer.Exit(1)


@answers_app.command("cluster", context_settings=NEGATIVE_NUMBERS)
def cluster_command(
    answers: Annotated[
        list[str] | None, typer.Argument(help="Answers; without arguments, the lines of stdin.")
    ] = None,
    kind: KindOption = "auto",
    jsonl: LinesOption = False,
) -> None:
    """Print the clusters of equivalent answers, largest first, as JSON.

    A cluster has an answer, votes, and the positions of its samples in the input. With --jsonl,
    a line has the key answers, a list of strings and nulls, and optionally kind.
    """
    default_kind = _kind(kind)

    def cluster_record(record: Record) -> Record:
        texts = record.get("answers")
        if not isinstance(texts, list) or any(not isinstance(text, str | None) for text in texts):
            raise InputError("'answers' is not a list of strings and nulls")
        clusters = cluster(texts, _kind(record.get("kind", default_kind)))
        return {"clusters": [_cluster(group) for group in clusters]}

    if jsonl and answers:
        raise InputError("--jsonl reads stdin and takes no answers as arguments")
    if jsonl:
        _process_lines(cluster_record)
        return
    texts = answers if answers and answers != ["-"] else _stdin_lines()
    clusters = cluster_record({"answers": texts})["clusters"]
    print(json.dumps(clusters, ensure_ascii=False, indent=2))


def _stdin_lines() -> list[str | None]:
    lines = (line.decode(errors="replace").strip() for line in _stdin())
    return [line or None for line in lines]


def _process_lines(process: Callable[[Record], Record]) -> None:
    """Print the result of each line of stdin; an invalid line does not affect the others.

    Raises:
        InputError: at the end, if a line was invalid.
    """
    invalid = 0
    for number, line in _lines():
        try:
            result = process(_record(line))
        except InputError as error:
            invalid += 1
            result = {"error": f"line {number}: {error}"}
        print(json.dumps(result, ensure_ascii=True), flush=True)
    if invalid:
        raise InputError(f"{invalid} invalid lines; see the errors in the output")


def _lines() -> Iterator[tuple[int, bytes]]:
    return ((n, line) for n, line in enumerate(_stdin(), 1) if line.strip())


def _record(line: bytes) -> Record:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"invalid JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError("not a JSON object")
    return value


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise InputError(f"{name!r} is missing or not a string")
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
        raise InputError("stdin is closed: pass the text as an argument")
    return sys.stdin.buffer


def _answer(answer: Answer | None) -> Record:
    if answer is None:
        return {"answer": None, "kind": None, "extraction_method": None}
    return {
        "answer": answer.text,
        "kind": answer.kind,
        "extraction_method": answer.extraction_method,
    }


def _verdict(result: Record) -> str:
    if "right" in result:
        return "right" if result["right"] else "wrong"
    return "same" if result["same"] else "undecided" if result["undecided"] else "different"


def _cluster(group: Cluster) -> Record:
    return {
        "answer": group.answer,
        "votes": group.votes,
        "samples": list(group.samples),
        "undecided": group.undecided,
    }
