"""Request fields of vLLM and unknown ones: passed on, dropped or refused; null is absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest
from typer.testing import CliRunner

from a2r.cli.app import app
from a2r.interfaces.http.settings import ExtraFieldsPolicy, ServerSettings
from a2r.interfaces.openai_server.vllm_fields import PassedFields
from tests.support.clients import AGREEING, MESSAGES, Start, disagreement
from tests.support.fake_openai import ScriptedReply, replies
from tests.support.serving import MODEL

pytestmark = pytest.mark.integration

PASSED: dict[str, Any] = {
    "top_k": 20,
    "min_p": 0.05,
    "repetition_penalty": 1.05,
    "length_penalty": 1.0,
    "stop_token_ids": [151645, 151643],
    "include_stop_str_in_output": True,
    "ignore_eos": False,
    "min_tokens": 2,
    "skip_special_tokens": False,
    "spaces_between_special_tokens": False,
    "truncate_prompt_tokens": 4096,
    "truncation_side": "left",
    "allowed_token_ids": [1, 2, 3],
    "bad_words": ["maybe"],
    "thinking_token_budget": 512,
    "include_reasoning": True,
    "watermarking": False,
    "repetition_detection": {"max_pattern_size": 8, "min_count": 3},
    "add_special_tokens": False,
    "documents": [{"title": "Sums", "text": "12 + 30 = 42"}],
    "chat_template": "{{ messages }}",
    "chat_template_kwargs": {"enable_thinking": False},
    "media_io_kwargs": {"video": {"num_frames": 4}},
    "mm_processor_kwargs": {"do_resize": False},
    "structured_outputs": {"choice": ["41", "42"]},
    "guided_json": {"type": "object", "properties": {"total": {"const": None}}},
    "guided_regex": "[0-9]+",
    "guided_choice": ["41", "42"],
    "guided_grammar": 'root ::= "42"',
    "guided_whitespace_pattern": " ",
    "guided_decoding_backend": "xgrammar",
    "structural_tag": "{}",
    "priority": -1,
    "cache_salt": "salt",
    "vllm_xargs": {"answer": 42, "names": ["x"]},
}


def settings(extra_fields: ExtraFieldsPolicy) -> ServerSettings:
    return ServerSettings(extra_fields=extra_fields)


def test_the_fields_of_vllm_reach_both_roles(start: Start) -> None:
    assert PASSED.keys() == PassedFields.model_fields.keys()
    setup = start(disagreement)
    setup.client.chat.completions.create(model=MODEL, messages=MESSAGES, extra_body=PASSED)
    assert len(setup.explorer) == 4
    assert len(setup.synthesizer) == 1
    for call in (*setup.explorer, *setup.synthesizer):
        assert {name: call[name] for name in PASSED} == PASSED


def test_null_is_absent(start: Start) -> None:
    setup = start(replies(small=AGREEING))
    nulls = dict.fromkeys((*PASSED, "seed", "stop", "tools", "n", "unheard_of", "echo"))
    headers = {"X-A2R-Samples": "3"}
    setup.client.chat.completions.create(
        model=MODEL,
        messages=MESSAGES,
        extra_body={**nulls, "a2r": {"samples": None, "unheard_of": None}},
        extra_headers=headers,
    )
    assert len(setup.explorer) == 3
    assert not nulls.keys() - {"seed"} & setup.explorer[0].keys()
    with pytest.raises(openai.BadRequestError, match="Missing required parameter: 'messages'"):
        setup.client.post("/chat/completions", body={"model": MODEL, "messages": None}, cast_to=str)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"tempreature": 1}, "Unknown parameter: 'tempreature'; did you mean 'temperature'?"),
        ({"zzzzzzz": 1}, "Unknown parameter: 'zzzzzzz'."),
        ({"use_beam_search": True}, "Unsupported parameter: 'use_beam_search' is not supported"),
        ({"prompt_logprobs": 0}, "'prompt_logprobs' is not supported"),
        ({"add_generation_prompt": False}, "'add_generation_prompt' is not supported"),
        ({"continue_final_message": True}, "'continue_final_message' is not supported"),
        ({"stop_token_ids": [-1]}, r"Invalid 'stop_token_ids\[0\]'"),
        ({"guided_json": 3}, "'guided_json'"),
        ({"structured_outputs": "x"}, "Invalid type for 'structured_outputs'"),
    ],
    ids=str,
)
def test_a_field_that_cannot_be_passed_on(
    start: Start, field: dict[str, Any], message: str
) -> None:
    setup = start(replies(small=AGREEING))
    with pytest.raises(openai.BadRequestError, match=message):
        setup.client.chat.completions.create(model=MODEL, messages=MESSAGES, extra_body=field)
    assert setup.explorer == []


def test_fields_without_effect_are_not_passed_on(start: Start) -> None:
    setup = start(replies(small=AGREEING))
    fields = {"request_id": "x", "session_id": "y", "use_beam_search": False, "echo": False}
    setup.client.chat.completions.create(model=MODEL, messages=MESSAGES, extra_body=fields)
    assert not fields.keys() & setup.explorer[0].keys()


def test_extra_fields_can_be_dropped(start: Start) -> None:
    setup = start(replies(small=AGREEING), settings("drop"))
    fields = {"top_k": 20, "use_beam_search": True, "unheard_of": 1}
    reply = setup.client.chat.completions.create(
        model=MODEL, messages=MESSAGES, extra_body=fields, presence_penalty=0.5
    )
    assert not fields.keys() & setup.explorer[0].keys()
    assert setup.explorer[0]["presence_penalty"] == 0.5
    assert reply.model_extra is not None
    assert reply.model_extra["a2r"][0]["warnings"] == [
        "dropped by this server: top_k, use_beam_search, unheard_of"
    ]


@pytest.mark.parametrize("field", ["top_k", "unheard_of"])
def test_extra_fields_can_be_refused(start: Start, field: str) -> None:
    setup = start(replies(small=AGREEING), settings("refuse"))
    with pytest.raises(openai.BadRequestError, match=field) as raised:
        setup.client.chat.completions.create(model=MODEL, messages=MESSAGES, extra_body={field: 1})
    assert raised.value.param == field
    assert setup.explorer == []


@pytest.mark.parametrize("stream", [False, True])
def test_an_endpoint_that_rejects_a_passed_field_is_the_clients_error(
    start: Start, stream: bool
) -> None:
    setup = start(replies(small=ScriptedReply(status=400)))

    def ask(**fields: Any) -> None:
        options: Any = {"model": MODEL, "messages": MESSAGES, "extra_body": fields}
        reply = setup.client.chat.completions.create(**options, stream=stream)
        assert not list(reply)

    with pytest.raises(openai.APIError, match="passed on: 'guided_regex'") as raised:
        ask(guided_regex="(")
    assert (raised.value.param, raised.value.code) == ("guided_regex", "invalid_value")
    with pytest.raises(openai.APIError, match="None of 4 samples finished: 4 rejected"):
        ask()


def test_the_command_has_the_setting(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["serve", "--extra-fields", "keep"])
    assert result.exit_code == 2
    for policy in ("pass", "drop", "refuse"):
        assert policy in result.output
