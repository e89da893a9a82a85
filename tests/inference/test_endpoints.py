"""Endpoints that fail in every way: what a sample becomes of it, and what is counted."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler

from a2r import A2R, Result
from a2r.errors import NoAnswerError, UnreachableError
from a2r.inference.cancellation import CancelToken
from a2r.inference.types import CallProgress, Request
from a2r.result import Sample
from tests.fault_server import Behaviour, MisbehavingServer, Rule, Scenario

pytestmark = pytest.mark.integration

TEXT = "So it is \\boxed{42}."
GOOD = Behaviour(text=TEXT, tokens=8)


def config_over(*servers: MisbehavingServer, **explorer: Any) -> dict[str, Any]:
    """A config whose explorer is served by the servers; `deadline` is one of its arguments."""
    deadline = {"call": 20, "question": 60} | explorer.pop("deadline", {})
    return {
        "kind": "math",
        "explorer": {
            "model": "small",
            "endpoints": [server.url for server in servers],
            "samples": 4,
            **explorer,
        },
        "deadline": deadline,
        # Every sample shall come to its end here, whether or not the vote still needs it.
        "stop": {"lossless": False},
    }


async def ask(config: dict[str, Any], question: str = "6 times 7?") -> Result:
    try:
        return await A2R(config).aask(question)
    except NoAnswerError as error:
        return error.result


async def one_sample(behaviour: Behaviour, **explorer: Any) -> Sample:
    """The only sample of a question, whose server answers every request alike."""
    with MisbehavingServer(behaviour) as server:
        result = await ask(config_over(server, samples=1, retries=0, **explorer))
        await server.books.until(lambda books: books.outstanding == 0)
    return result.samples[0]


def said(**changes: Any) -> Behaviour:
    return Behaviour(**{"text": TEXT, "tokens": 8, **changes})


def first(behaviour: Behaviour, count: int = 1) -> Scenario:
    """A server whose first requests go wrong."""
    return Scenario(default=GOOD, rules=(Rule(behaviour=behaviour, first=count),))


PASSING = [
    said(status=500),
    said(status=503),
    said(status=502, error_shape="text"),
    said(status=408),
    said(status=409),
    said(status=425),
    said(status=429),
    said(reset="before_reply"),
    said(reset=3),
    said(truncate="body"),
    said(truncate="connection"),
    said(stream_error=2),
    said(hang="before_headers"),
    said(hang=3),
]
PASSING_IN_STREAMS = [said(malformed=2), said(finish_reason=None), said(endless="comments")]


@pytest.mark.parametrize(
    ("fault", "streamed"),
    [(fault, streamed) for fault in PASSING for streamed in (True, False)]
    + [(fault, True) for fault in PASSING_IN_STREAMS],
    ids=lambda value: value.label if isinstance(value, Behaviour) else str(value),
)
async def test_what_may_pass_is_tried_again_and_every_call_counted(
    fault: Behaviour, streamed: bool
) -> None:
    with MisbehavingServer(first(fault, count=2)) as server:
        deadline = {"call": 0.7, "idle": 0.5}
        result = await ask(config_over(server, stream=streamed, deadline=deadline))
        await server.books.until(lambda books: books.outstanding == 0)
        assert [sample.answer for sample in result.samples] == ["42"] * 4
        assert result.usage.total.calls == server.books.arrived == 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422])
async def test_what_will_not_pass_is_never_tried_again(status: int) -> None:
    with MisbehavingServer(said(status=status, error="this is why")) as server:
        result = await ask(config_over(server))
        assert server.books.arrived == result.usage.total.calls == 4
    for sample in result.samples:
        assert (sample.status, sample.error_type) == ("failed", "rejected")
        assert f"HTTP {status}: this is why" in (sample.error or "")
    # A refusal cost no tokens, which is known.
    assert result.usage.total.completion_tokens == 0
    assert not result.usage.total.estimated


async def test_a_wrong_model_name_lists_the_names_the_server_has() -> None:
    with MisbehavingServer(GOOD, models=("qwen", "llama")) as server:
        result = await ask(config_over(server, model="qwne"))
    assert "serves no model 'qwne', but qwen, llama" in (result.samples[0].error or "")


async def test_a_context_that_is_too_long_tells_by_how_much() -> None:
    limit = "the maximum context length is 50 tokens, your prompt has at least 51 input tokens"
    with MisbehavingServer(said(status=400, error=limit), max_model_len=50) as server:
        result = await ask(config_over(server, samples=1), "word " * 200)
    sample = result.samples[0]
    assert sample.error_type == "context_overflow"
    assert "too long by" in (sample.error or "")
    assert "the context 50" in (sample.error or "")


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("stop", "answered"),
        ("tool_calls", "answered"),
        ("length", "truncated"),
        ("content_filter", "abstained"),
        ("abort", "cancelled"),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_every_finish_reason_has_its_status(reason: str, status: str, streamed: bool) -> None:
    sample = await one_sample(said(finish_reason=reason), stream=streamed)
    assert (sample.status, sample.finish_reason) == (status, reason)
    assert (sample.usage.completion_tokens, sample.usage.estimated) == (8, False)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "think"])
@pytest.mark.parametrize("streamed", [True, False])
async def test_reasoning_is_kept_apart_in_every_form(field: Any, streamed: bool) -> None:
    thinking = said(
        reasoning="Is it \\boxed{9}?", reasoning_field=field, tell_reasoning_tokens=True
    )
    sample = await one_sample(thinking, stream=streamed)
    assert (sample.text, sample.answer) == (TEXT, "42")
    assert (sample.reasoning_tokens or 0) > 0


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "think"])
@pytest.mark.parametrize(("reason", "status"), [("length", "truncated"), ("stop", "abstained")])
@pytest.mark.parametrize("streamed", [True, False])
async def test_thinking_alone_is_no_vote(
    field: Any, reason: str, status: str, streamed: bool
) -> None:
    only = said(text="", reasoning="\\boxed{9}", reasoning_field=field, finish_reason=reason)
    sample = await one_sample(only, stream=streamed)
    assert (sample.status, sample.answer, sample.text) == (status, None, "")


@pytest.mark.parametrize(
    "dress",
    [
        {"line_end": "\r\n"},
        {"line_end": "\r"},
        {"comments": True, "blank_events": True},
        {"coalesce": 5},
        {"write_size": 7, "write_pause": 0.0},
        {"text": "Größe: 四十二 \\boxed{42}", "split_utf8": True, "write_pause": 0.0},
        {"stream_interval": 4},
        {"done": False},
        {"reset": "before_done"},
        {"stream_as_json": True},
        {"text": "", "message": {"content": TEXT}, "tokens": 0},
    ],
    ids=str,
)
@pytest.mark.parametrize("followed", [True, False])
async def test_a_whole_reply_is_a_reply_however_it_is_written(
    dress: dict[str, Any], followed: bool
) -> None:
    behaviour = said(**dress)
    with MisbehavingServer(behaviour) as server:
        solver = A2R(config_over(server, samples=2))
        if followed:
            events = [event async for event in solver.astream("6 times 7?")]
            result = events[-1].result  # type: ignore[union-attr]
        else:
            result = await solver.aask("6 times 7?")
        await server.books.until(lambda books: books.outstanding == 0)
        assert server.books.arrived == 2
    assert [sample.answer for sample in result.samples] == ["42", "42"]
    assert result.samples[0].text == (behaviour.text or TEXT)
    if "text" not in dress:
        assert (result.usage.total.completion_tokens, result.usage.total.estimated) == (16, False)


@pytest.mark.parametrize("usage", ["missing", "zero", {"prompt_tokens": "x"}])
async def test_a_usage_that_is_missing_or_wrong_is_estimated_never_nothing(usage: Any) -> None:
    sample = await one_sample(said(usage=usage))
    assert sample.answer == "42"
    assert sample.usage.estimated
    assert (sample.usage.completion_tokens or 0) > 0
    assert (sample.usage.prompt_tokens or 0) > 0


def strict(body: dict[str, Any], _: int) -> Behaviour:
    """A server that knows no `continuous_usage_stats`, as OpenAI's does not."""
    if "continuous_usage_stats" in body.get("stream_options", {}):
        return said(status=400, error="Unknown parameter: 'stream_options.continuous_usage_stats'")
    return GOOD


