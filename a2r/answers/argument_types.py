"""Checks of the arguments of the public functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from a2r.answers.errors import ArgumentTypeError
from a2r.answers.settings import Settings
from a2r.answers.types import Answer


def check_text(value: object, name: str) -> None:
    """Check that an argument is a text.

    Raises:
        ArgumentTypeError: it is not.
    """
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{name} is a text, not {type(value).__name__}")


def check_answer(value: object, name: str) -> None:
    """Check that an argument is an answer.

    Raises:
        ArgumentTypeError: it is neither an `Answer` nor a text.
    """
    if not isinstance(value, (str, Answer)):
        raise ArgumentTypeError(f"{name} is an Answer or a text, not {type(value).__name__}")


def check_answers(value: object) -> None:
    """Check that an argument is a list of answers.

    Raises:
        ArgumentTypeError: it is not, or one of its items is neither an answer nor `None`.
    """
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise ArgumentTypeError(f"answers are a list, not {type(value).__name__}")
    for position, answer in enumerate(value):
        if answer is not None:
            check_answer(answer, f"answer {position}")


def check_texts(value: object) -> None:
    """Check that an argument is a list of texts; the items are checked when they are read.

    Raises:
        ArgumentTypeError: it is not.
    """
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise ArgumentTypeError(f"texts are a list of texts, not {type(value).__name__}")


def check_options(settings: object, question: object) -> None:
    """Check the settings and the question that a function takes beside its answers.

    Raises:
        ArgumentTypeError: one of them has another type.
    """
    if not isinstance(settings, Settings):
        raise ArgumentTypeError(f"settings are a Settings object, not {type(settings).__name__}")
    if question is not None:
        check_text(question, "question")
