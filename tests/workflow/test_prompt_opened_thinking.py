"""Thinking that the prompt opens: only its closing tag is in the reply of the synthesizer."""

from __future__ import annotations

from typing import Any

import pytest

from a2r import A2R
from a2r.events import SynthesisDelta
from a2r.interfaces.chat.stream_deltas import deltas
from tests.fault_server import Behavior, FaultServer
from tests.support.fake_openai import config_for

pytestmark = pytest.mark.integration

QUESTION = "What is 12 + 30?"
THINKING = "The first two disagree, so I add 12 and 30 again."
SOLUTION = "It is \\boxed{42}."
OPENED = "<think>\n"


def script(**synthesis: Any) -> Any:
    """Samples that disagree, and a synthesis."""
    values = {"text": f"{THINKING}\n</think>\n\n{SOLUTION}", **synthesis}

    def reply(body: dict[str, Any], _: int) -> Behavior:
        if body["model"] == "big":
            return Behavior(**values)
        return Behavior(text=f"So it is \\boxed{{{body['seed']}}}.")

    return reply


async def synthesis(solver: A2R) -> tuple[str, str, int]:
    """The thinking and the text of a streamed synthesis, and the number of its retractions."""
    stream = [event async for event in solver.astream(QUESTION)]
    parts = [event for event in stream if isinstance(event, SynthesisDelta)]
    thinking = "".join(part.thinking for part in parts)
    text = "".join(part.text for part in parts)
    return thinking.strip(), text.strip(), sum(part.retracts for part in parts)


async def content(solver: A2R) -> str:
    """The content that a client of the server reads."""
    return "".join([delta.content async for delta in deltas(solver.astream(QUESTION))])


async def test_the_first_stream_is_split_where_the_tokenizer_shows_the_prompt() -> None:
    with FaultServer(script(), generation_prompt=OPENED) as server:
        solver = A2R(config_for(server.url))
        assert await synthesis(solver) == (THINKING, SOLUTION, 0)
        assert (await content(solver)).strip() == SOLUTION


async def test_later_streams_are_split_as_an_earlier_reply_shows() -> None:
    with FaultServer(script(), api="openai") as server:
        solver = A2R(config_for(server.url))
        _, _, retractions = await synthesis(solver)
        assert retractions == 1
        assert await synthesis(solver) == (THINKING, SOLUTION, 0)
        assert (await content(solver)).strip() == SOLUTION
        # The template may change with a restart of the server.
        server.script = script(text=SOLUTION)
        assert (await content(solver)).strip() == SOLUTION
        assert await synthesis(solver) == ("", SOLUTION, 0)


async def test_a_server_that_separates_the_thinking_sends_none_as_content() -> None:
    parsed = script(text=SOLUTION, reasoning=THINKING)
    with FaultServer(parsed, generation_prompt=OPENED) as server:
        solver = A2R(config_for(server.url))
        for _ in range(2):
            assert await synthesis(solver) == (THINKING, SOLUTION, 0)


async def test_a_reply_that_closes_no_thinking_is_an_answer() -> None:
    with FaultServer(script(text=SOLUTION), generation_prompt=OPENED) as server:
        solver = A2R(config_for(server.url))
        assert (await content(solver)).strip() == SOLUTION
        assert await synthesis(solver) == ("", SOLUTION, 0)


async def test_a_prompt_that_cannot_be_tokenized_costs_no_reply() -> None:
    with FaultServer(script(text=SOLUTION), generation_prompt=OPENED, api="openai") as server:
        assert await synthesis(A2R(config_for(server.url))) == ("", SOLUTION, 0)