async def test_a_server_that_knows_fewer_options_is_asked_without_them_from_then_on() -> None:
    with MisbehavingServer(strict) as server:
        solver = A2R(config_over(server, retries=0))
        first_result = await solver.aask("6 times 7?")
        second = await solver.aask("6 times 7?")
        assert server.books.arrived == 12
    assert (first_result.usage.total.calls, second.usage.total.calls) == (8, 4)
    assert not second.usage.total.estimated


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_honoured_as_seconds_and_as_a_date(form: Any) -> None:
    wait = 0.4 if form == "seconds" else 2
    busy = said(status=429, retry_after=wait, retry_after_as=form)
    with MisbehavingServer(first(busy, count=2)) as server:
        result = await ask(config_over(server, samples=2))
        records = server.books.records
        assert result.usage.total.calls == server.books.arrived == 4
        # A date has whole seconds.
        pause = records[2].start - max(record.end or 0 for record in records[:2])
    assert pause >= (wait if form == "seconds" else 0.5) * 0.9


async def test_a_hang_is_cut_at_the_calls_deadline_and_the_sample_goes_elsewhere() -> None:
    hang = said(hang="before_headers")
    with MisbehavingServer(hang) as stuck, MisbehavingServer(GOOD) as good:
        config = config_over(stuck, good, deadline={"call": 0.5})
        result = await ask(config)
        await stuck.books.until(lambda books: books.outstanding == 0)
        assert result.usage.total.calls == stuck.books.arrived + good.books.arrived
        assert stuck.books.cancelled == stuck.books.arrived
    assert {sample.endpoint for sample in result.samples} == {good.url}


