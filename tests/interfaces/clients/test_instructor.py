"""instructor with the server: the modes that send a JSON schema, and the one that sends a tool."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.clients import MESSAGES, Setup, Start, Sum, import_client, json_reply
from tests.support.fake_openai import replies
from tests.support.serving import MODEL

instructor = import_client("instructor")
core = import_client("instructor.core")
pytestmark = [pytest.mark.integration, pytest.mark.clients]
MODES = ["JSON", "JSON_SCHEMA", "MD_JSON"]


def make_client(setup: Setup, mode: str) -> Any:
    return instructor.from_openai(setup.client, mode=instructor.Mode[mode])


@pytest.mark.parametrize("mode", MODES)
def test_an_object(start: Start, mode: str) -> None:
    setup = start(replies(small=json_reply(42), big=json_reply(42)))
    client = make_client(setup, mode)
    total = client.create(model=MODEL, messages=MESSAGES, response_model=Sum, max_retries=0)
    assert (total.terms, total.total) == ([12, 30], 42)


@pytest.mark.parametrize("mode", MODES)
def test_a_stream_of_partial_objects(start: Start, mode: str) -> None:
    setup = start(replies(small=json_reply(42), big=json_reply(42)))
    client = make_client(setup, mode)
    *_, last = client.create_partial(model=MODEL, messages=MESSAGES, response_model=Sum)
    assert (last.terms, last.total) == ([12, 30], 42)


@pytest.mark.parametrize(
    ("mode", "model", "message"),
    [
        ("TOOLS", MODEL, "'tools' is not supported"),
        ("JSON", f"{MODEL}e", f"did you mean '{MODEL}'"),
    ],
)
def test_an_error_names_its_cause(agreeing: Setup, mode: str, model: str, message: str) -> None:
    client = make_client(agreeing, mode)
    with pytest.raises(core.InstructorRetryException, match=message):
        client.create(model=model, messages=MESSAGES, response_model=Sum, max_retries=0)