async def test_the_samples_deadline_ends_its_waiting_and_its_retries() -> None:
    with MisbehavingServer(said(status=500)) as server:
        config = config_over(server, samples=1, retries=1000, deadline={"sample": 0.7})
        result = await ask(config)
        assert result.usage.total.calls == server.books.arrived
    [sample] = result.samples
    assert (sample.status, sample.error_type) == ("failed", "deadline")
    assert "the sample's deadline passed; before that: HTTP 500" in (sample.error or "")


async def test_a_deadline_charges_what_the_stream_last_told() -> None:
    slow = Behaviour(text="word " * 1000, token_delay=0.02)
    with MisbehavingServer(slow) as server:
        result = await ask(config_over(server, deadline={"question": 1}))
        await server.books.until(lambda books: books.outstanding == 0)
        records = server.books.records
        assert server.books.cancelled == 4
    told = sum(record.told_so_far or 0 for record in records)
    assert {sample.status for sample in result.samples} == {"cancelled"}
    assert result.usage.total.estimated
    # Some tokens may have been on their way in the moment of the cut.
    assert 0.9 * told <= (result.usage.total.completion_tokens or 0) <= told
    assert result.usage.total.prompt_tokens == sum(record.prompt_tokens for record in records)


@pytest.mark.parametrize(
    ("behaviour", "status", "tokens"),
    [
        (said(token_delay=0.02), "answered", 8),
        (said(token_delay=0.02, truncate="connection"), "cancelled", 4),
    ],
    ids=["complete", "incomplete"],
)
async def test_tokens_that_arrive_together_with_a_cut_are_counted(
    behaviour: Behaviour, status: str, tokens: int
) -> None:
    token = CancelToken()
    with MisbehavingServer(behaviour) as server:

        def cut_when_sent(_: CallProgress) -> None:
            # The loop is blocked until the server has sent the rest: the cut and the rest of the
            # reply then reach the call in the same step.
            server.books.wait(lambda books: books.outstanding == 0)
            token.cancel("enough")

        reply = await A2R(config_over(server, retries=0)).workflow.models.complete(
            Request(
                role="explorer",
                messages=[{"role": "user", "content": "6 times 7?"}],
                seed=None,
                timeout=60,
                cancel_token=token,
            ),
            cut_when_sent,
        )
        [record] = server.books.records
    assert (reply.status, reply.usage.completion_tokens) == (status, tokens)
    assert record.told_so_far == tokens
    assert reply.usage.estimated == (status == "cancelled")


async def test_a_cancelled_question_is_in_the_ledger() -> None:
    slow = Behaviour(text="word " * 1000, token_delay=0.02)
    with MisbehavingServer(slow) as server:
        solver = A2R(config_over(server))
        task = asyncio.create_task(solver.aask("6 times 7?"))
        await server.books.until(lambda books: books.generated >= 40)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.books.until(lambda books: books.outstanding == 0)
        assert server.books.cancelled == 4
        told = sum(record.told_so_far or 0 for record in server.books.records)
    spent = solver.usage.total
    assert spent.calls == 4
    assert spent.estimated
    assert told - 4 <= (spent.completion_tokens or 0) <= told


async def test_an_endpoint_that_dies_mid_run_loses_no_question_and_gets_work_again() -> None:
    slow = Behaviour(text=TEXT, tokens=8, token_delay=0.01)
    with MisbehavingServer(slow) as mortal, MisbehavingServer(slow) as other:
        solver = A2R(config_over(mortal, other, samples=4, concurrency=8))
        questions = [asyncio.create_task(solver.aask(f"6 times {n}?")) for n in range(30)]
        await mortal.books.until(lambda books: books.arrived >= 20)
        mortal.kill()
        results = await asyncio.gather(*questions)
        assert all(result.answer == "42" for result in results)
        before = mortal.books.arrived
        mortal.revive()
        while mortal.books.arrived == before:
            assert (await solver.aask("6 times 7?")).answer == "42"
        assert max(mortal.books.peak, other.books.peak) <= 8
        for server in (mortal, other):
            await server.books.until(lambda books: books.outstanding == 0)
        calls = solver.usage.total.calls
        assert calls == mortal.books.arrived + other.books.arrived


async def test_the_only_endpoint_is_waited_for_while_it_restarts() -> None:
    slow = Behaviour(text=TEXT, tokens=8, token_delay=0.02)
    with MisbehavingServer(slow) as server:
        solver = A2R(config_over(server))
        assert (await solver.aask("6 times 7?")).answer == "42"
        task = asyncio.create_task(solver.aask("7 times 6?"))
        await server.books.until(lambda books: books.arrived >= 6)
        server.kill()
        done, _ = await asyncio.wait([task], timeout=1.5)
        assert not done
        server.revive()
        assert (await task).answer == "42"


async def test_the_samples_of_a_question_share_an_endpoint_and_its_prefix_cache() -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(MisbehavingServer(GOOD)) for _ in range(3)]
        solver = A2R(config_over(*servers, samples=8))
        results = [await solver.aask(f"{'Long story. ' * 40}{n} times 7?") for n in range(6)]
        places = [{sample.endpoint for sample in result.samples} for result in results]
        assert all(len(place) == 1 for place in places)
        assert len({next(iter(place)) for place in places}) == 3
        hits = sum(model.cache_hits for s in servers for model in s.books.models.values())
        assert hits > 0


async def test_weights_share_the_work_out() -> None:
    slow = Behaviour(text=TEXT, tokens=4, token_delay=0.02)
    with MisbehavingServer(slow) as weak, MisbehavingServer(slow) as strong:
        solver = A2R(config_over(weak, strong, samples=2, weights=[1, 3]))
        await asyncio.gather(*(solver.aask(f"{n} times 7?") for n in range(40)))
        assert weak.books.arrived + strong.books.arrived == 80
        assert 1.5 <= strong.books.arrived / weak.books.arrived <= 6


async def test_an_overloaded_endpoint_is_sent_less_and_nothing_is_lost() -> None:
    """A server that refuses whatever is above ten requests at once."""
    server: MisbehavingServer

    def script(_: dict[str, Any], __: int) -> Behaviour:
        if server.books.outstanding > 10:
            return said(status=429)
        return said(token_delay=0.01)

    with MisbehavingServer(script) as server:
        solver = A2R(config_over(server, samples=8, concurrency=100, retries=0))
        results = await asyncio.gather(*(solver.aask(f"{n} times 7?") for n in range(40)))
        counts = Counter(record.status for record in server.books.records)
        assert solver.usage.total.calls == server.books.arrived
    assert all(result.answer == "42" for result in results)
    assert counts[200] == 320
    # Without an adaptive limit a hundred at once would go on being refused.
    assert counts[429] < counts[200]


BASIC = b64encode(b"me:pass word").decode()


def with_user(server: MisbehavingServer) -> dict[str, Any]:
    """A config whose only endpoint has a user and a password in its URL."""
    config = config_over(server, samples=1, retries=0)
    config["explorer"]["endpoints"] = [server.url.replace("//", "//me:pass%20word@")]
    return config


async def test_the_user_and_password_of_a_url_are_sent_as_a_header_and_never_shown(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    def repeats_what_it_refuses(_: dict[str, Any], number: int) -> Behaviour:
        told = f"who is me, pass word, pass%20word, Basic {BASIC}?"
        return GOOD if number == 0 else said(status=401, error=told)

    with MisbehavingServer(repeats_what_it_refuses) as server:
        solver = A2R(with_user(server))
        await solver.workflow.models.probe("explorer")
        result = await solver.aask("6 times 7?")
        assert (result.answer, result.samples[0].endpoint) == ("42", server.url)
        with pytest.raises(NoAnswerError) as refused:
            await solver.aask("6 times 7?")
        assert "HTTP 401: who is me, [key], [key], Basic [key]?" in str(
            refused.value.result.samples[0].error
        )
        assert {sent["Authorization"] for sent in server.books.headers} == {f"Basic {BASIC}"}
        server.kill()
        with pytest.raises(UnreachableError) as unreached:
            await solver.workflow.models.probe("explorer")
        lost = await ask(with_user(server))
    shown = [str(refused.value), str(unreached.value), caplog.text, *capsys.readouterr()]
    results = (result, refused.value.result, lost)
    shown += [json.dumps(each.model_dump(mode="json")) for each in results]
    for secret in (BASIC, "pass word", "pass%20word"):
        assert secret not in "".join(shown)


async def test_a_key_goes_before_the_user_of_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-mine")
    with MisbehavingServer(GOOD) as server:
        config = with_user(server)
        config["explorer"]["api_key_env"] = "MY_KEY"
        assert (await ask(config)).answer == "42"
        assert [sent["Authorization"] for sent in server.books.headers] == ["Bearer sk-mine"]


async def test_the_requests_are_the_same_whether_a_callback_listens_or_not() -> None:
    class Listener(BaseCallbackHandler):
        heard = 0

        def on_chat_model_start(self, *_: Any, **__: Any) -> None:
            type(self).heard += 1

    sampling = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 64, "extra_body": {"top_k": 20}}
    with MisbehavingServer(GOOD) as server:
        solver = A2R(config_over(server, samples=2, sampling=sampling))
        await solver.aask("6 times 7?")
        await solver.aask("6 times 7?", {"callbacks": [Listener()]})
        bodies = sorted(server.books.requests, key=lambda body: int(body["seed"]))
    assert Listener.heard == 2
    assert bodies[0] == bodies[1]
    assert bodies[2] == bodies[3]
    assert (bodies[0]["top_k"], bodies[0]["max_tokens"], bodies[0]["stream"]) == (20, 64, True)


async def test_a_server_that_hammers_back_is_not_hammered() -> None:
    busy = said(status=429, headers={"Retry-After": "0"})
    with MisbehavingServer(busy) as server:
        result = await ask(config_over(server, deadline={"call": 1.5}))
        assert server.books.arrived == result.usage.total.calls
        # Without a pause it would be thousands.
        assert server.books.arrived < 100
    assert {sample.error_type for sample in result.samples} == {"rate_limited"}


async def test_a_restart_costs_no_sample_though_the_replies_take_longer_than_the_patience() -> None:
    slow = said(first_token_delay=1.2)
    with MisbehavingServer(slow) as server:
        solver = A2R(config_over(server, deadline={"call": 2}))
        await solver.aask("6 times 7?")
        server.kill()
        asking = asyncio.create_task(solver.aask("7 times 6?"))
        done, _ = await asyncio.wait([asking], timeout=0.5)
        assert not done
        server.revive()
        result = await asking
    assert [sample.status for sample in result.samples] == ["answered"] * 4


async def test_questions_that_were_cancelled_leave_the_next_one_its_way() -> None:
    with MisbehavingServer(said(hang="before_headers")) as server:
        solver = A2R(config_over(server, concurrency=2))
        tasks = [asyncio.create_task(solver.aask(f"{n} times 7?")) for n in range(40)]
        await server.books.until(lambda books: books.outstanding == 2)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        server.script = GOOD
        async with asyncio.timeout(5):
            assert (await solver.aask("6 times 7?")).answer == "42"


async def test_a_callback_that_raises_is_not_the_servers_fault() -> None:
    class Raising(BaseCallbackHandler):
        raise_error = True

        def on_chat_model_start(self, *_: Any, **__: Any) -> None:
            raise ValueError("a bug of mine")

    with MisbehavingServer(GOOD) as server:
        solver = A2R(config_over(server))
        with pytest.raises(NoAnswerError, match="a bug of mine") as caught:
            await solver.aask("6 times 7?", {"callbacks": [Raising()]})
        assert {sample.error_type for sample in caught.value.result.samples} == {"internal"}
        assert server.books.arrived == 0
        assert (await solver.aask("6 times 7?")).answer == "42"


async def test_a_key_that_a_refusal_repeats_is_hidden_wherever_it_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-SECRET-abcdefghijklmnopqrstuvwxyz")
    error = "x" * 262 + " sk-SECRET-abcdefghijklmnopqrstuvwxyz is no key"
    with MisbehavingServer(said(status=401, error=error)) as server:
        result = await ask(config_over(server, samples=1, api_key_env="MY_KEY"))
    assert "SECRET" not in (result.samples[0].error or "")
    assert "[key]" in (result.samples[0].error or "")


async def test_a_redirect_is_told_with_where_it_leads() -> None:
    moved = said(status=307, headers={"Location": "https://elsewhere/v1"})
    with MisbehavingServer(moved) as server:
        result = await ask(config_over(server, samples=1))
    assert "redirects to https://elsewhere/v1" in (result.samples[0].error or "")


async def test_the_connections_are_closed_with_the_object() -> None:
    with MisbehavingServer(GOOD) as server:
        async with A2R(config_over(server)) as solver:
            await solver.aask("6 times 7?")
            assert server.books.open_connections == 4
        await server.books.until(lambda books: books.open_connections == 0, seconds=2)
        # It can be asked again all the same.
        assert (await solver.aask("6 times 7?")).answer == "42"
